"""What a kernel's boot image tells of how it was built: release, banner, compiler and, when embedded, configuration."""

from __future__ import annotations

import re

from rocketaudit.errors import FormatError
from rocketaudit.formats.elf.header import MACHINES, MAGIC, parse_header
from rocketaudit.formats.vmlinuz import embedded_config, parse_vmlinuz, unpack_kernel
from rocketaudit.model.binary import KernelImage
from rocketaudit.model.reader import Buffer, BytesReader

_BANNER = re.compile(rb"Linux version (\d+\.\d+[\w.+~-]*) [^\0\n]{0,400}")
# init/version-timestamp.c: "(user@host) (compiler, linker) #build ..."; compilers nest parentheses once
_COMPILER = re.compile(r"\) \(((?:[^()]|\([^()]*\))*)\)")
_MACHINE_OF_KIND = {"bzImage": "x86_64", "arm64": "aarch64", "zboot": "aarch64"}
_COMPRESSIONS = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\0", "xz"), (b"\x5d\0\0", "lzma"))


def read_kernel_image(data: Buffer) -> KernelImage:
    """Read a bzImage, arm64 Image, EFI zboot image or vmlinux; FormatError when the bytes are none of these.

    A payload or a configuration that cannot be unpacked is named in `problems`; the rest is still there.
    """
    if bytes(data[:4]) == MAGIC:
        elf = parse_header(data)
        return _describe("vmlinux", MACHINES.get(elf.machine, f"machine {elf.machine}"), None, bytes(data), "", ())
    reader = BytesReader(data)
    image = parse_vmlinuz(reader)
    machine = _MACHINE_OF_KIND.get(image.kind, "unknown")
    head = bytes(data[image.payload_offset : image.payload_offset + 8])
    compression = next((name for magic, name in _COMPRESSIONS if head.startswith(magic)), None)
    try:
        plain = unpack_kernel(reader, image)
    except FormatError as error:
        return _describe(image.kind, machine, compression, b"", image.version, (error.message,))
    return _describe(image.kind, machine, compression, plain, image.version, ())


def _describe(
    form: str, machine: str, compression: str | None, plain: bytes, stated: str, problems: tuple[str, ...]
) -> KernelImage:
    match = _BANNER.search(plain)
    banner = None if match is None else match[0].decode("latin-1").rstrip()
    compiler = None if banner is None else _COMPILER.search(banner)
    config: bytes | None = None
    try:
        config = embedded_config(plain)
    except FormatError as error:
        problems = (*problems, error.message)
    version = stated.split(" ", 1)[0] or (None if match is None else match[1].decode("latin-1"))
    return KernelImage(
        format=form,
        machine=machine,
        compression=compression,
        version=version,
        banner=banner,
        compiler=None if compiler is None else compiler[1].strip(),
        config=None if config is None else config.decode("utf-8", "backslashreplace"),
        problems=problems,
    )
