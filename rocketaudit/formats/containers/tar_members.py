"""The members of a tar archive (POSIX pax, ustar, GNU), checked block by block."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.errors import FormatError, TruncatedError, UnsupportedError
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass

BLOCK = 512
MAX_MEMBERS = 4096
_MAX_EXTRA = 64 << 10


@dataclass(frozen=True, slots=True)
class TarMember:
    """A regular file: `size` bytes from `offset` of the archive on; `name` as stored."""

    name: str
    offset: int
    size: int


def list_members(reader: Reader, budget: Budget) -> tuple[TarMember, ...]:
    """All regular files in order; FormatError for a header whose checksum is wrong, TruncatedError for a cut.

    Two files of one name are an error too: some would take the first of them, others the last.
    """
    members: list[TarMember] = []
    names: set[str] = set()
    at, headers = 0, 0
    extra: dict[str, str] = {}
    while at + BLOCK <= reader.size:
        head = bytes(reader.read(at, BLOCK))
        if head == bytes(BLOCK):
            return tuple(members)
        headers += 1
        if headers > MAX_MEMBERS:
            raise FormatError(f"more than {MAX_MEMBERS} members in the archive", offset=at)
        budget.enter()
        _check(head, at)
        size = _size_of(extra, head, at)
        kind = head[156:157]
        body = at + BLOCK
        if body + size > reader.size:
            raise TruncatedError(f"a member of {size} bytes lies beyond the archive", offset=at)
        at = body + -(-size // BLOCK) * BLOCK
        if kind in b"xL":
            extra |= _extra(kind, bytes(reader.read(body, size)) if size <= _MAX_EXTRA else b"", body)
            continue
        if kind == b"S" or any(key.startswith("GNU.sparse.") for key in extra):
            raise UnsupportedError(
                "a member of the archive is stored with holes (GNU tar --sparse)", offset=body - BLOCK
            )
        if kind in (b"0", b"\0", b"7"):
            name = extra.get("path") or _name_of(head)
            if name in names:
                raise FormatError(f"the archive holds two files named {name[:80]!r}", offset=body - BLOCK)
            names.add(name)
            members.append(TarMember(name, body, size))
        extra = {}
    raise TruncatedError("the archive has no end", offset=reader.size)


def _check(head: bytes, at: int) -> None:
    stated = _octal(head[148:156], at + 148)
    if stated != sum(head[:148]) + 8 * 0x20 + sum(head[156:]):
        raise FormatError("the checksum of an archive header is wrong", offset=at + 148)


def _size_of(extra: dict[str, str], head: bytes, at: int) -> int:
    if "size" in extra:
        if not extra["size"].isdecimal() or len(extra["size"]) > 18:
            raise FormatError("a pax size is not a number", offset=at)
        return int(extra["size"])
    if head[124] == 0x80:  # GNU: big endian for what eleven octal digits cannot say
        return int.from_bytes(head[125:136], "big")
    return _octal(head[124:136], at + 124)


def _octal(raw: bytes, at: int) -> int:
    text = raw.strip(b"\0 ")
    try:
        return int(text, 8) if text else 0
    except ValueError as error:
        raise FormatError(f"{text[:12]!r} is no octal number", offset=at) from error


def _name_of(head: bytes) -> str:
    name = head[:100].split(b"\0", 1)[0]
    prefix = head[345:500].split(b"\0", 1)[0] if head[257:263] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "replace")


def _extra(kind: bytes, body: bytes, at: int) -> dict[str, str]:
    """A long name, or the records of a pax header."""
    if not body:
        raise FormatError("an archive header of unreasonable size", offset=at)
    if kind == b"L":
        return {"path": body.split(b"\0", 1)[0].decode("utf-8", "replace")}
    return dict(_pax_records(body, at))


def _pax_records(body: bytes, at: int) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(body) and body[place] != 0:
        digits, blank, _ = body[place : place + 20].partition(b" ")
        if not blank or not digits.isdigit() or not len(digits) + 1 < int(digits) <= len(body) - place:
            raise FormatError("a pax record has no length", offset=at + place)
        record = body[place + len(digits) + 1 : place + int(digits)]
        name, _, value = record.decode("utf-8", "replace").removesuffix("\n").partition("=")
        yield name, value
        place += int(digits)
