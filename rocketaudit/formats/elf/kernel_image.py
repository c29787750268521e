"""The kernel's boot image: version, compiler and configuration, out of whatever wraps it.

Sources: Documentation/arch/x86/boot.rst (setup header), Documentation/arch/arm64/booting.rst (Image header),
drivers/firmware/efi/libstub/zboot-header.S (EFI zboot), kernel/configs.c (IKCFG markers).
"""

from __future__ import annotations

import lzma
import re
import struct
import zlib
from collections.abc import Callable

import zstandard

from rocketaudit.errors import FormatError, TruncatedError
from rocketaudit.formats.elf.header import MACHINES, MAGIC, parse_header
from rocketaudit.model.binary import KernelImage
from rocketaudit.model.reader import Buffer

MAX_IMAGE = 512 << 20
MAX_PAYLOAD = 256 << 20
MAX_CONFIG = 4 << 20
_DECODER_MEMORY = 256 << 20

_BANNER = re.compile(rb"Linux version (\d+\.\d+[\w.+~-]*) [^\0\n]{0,400}")
_COMPILER = re.compile(r"\(((?:[\w.-]*gcc|clang|[\w ]*clang version)[^()]*(?:\([^()]*\)[^()]*)*)")
_SETUP_MAGIC, _ARM64_MAGIC, _ZBOOT_MAGIC = b"HdrS", b"ARM\x64", b"MZ\0\0zimg"


def parse_kernel_image(data: Buffer) -> KernelImage:
    """Recognise and unpack a kernel image; FormatError when the bytes are none.

    A payload that cannot be unpacked is named in `problems`; the version then comes from the wrapper's own header.
    """
    raw = bytes(data[:MAX_IMAGE]) if len(data) > MAX_IMAGE else bytes(data)
    if raw[0x202:0x206] == _SETUP_MAGIC:
        return _bzimage(raw)
    if raw[:8] == _ZBOOT_MAGIC:
        return _zboot(raw)
    if raw[0x38:0x3C] == _ARM64_MAGIC:
        return _image("arm64-image", "aarch64", None, raw, None, ())
    if raw.startswith(MAGIC):
        elf = parse_header(raw)
        return _image("vmlinux", MACHINES.get(elf.machine, f"machine {elf.machine}"), None, raw, None, ())
    kind = _compression(raw, 0)
    if kind is not None:
        plain = _decompress(kind, raw, 0)
        if plain[0x38:0x3C] == _ARM64_MAGIC:
            return _image("arm64-image", "aarch64", kind, plain, None, ())
    raise FormatError("neither a bzImage nor an arm64 Image, EFI zboot or vmlinux", offset=0)


def _bzimage(raw: bytes) -> KernelImage:
    """Follow the setup header to the payload (boot protocol 2.08 and later)."""
    if len(raw) < 0x268:
        raise TruncatedError("the setup header of the bzImage is cut", offset=len(raw))
    setup_sectors = raw[0x1F1] or 4
    (protocol,) = struct.unpack_from("<H", raw, 0x206)
    (version_at,) = struct.unpack_from("<H", raw, 0x20E)
    stated = raw[version_at + 0x200 : version_at + 0x200 + 256].split(b"\0", 1)[0] if version_at else b""
    version = stated.split(b" ", 1)[0].decode("latin-1") or None
    xload, payload = struct.unpack_from("<H", raw, 0x236)[0], (0, 0)
    machine = "x86_64" if xload & 1 else "i386"
    if protocol >= 0x208:
        payload = struct.unpack_from("<II", raw, 0x248)
    start, size = (setup_sectors + 1) * 512 + payload[0], payload[1]
    kind = _compression(raw, start) if size else None
    if kind is None:
        return _image("bzimage", machine, None, b"", version, (f"no known payload at byte {start}",))
    return _unpacked("bzimage", machine, kind, raw[start : start + size], version)


def _zboot(raw: bytes) -> KernelImage:
    start, size = struct.unpack_from("<II", raw, 8) if len(raw) >= 16 else (0, 0)
    kind = _compression(raw, start)
    if kind is None:
        return _image("arm64-efi-zboot", "aarch64", None, b"", None, (f"no known payload at byte {start}",))
    return _unpacked("arm64-efi-zboot", "aarch64", kind, raw[start : start + size], None)


def _unpacked(form: str, machine: str, kind: str, payload: bytes, version: str | None) -> KernelImage:
    try:
        plain = _decompress(kind, payload, 0)
    except FormatError as error:
        return _image(form, machine, kind, b"", version, (error.message,))
    return _image(form, machine, kind, plain, version, ())


def _image(
    form: str, machine: str, compression: str | None, plain: bytes, version: str | None, problems: tuple[str, ...]
) -> KernelImage:
    match = _BANNER.search(plain)
    banner = None if match is None else match[0].decode("latin-1").rstrip()
    compiler = None if banner is None else _COMPILER.search(banner)
    config: str | None = None
    try:
        config = kernel_config(plain)
    except FormatError as error:
        problems = (*problems, error.message)
    return KernelImage(
        format=form,
        machine=machine,
        compression=compression,
        version=version or (None if match is None else match[1].decode("latin-1")),
        banner=banner,
        compiler=None if compiler is None else compiler[1].split(", ", 1)[0].strip(),
        config=config,
        problems=problems,
    )


def kernel_config(plain: bytes) -> str | None:
    """The text of IKCONFIG out of an unpacked kernel (or configs.ko), None when it is not built in."""
    start = plain.find(b"IKCFG_ST\x1f\x8b")
    if start < 0:
        return None
    text = _decompress("gzip", plain[start + 8 :], start + 8, limit=MAX_CONFIG)
    return text.decode("utf-8", "backslashreplace")


_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x5d\0\0", "lzma"),
    (b"\x02\x21\x4c\x18", "lz4"),
)


def _compression(raw: bytes, at: int) -> str | None:
    for magic, name in _MAGICS:
        if raw[at : at + len(magic)] == magic:
            return name
    return None


def _decompress(kind: str, raw: bytes, at: int, *, limit: int = MAX_PAYLOAD) -> bytes:
    """Unpack a stream that other bytes may follow; at most `limit` bytes come out."""
    decode = _DECODERS.get(kind)
    if decode is None:
        raise FormatError(f"a kernel payload compressed with {kind} is not read", offset=at)
    try:
        plain, ended = decode(raw, limit)
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError, ValueError, MemoryError) as error:
        raise FormatError(f"the {kind} payload of the kernel is damaged: {error}", offset=at) from None
    if not ended:
        raise FormatError(f"the {kind} payload of the kernel is cut, or unpacks to more than {limit} bytes", offset=at)
    return plain


def _gzip(raw: bytes, limit: int) -> tuple[bytes, bool]:
    decoder = zlib.decompressobj(wbits=31)
    return decoder.decompress(raw, limit), decoder.eof


def _xz(raw: bytes, limit: int) -> tuple[bytes, bool]:
    decoder = lzma.LZMADecompressor(memlimit=_DECODER_MEMORY)
    return decoder.decompress(raw, limit), decoder.eof


def _zstd(raw: bytes, limit: int) -> tuple[bytes, bool]:
    decoder = zstandard.ZstdDecompressor(max_window_size=_DECODER_MEMORY).decompressobj()
    parts: list[bytes] = []
    total = 0
    for start in range(0, len(raw), 1 << 16):
        parts.append(decoder.decompress(raw[start : start + (1 << 16)]))
        total += len(parts[-1])
        if total > limit or decoder.eof:
            break
    return b"".join(parts), decoder.eof and total <= limit


_DECODERS: dict[str, Callable[[bytes, int], tuple[bytes, bool]]] = {
    "gzip": _gzip,
    "xz": _xz,
    "lzma": _xz,
    "zstd": _zstd,
}
