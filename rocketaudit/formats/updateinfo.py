"""updateinfo.xml of an RPM repository, plain or compressed with gzip: the advisories that `dnf updateinfo` lists.

Read with expat alone: a document type, and so every entity of its own, is refused before anything is expanded.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from xml.parsers import expat

from rocketaudit.errors import BudgetError, FormatError
from rocketaudit.formats.advisory_toml import SEVERITIES
from rocketaudit.model.advisory import Advisory, FixedPackage
from rocketaudit.model.fact import Locator
from rocketaudit.model.verdict import Severity

MAX_COMPRESSED = 64 << 20
MAX_SIZE = 256 << 20
MAX_MEMBERS = 100
MAX_DEPTH = 32
MAX_ELEMENTS = 5_000_000
MAX_TEXT = 1 << 20
_GZIP = b"\x1f\x8b"
_TEXTS = ("id", "title", "severity", "description")


def parse_updateinfo(data: bytes, where: Locator | None = None) -> tuple[Advisory, ...]:
    """Every security update of the document; FormatError names the byte, BudgetError for one that is too large."""
    text = _expand(data) if data.startswith(_GZIP) else data
    if len(text) > MAX_SIZE:
        raise BudgetError(f"updateinfo of {len(text)} bytes, at most {MAX_SIZE} are read")
    reader = _Reader(where or Locator())
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.EntityDeclHandler = _refuse_entity
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise FormatError(f"updateinfo is not XML: {error}", offset=parser.ErrorByteIndex) from None
    if reader.root != "updates":
        raise FormatError(f"updateinfo starts with <{reader.root[:40]}>, <updates> expected")
    return tuple(reader.found)


def _expand(data: bytes) -> bytes:
    if len(data) > MAX_COMPRESSED:
        raise BudgetError(f"compressed updateinfo of {len(data)} bytes, at most {MAX_COMPRESSED} are read")
    parts: list[bytes] = []
    room, rest = MAX_SIZE, data
    while rest.lstrip(b"\0"):  # members one after the other are one document; zeros may pad the last
        decoder = zlib.decompressobj(wbits=31)
        try:
            parts.append(decoder.decompress(rest, room + 1))
        except zlib.error as error:
            raise FormatError(f"updateinfo is not gzip: {error}", offset=len(data) - len(rest)) from None
        room -= len(parts[-1])
        if room < 0:
            raise BudgetError(f"updateinfo expands to more than {MAX_SIZE} bytes")
        if not decoder.eof:
            raise FormatError("compressed updateinfo ends too early", offset=len(data))
        if len(parts) > MAX_MEMBERS:
            raise BudgetError(f"updateinfo of more than {MAX_MEMBERS} gzip members")
        rest = decoder.unused_data
    return b"".join(parts)


def _refuse_doctype(name: str, *_: object) -> None:
    raise FormatError(f"updateinfo declares a document type ({name[:40]}), which it has no use for")


def _refuse_entity(name: str, *_: object) -> None:
    raise FormatError(f"updateinfo declares an entity ({name[:40]})")


@dataclass(slots=True)
class _Update:
    texts: dict[str, str] = field(default_factory=dict)
    issued: str = ""
    aliases: list[str] = field(default_factory=list)
    fixed: list[FixedPackage] = field(default_factory=list)
    kind: str = ""


class _Reader:
    """Collects one <update> at a time."""

    def __init__(self, where: Locator) -> None:
        self.found: list[Advisory] = []
        self.root = ""
        self._where = where
        self._path: list[str] = []
        self._update: _Update | None = None
        self._text = ""
        self._elements = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise BudgetError(f"updateinfo has more than {MAX_ELEMENTS} elements")
        if len(self._path) >= MAX_DEPTH:
            raise FormatError(f"updateinfo is nested deeper than {MAX_DEPTH} levels")
        if not self._path:
            self.root = name
        self._path.append(name)
        self._text = ""
        if name == "update" and len(self._path) == 2:
            self._update = _Update(kind=attributes.get("type", ""))
        elif self._update is not None:
            self._inside(self._update, name, attributes)

    @staticmethod
    def _inside(update: _Update, name: str, attributes: dict[str, str]) -> None:
        if name == "issued":
            update.issued = attributes.get("date", "")
        elif name == "reference" and attributes.get("type", "").lower() in ("cve", "ghsa"):
            update.aliases.append(attributes.get("id", ""))
        elif name == "package":
            missing = [part for part in ("name", "version") if not attributes.get(part)]
            if missing:
                raise FormatError(f"a package of updateinfo has no {missing[0]}")
            parts = (attributes.get(part, "") for part in ("name", "epoch", "version", "release", "arch"))
            update.fixed.append(FixedPackage(*parts))

    def text(self, text: str) -> None:
        if len(self._text) + len(text) > MAX_TEXT:
            raise BudgetError(f"a text of updateinfo has more than {MAX_TEXT} characters")
        self._text += text

    def end(self, name: str) -> None:
        self._path.pop()
        if self._update is None:
            return
        if name in _TEXTS and len(self._path) == 2:
            self._update.texts[name] = self._text.strip()
        elif name == "update" and len(self._path) == 1:
            self._finish(self._update)
            self._update = None

    def _finish(self, update: _Update) -> None:
        if not update.texts.get("id"):
            raise FormatError("an update of updateinfo has no id")
        if update.kind not in ("", "security"):
            return
        self.found.append(
            Advisory(
                id=update.texts["id"],
                title=update.texts.get("title", ""),
                aliases=tuple(dict.fromkeys(alias for alias in update.aliases if alias)),
                severity=SEVERITIES.get(update.texts.get("severity", "").lower(), Severity.MEDIUM),
                fixed=tuple(dict.fromkeys(update.fixed)),
                issued=update.issued,
                description=update.texts.get("description", ""),
                where=self._where,
            )
        )
