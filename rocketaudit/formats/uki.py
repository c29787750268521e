"""Unified kernel images: a PE program whose sections are kernel, command line, os-release and more.

Source: https://uapi-group.org/specifications/specs/unified_kernel_image/
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from rocketaudit.errors import FormatError, TruncatedError
from rocketaudit.formats.key_value import parse_key_values
from rocketaudit.model.reader import Reader

MAX_SECTIONS = 96  # what Windows' and EDK2's loaders accept
MAX_TEXT = 256 << 10
_SECTION = struct.Struct("<8sIIIIIIHHI")
_TEXTS = (".cmdline", ".osrel", ".uname", ".sbat", ".pcrpkey", ".pcrsig")


@dataclass(frozen=True, slots=True)
class UkiSection:
    """`offset` and `size` in bytes of the file; `size` without the padding."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Uki:
    """Any PE program; it is a unified kernel image when it has a kernel in it.

    Of a section that is there twice the first counts (later ones belong to other profiles).
    """

    sections: tuple[UkiSection, ...]
    command_line: str
    kernel_version: str
    os_release: tuple[tuple[str, str], ...]
    sbat: str
    problems: tuple[str, ...]

    @property
    def is_unified(self) -> bool:
        return any(section.name == ".linux" for section in self.sections)

    def section(self, name: str) -> UkiSection | None:
        return next((section for section in self.sections if section.name == name), None)


def parse_uki(reader: Reader) -> Uki:
    """Read the section table and the small sections of a PE program; FormatError says which field is wrong."""
    sections = _sections(reader)
    problems = [f"section {s.name} is there more than once" for s in _repeated(sections)]
    texts = {name: _text(reader, sections, name, problems) for name in _TEXTS}
    release: tuple[tuple[str, str], ...] = ()
    if texts[".osrel"]:
        release = tuple((name, value) for name, (value, _) in parse_key_values(texts[".osrel"]).items())
    return Uki(
        sections=sections,
        command_line=_decode(texts[".cmdline"]),
        kernel_version=_decode(texts[".uname"]),
        os_release=release,
        sbat=_decode(texts[".sbat"]),
        problems=tuple(problems),
    )


def _sections(reader: Reader) -> tuple[UkiSection, ...]:
    head = _take(reader, 0, 64)
    if head[:2] != b"MZ":
        raise FormatError("no PE program: MZ is missing", offset=0)
    (at,) = struct.unpack_from("<I", head, 60)
    if bytes(_take(reader, at, 4)) != b"PE\0\0":
        raise FormatError("no PE signature where the header points", offset=at)
    count, optional = struct.unpack_from("<2xH12xH", _take(reader, at + 4, 20))
    if count > MAX_SECTIONS:
        raise FormatError(f"{count} sections, at most {MAX_SECTIONS} are read", offset=at + 6)
    table = at + 24 + optional
    raw = _take(reader, table, count * _SECTION.size)
    sections = []
    for index in range(count):
        name, virtual, _, stored, offset, *_ = _SECTION.unpack_from(raw, index * _SECTION.size)
        size = min(virtual, stored)
        if size and offset + size > reader.size:
            raise TruncatedError(
                f"section {_name(name)} lies beyond the end of the file", offset=table + index * _SECTION.size
            )
        sections.append(UkiSection(_name(name), offset, size))
    return tuple(sections)


def _repeated(sections: tuple[UkiSection, ...]) -> list[UkiSection]:
    seen: dict[str, int] = {}
    for section in sections:
        seen[section.name] = seen.get(section.name, 0) + 1
    return [s for s in {s.name: s for s in sections}.values() if seen[s.name] > 1 and s.name.startswith(".")]


def _text(reader: Reader, sections: tuple[UkiSection, ...], name: str, problems: list[str]) -> bytes:
    section = next((s for s in sections if s.name == name), None)
    if section is None:
        return b""
    if section.size > MAX_TEXT:
        problems.append(f"section {name} of {section.size} bytes is not read")
        return b""
    return bytes(_take(reader, section.offset, section.size))


def _decode(raw: bytes) -> str:
    """Text up to its first NUL, without the newline that ends it."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace").rstrip("\r\n ")


def _name(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("ascii", "backslashreplace")


def _take(reader: Reader, offset: int, length: int) -> bytes | memoryview:
    if offset + length > reader.size:
        raise TruncatedError(f"{length} bytes wanted, the program has {reader.size}", offset=offset)
    return reader.read(offset, length)
