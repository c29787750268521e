"""Kernel images: the version in a bzImage's header, and the configuration that a kernel carries in itself.

Sources: Documentation/arch/x86/boot.rst, arch/arm64/booting.rst, kernel/configs.c of Linux.
"""

from __future__ import annotations

import lzma
import struct
import zlib

import lz4.block
import zstandard

from rocketaudit.errors import FormatError, TruncatedError, UnsupportedError
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass

MAX_PAYLOAD = 64 << 20
MAX_KERNEL = 256 << 20
MAX_VERSION = 512
_CONFIG_START, _CONFIG_END = b"IKCFG_ST", b"IKCFG_ED"
_BANNER = b"Linux version "


@dataclass(frozen=True, slots=True)
class Vmlinuz:
    """`version` is the whole text that the header states; `release` its first word, as `uname -r` prints it.

    The payload is the compressed kernel, in bytes of the file as the header claims them (0 and 0: there is none).
    """

    kind: str
    version: str
    payload_offset: int
    payload_size: int

    @property
    def release(self) -> str:
        return self.version.split(" ", 1)[0]


def is_vmlinuz(head: bytes) -> bool:
    """Whether a file that starts so is one of the images that `parse_vmlinuz` reads."""
    return head[0x202:0x206] == b"HdrS" or head[4:8] == b"zimg" or head[56:60] == b"ARM\x64"


def parse_vmlinuz(reader: Reader) -> Vmlinuz:
    """Read the header of an x86 bzImage, an arm64 Image or an EFI zboot image; FormatError for anything else."""
    head = bytes(reader.read(0, min(reader.size, 0x1000)))
    if head[0x202:0x206] == b"HdrS":
        return _parse_bzimage(reader, head)
    if head[4:8] == b"zimg" and len(head) >= 64:
        offset, size = struct.unpack_from("<II", head, 8)
        return Vmlinuz("zboot", "", offset, size)
    if head[56:60] == b"ARM\x64":
        return Vmlinuz("arm64", "", 0, 0)
    raise FormatError("no kernel image that we know", offset=0)


def _parse_bzimage(reader: Reader, head: bytes) -> Vmlinuz:
    if len(head) < 0x250:
        raise TruncatedError("the kernel ends inside its header", offset=len(head))
    (protocol,) = struct.unpack_from("<H", head, 0x206)
    (version_at,) = struct.unpack_from("<H", head, 0x20E)
    sectors = head[0x1F1] or 4
    version = ""
    if version_at:
        at = 0x200 + version_at
        if at >= reader.size:
            raise TruncatedError("the kernel's version lies beyond the file", offset=0x20E)
        raw = bytes(reader.read(at, min(MAX_VERSION, reader.size - at)))
        version = raw.split(b"\0", 1)[0].decode("utf-8", "replace")
    if protocol < 0x208:
        return Vmlinuz("bzImage", version, 0, 0)
    offset, size = struct.unpack_from("<II", head, 0x248)
    offset += (sectors + 1) * 512
    return Vmlinuz("bzImage", version, offset, size)


def unpack_kernel(reader: Reader, image: Vmlinuz) -> bytes:
    """The kernel itself, decompressed, at most 256 MiB; UnsupportedError for a compression that we do not know."""
    offset, size = (image.payload_offset, image.payload_size) if image.payload_size else (0, reader.size)
    if size > MAX_PAYLOAD and image.payload_size:
        raise FormatError(f"a compressed kernel of {size} bytes", offset=offset)
    if offset + size > reader.size:
        raise TruncatedError("the compressed kernel lies beyond the file", offset=offset)
    data = bytes(reader.read(offset, min(size, MAX_KERNEL)))
    try:
        return _decompress(data) if image.payload_size else data
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError, lz4.block.LZ4BlockError) as error:
        raise FormatError(f"the compressed kernel does not decode: {error}", offset=offset) from error


def _decompress(data: bytes) -> bytes:
    if data[:2] == b"\x1f\x8b":
        return zlib.decompressobj(31).decompress(data, MAX_KERNEL)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data) as stream:
            return stream.read(MAX_KERNEL)
    if data[:6] == b"\xfd7zXZ\0":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=128 << 20).decompress(data, MAX_KERNEL)
    if data[:3] == b"\x5d\0\0":
        return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=128 << 20).decompress(data, MAX_KERNEL)
    if data[:4] == b"\x02\x21\x4c\x18":
        return _legacy_lz4(data)
    raise UnsupportedError(f"a kernel compressed in a way that we do not know ({data[:4].hex()})")


def _legacy_lz4(data: bytes) -> bytes:
    """The LZ4 legacy frame of `lz4 -l`: blocks of 8 MiB, each with its stored size before it."""
    out: list[bytes] = []
    at = 4
    while at + 4 <= len(data) and sum(map(len, out)) < MAX_KERNEL:
        (stored,) = struct.unpack_from("<I", data, at)
        if not 0 < stored <= len(data) - at - 4:
            break  # the kernel's build appends the unpacked size
        out.append(lz4.block.decompress(data[at + 4 : at + 4 + stored], uncompressed_size=8 << 20))
        at += 4 + stored
    return b"".join(out)


def embedded_config(kernel: bytes) -> bytes | None:
    """The text of CONFIG_IKCONFIG inside an unpacked kernel, None without it; FormatError when it does not decode."""
    start = kernel.find(_CONFIG_START)
    if start < 0:
        return None
    end = kernel.find(_CONFIG_END, start)
    if end < 0:
        raise TruncatedError("the kernel's configuration has no end", offset=start)
    try:
        return zlib.decompressobj(31).decompress(kernel[start + 8 : end], 4 << 20)
    except zlib.error as error:
        raise FormatError(f"the kernel's configuration does not decode: {error}", offset=start) from error


def banner_release(kernel: bytes) -> str:
    """The release in the banner ("Linux version 6.12.5 (...)") of an unpacked kernel; "" without one."""
    at = kernel.find(_BANNER)
    if at < 0:
        return ""
    return kernel[at + len(_BANNER) : at + len(_BANNER) + 128].split(b" ", 1)[0].decode("utf-8", "replace")
