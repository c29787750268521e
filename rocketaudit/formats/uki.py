"""Unified kernel images: a PE program whose sections are kernel, command line, os-release and more.

Source: https://uapi-group.org/specifications/specs/unified_kernel_image/
"""

from __future__ import annotations

from rocketaudit.errors import FormatError
from rocketaudit.formats.key_value import parse_key_values
from rocketaudit.formats.pe import PeImage, parse_pe, read_section
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass

MAX_TEXT = 256 << 10


@dataclass(frozen=True, slots=True)
class Uki:
    """What the base profile of a PE program says; it is a unified kernel image when it has a kernel in it."""

    image: PeImage
    is_unified: bool
    command_line: str
    kernel_version: str
    os_release: tuple[tuple[str, str], ...]
    sbat: str

    @property
    def arch(self) -> str:
        return self.image.machine


def parse_uki(reader: Reader) -> Uki:
    """Read the small sections of a PE program; FormatError for broken headers or a section that is there twice."""
    image = parse_pe(reader)
    release = _text(reader, image, ".osrel")
    return Uki(
        image=image,
        is_unified=image.find(".linux") is not None,
        command_line=_decode(_text(reader, image, ".cmdline")),
        kernel_version=_decode(_text(reader, image, ".uname")),
        os_release=tuple((name, value) for name, (value, _) in parse_key_values(release).items()),
        sbat=_decode(_text(reader, image, ".sbat")),
    )


def _text(reader: Reader, image: PeImage, name: str) -> bytes:
    section = image.find(name)
    if section is None:
        return b""
    if section.size > MAX_TEXT:
        raise FormatError(f"PE section {name} of {section.size} bytes", offset=section.raw_offset)
    return read_section(reader, section)


def _decode(raw: bytes) -> str:
    """Text up to its first NUL, without the newline that ends it."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace").rstrip("\r\n ")
