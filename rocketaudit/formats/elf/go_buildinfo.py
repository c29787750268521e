"""Go's build information: version, main module and the modules linked in; and what is left when it was removed.

Layout: Go's debug/buildinfo. A blob starts with a magic; since Go 1.18 the two texts follow it as varint-prefixed
strings, before that it held pointers to two Go string headers.
"""

from __future__ import annotations

import re

from rocketaudit.errors import FormatError
from rocketaudit.formats.elf.go_settings import version_settings
from rocketaudit.formats.elf.haystack import Ranges
from rocketaudit.formats.elf.header import ElfFile
from rocketaudit.model.binary import GoModule
from rocketaudit.model.records import dataclass

MAGIC = b"\xff Go buildinf:"
MAX_TEXT = 4 << 20
MAX_MODULES = 20_000
MAX_PATHS = 200_000
_HEADER = 32
_POINTER_SIZE, _FLAGS, _INLINE, _BIG_ENDIAN = 14, 15, 2, 1

_MODULE_PATH = re.compile(rb"(?<![\w.~!-])[a-z0-9][a-z0-9.-]*\.[a-z]{2,}(?:/[\w.~!-]+)*\Z")
_VERSION = re.compile(rb"@(v\d+\.\d+\.\d+[\w.+-]*)/")
_ESCAPED = re.compile(r"!([a-z])")


@dataclass(frozen=True, slots=True)
class GoBuildInfo:
    """`main` is the main package's path; `modules` leaves the main module out, which is `module`."""

    version: str | None
    main: str | None
    modules: tuple[GoModule, ...]
    module: GoModule | None = None
    stated: tuple[tuple[str, str], ...] = ()  # settings about the main module's version


def find_build_info(elf: ElfFile, ranges: Ranges) -> int | None:
    """Where the blob starts: by its section, else by a search."""
    section = elf.section(".go.buildinfo")
    if section is not None and bytes(elf.piece(section.offset, len(MAGIC))) == MAGIC:
        return section.offset
    for at in elf.haystack.find_all(MAGIC, ranges, 8):
        if at % 16 == 0:
            return at
    return None


def read_build_info(elf: ElfFile, at: int) -> GoBuildInfo:
    """Parse the blob at file offset `at`; FormatError when its strings lie outside the file."""
    head = bytes(elf.piece(at, _HEADER))
    if len(head) < _HEADER or not head.startswith(MAGIC):
        raise FormatError("Go build info is cut", offset=at)
    if head[_FLAGS] & _INLINE:
        version, after = _inline(elf, at + _HEADER)
        modules, _ = _inline(elf, after)
    else:
        size = head[_POINTER_SIZE]
        if size not in (4, 8):
            raise FormatError(f"Go build info with pointers of {size} bytes", offset=at + _POINTER_SIZE)
        order = "big" if head[_FLAGS] & _BIG_ENDIAN else "little"
        version, modules = (_pointed(elf, at + 16 + index * size, size, order) for index in (0, 1))
    return _parse(version.decode("utf-8", "backslashreplace") or None, _unframed(modules))


def modules_by_paths(elf: ElfFile, ranges: Ranges) -> tuple[GoModule, ...]:
    """Modules by the source paths of the function table (`module@version/file.go`), for files without build info."""
    found: dict[tuple[str, str], GoModule] = {}
    for at in elf.haystack.find_all(b"@v", ranges, MAX_PATHS):
        before = elf.haystack.window(at - 160, at).rpartition(b"pkg/mod/")[2]
        named, stated = _MODULE_PATH.search(before), _VERSION.match(elf.haystack.window(at, at + 100))
        if named is not None and stated is not None and len(found) < MAX_MODULES:
            path = _ESCAPED.sub(lambda letter: letter[1].upper(), named[0].decode("latin-1"))
            version = stated[1].decode("latin-1")
            found.setdefault((path, version), GoModule(path, version, None, None))
    return tuple(found[key] for key in sorted(found))


def _inline(elf: ElfFile, at: int) -> tuple[bytes, int]:
    """A varint length and that many bytes, and the offset after them."""
    length = shift = 0
    start = at
    while True:
        raw = elf.piece(at, 1)
        if not len(raw) or shift > 35:
            raise FormatError("a Go build info string has no length", offset=start)
        length |= (raw[0] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if raw[0] < 0x80:
            break
    text = bytes(elf.piece(at, min(length, MAX_TEXT)))
    if len(text) < length:
        raise FormatError(f"a Go build info string of {length} bytes does not fit", offset=start)
    return text, at + length


def _pointed(elf: ElfFile, at: int, size: int, order: str) -> bytes:
    """The bytes of the Go string whose header the pointer at `at` names; empty when it points nowhere."""
    header_at = _number(elf, at, size, order)
    where = None if header_at is None else elf.file_offset(header_at)
    if where is None:
        return b""
    data, length = _number(elf, where, size, order), _number(elf, where + size, size, order)
    text_at = None if data is None else elf.file_offset(data)
    return b"" if text_at is None or length is None else bytes(elf.piece(text_at, min(length, MAX_TEXT)))


def _number(elf: ElfFile, at: int, size: int, order: str) -> int | None:
    raw = elf.piece(at, size)
    return int.from_bytes(raw, "big" if order == "big" else "little") if len(raw) == size else None


def _unframed(text: bytes) -> str:
    """Without the 16 marker bytes that the linker puts on each side."""
    if len(text) >= 33 and text[-17:-16] == b"\n":
        text = text[16:-16]
    return text.decode("utf-8", "backslashreplace")


def _parse(version: str | None, text: str) -> GoBuildInfo:
    main: str | None = None
    module: GoModule | None = None
    modules: list[GoModule] = []
    settings: list[str] = []
    for line in text.split("\n"):
        kind, *fields = line.split("\t")
        if kind == "path" and fields:
            main = fields[0]
        elif kind == "dep" and len(fields) >= 2:
            if len(modules) >= MAX_MODULES:  # a part of them would be taken for all
                raise FormatError(f"Go build info of more than {MAX_MODULES} modules")
            modules.append(GoModule(fields[0], fields[1], None, fields[2] if len(fields) > 2 and fields[2] else None))
        elif kind == "=>" and fields and modules:
            old = modules[-1]
            new_sum = fields[2] if len(fields) > 2 and fields[2] else None
            replacement = "@".join(field for field in fields[:2] if field)
            modules[-1] = GoModule(old.path, old.version, replacement, new_sum)
        elif kind == "mod" and fields:
            main = main or fields[0]
            if len(fields) >= 2:
                module = GoModule(fields[0], fields[1], None, fields[2] if len(fields) > 2 and fields[2] else None)
        elif kind == "build" and fields:
            settings.append("\t".join(fields))
    return GoBuildInfo(version, main, tuple(modules), module, version_settings(settings))
