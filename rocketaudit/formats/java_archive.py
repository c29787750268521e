"""Java archives (JAR, WAR, EAR): which packages they say they are, and the archives inside them.

ZIP: APPNOTE 6.3.10, 4.3; read with the standard library, within bounds. A build by Maven leaves
META-INF/maven/GROUP/ARTIFACT/pom.properties, anything may leave META-INF/MANIFEST.MF (JAR File Specification).
Only those and archives inside are expanded, and never more of them than the bounds.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from rocketaudit.errors import BudgetError, FormatError, UnsupportedError
from rocketaudit.model.language_package import LanguagePackage

if TYPE_CHECKING:
    from typing import IO

MAX_DIRECTORY = 8 << 20  # bytes of the central directory: more than 100,000 entries
MAX_ENTRIES = 65_535
MAX_PROPERTIES = 64 << 10
MAX_MANIFEST = 1 << 20
MAX_INNER = 64 << 20  # one archive inside
MAX_EXPANDED = 128 << 20  # all of them together
MAX_PACKAGES = 1_000
MAX_DEPTH = 3
MAX_VALUE = 1_000
MAX_SUMMARY = 300
_END = struct.Struct("<4s4H2IH")
_POM = re.compile(r"META-INF/maven/[^/]+/[^/]+/pom\.properties\Z")
_ARCHIVE = re.compile(r"[^/]\.(?:jar|war|ear)\Z")
_NAME = re.compile(r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*?)(?:-(?P<version>\d[A-Za-z0-9_.+-]*))?\.(?:jar|war|ear)\Z")
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError, ValueError, EOFError,
    OverflowError, MemoryError, KeyError, IndexError,
)  # fmt: skip


class _Window:
    """Bytes as the file that `zipfile` wants."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._at = 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        at = offset + (0, self._at, len(self._data))[whence]
        if at < 0:
            raise FormatError("a position before the start of the archive")
        self._at = at
        return at

    def read(self, size: int = -1) -> bytes:
        end = len(self._data) if size < 0 else self._at + size
        piece = bytes(self._data[self._at : end])
        self._at += len(piece)
        return piece


@dataclass(slots=True)
class _Left:
    """What may still be expanded, and listed, of one archive with all that lie inside it."""

    expanded: int = MAX_EXPANDED
    packages: int = MAX_PACKAGES

    def expand(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
        with archive.open(entry) as file:
            data = file.read(limit + 1)
        self.expanded -= len(data)
        if len(data) > limit or self.expanded < 0:
            raise BudgetError(f"{_clean(entry.filename)}: more than {limit} bytes, or too much in the whole archive")
        return data

    def count(self) -> None:
        self.packages -= 1
        if self.packages < 0:
            raise BudgetError(f"more than {MAX_PACKAGES} packages in a Java archive")


def parse_java_archive(path: str, data: bytes | memoryview) -> tuple[LanguagePackage, ...]:
    """The packages that the archive at `path` and those inside it state; FormatError for no ZIP, or beyond a bound.

    A package is what pom.properties says; without one, what the manifest says (no group); else what the file's name
    says, so that an archive that says nothing of itself is in the list as well.
    """
    return tuple(_packages(path, "", data, 0, _Left()))


def _packages(path: str, inside: str, data: bytes | memoryview, depth: int, left: _Left) -> Iterator[LanguagePackage]:
    _check_end(data)
    try:
        with zipfile.ZipFile(cast("IO[bytes]", _Window(data))) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES:
                raise BudgetError(f"{len(entries)} entries in a Java archive, at most {MAX_ENTRIES} are read")
            for package in _own(path, inside, archive, entries, left):
                left.count()
                yield package
            for entry in entries:
                if _ARCHIVE.search(entry.filename):
                    name = _clean(entry.filename)
                    if depth >= MAX_DEPTH:
                        raise BudgetError(f"archives inside a Java archive more than {MAX_DEPTH} deep")
                    inner = left.expand(archive, entry, MAX_INNER)
                    yield from _packages(name, f"{inside}!{name}" if inside else name, inner, depth + 1, left)
    except _BROKEN as error:
        where = f" ({inside})" if inside else ""
        raise FormatError(f"Java archive{where}: {type(error).__name__}: {str(error)[:200]}") from None


def _check_end(data: bytes | memoryview) -> None:
    """The end record before `zipfile` believes it: it would hold a directory of any size in memory."""
    tail = bytes(data[-(_END.size + 0xFFFF) :])
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise FormatError("no end record: not a ZIP archive")
    _, _, _, _, entries, size, offset, _ = _END.unpack_from(tail, at)
    if entries == 0xFFFF or 0xFFFFFFFF in (size, offset) or tail[max(at - 20, 0) : at].startswith(b"PK\6\7"):
        raise UnsupportedError("a Java archive in ZIP64 form")
    if size > min(MAX_DIRECTORY, len(data)):
        raise BudgetError(f"a central directory of {size} bytes in a Java archive")


def _own(
    path: str, inside: str, archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], left: _Left
) -> Iterator[LanguagePackage]:
    manifest = _manifest(archive, entries, left)
    licence = manifest.get("bundle-license", "").partition(";")[0].strip()
    summary = manifest.get("bundle-description", "")[:MAX_SUMMARY]
    found = False
    for entry in entries:
        if _POM.match(entry.filename):
            said = _properties(left.expand(archive, entry, MAX_PROPERTIES))
            group, name, version = (said.get(key, "") for key in ("groupId", "artifactId", "version"))
            if group and name and version:
                found = True
                yield LanguagePackage("maven", name, version, licence, summary, group, inside)
    if found:
        return
    by_name = _NAME.match(path.rpartition("/")[2])
    name = manifest.get("bundle-symbolicname", "").partition(";")[0].strip() or manifest.get("implementation-title", "")
    version = manifest.get("bundle-version", "") or manifest.get("implementation-version", "")
    if by_name is not None:  # the file's name is what its maker calls it; a title may be a sentence
        name, version = by_name["name"], version or by_name["version"] or ""
    if name:
        yield LanguagePackage("maven", name, version, licence, summary, "", inside)


def _manifest(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], left: _Left) -> dict[str, str]:
    """The main section, names in small letters; lines are continued by a blank."""
    entry = next((one for one in entries if one.filename.upper() == "META-INF/MANIFEST.MF"), None)
    if entry is None:
        return {}
    text = left.expand(archive, entry, MAX_MANIFEST).decode("utf-8", "replace")
    main = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]
    pairs = (line.partition(":") for line in re.sub(r"\r?\n ", "", main).splitlines())
    return {name.strip().lower(): _clean(value.strip()) for name, colon, value in pairs if colon}


def _properties(data: bytes) -> dict[str, str]:
    """java.util.Properties as Maven writes them: `name=value`, `#` begins a remark."""
    lines = (line.strip() for line in data.decode("utf-8", "replace").splitlines())
    pairs = (line.partition("=") for line in lines if line and line[0] not in "#!")
    return {name.strip(): _clean(value.strip()) for name, equals, value in pairs if equals}


def _clean(text: str) -> str:
    return text[:MAX_VALUE].encode("utf-8", "replace").decode("utf-8")
