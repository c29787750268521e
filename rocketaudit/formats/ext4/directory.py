"""Directory blocks of ext2, ext3 and ext4, read one after the other (a hash tree's inner blocks look empty).

https://docs.kernel.org/filesystems/ext4/directory.html
"""

from __future__ import annotations

import struct

from rocketaudit.errors import FormatError

_ENTRY = struct.Struct("<IHBB")
_WITHOUT_TYPE = struct.Struct("<IHH")
_LONGEST_NAME = 255


def parse_block(
    block: bytes, *, at: int = 0, has_type: bool = True
) -> tuple[list[tuple[bytes, int]], FormatError | None]:
    """(name, inode number) of each used entry but "." and "..", up to one that is impossible: then the error too.

    `at` is where the block lies, for the error's offset.
    """
    unpack = _ENTRY.unpack_from
    position, end = 0, len(block)
    found: list[tuple[bytes, int]] = []
    while position + 8 <= end:
        number, length, name_length, _ = unpack(block, position)
        if length >= 65532:  # blocks of 64 KiB: the length does not fit the field
            length = end - position
        if length < 8 or length & 3 or position + length > end:
            return found, FormatError(f"directory entry of {length} bytes", offset=at + position)
        if number:
            if not has_type:
                name_length = _WITHOUT_TYPE.unpack_from(block, position)[2]
            if not 0 < name_length <= _LONGEST_NAME or 8 + name_length > length:
                return found, FormatError(f"directory entry name of {name_length} bytes", offset=at + position)
            name = block[position + 8 : position + 8 + name_length]
            if name != b"." and name != b"..":
                if b"/" in name or b"\0" in name:
                    return found, FormatError(f"directory entry name {name!r}", offset=at + position)
                found.append((name, number))
        position += length
    return found, None
