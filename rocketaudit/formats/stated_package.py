"""What a package of Python, Node or Java says of itself in a file of its own.

Python: METADATA and PKG-INFO (packaging.python.org, core metadata). Node: package.json. Java: `java_archive.py`.
"""

from __future__ import annotations

import re

from rocketaudit.errors import BudgetError, FormatError
from rocketaudit.formats.strict_json import loads
from rocketaudit.model.language_package import LanguagePackage

MAX_TEXT = 4 << 20
MAX_ARCHIVE = 64 << 20
MAX_VALUE = 1_000  # characters of a name, a version or a licence; a longer one is no name
MAX_SUMMARY = 300
MAX_CLASSIFIERS = 50
_PYTHON = re.compile(r"(?:\.dist-info/METADATA|\.egg-info(?:/PKG-INFO)?)\Z")
_ARCHIVE = re.compile(r"[^/]\.(?:jar|war|ear)\Z")
_ENDS = (".jar", ".war", ".ear", "METADATA", ".egg-info", "PKG-INFO", "package.json")
_LICENCE_CLASSIFIER = re.compile(r"License :: (?:OSI Approved :: )?([^:]+)\Z")


def limit_of(path: str) -> int:
    """How many bytes of the file at `path` may be read for what it says of itself; 0 for no such file."""
    if not path.endswith(_ENDS):  # asked of each file: a pattern takes twenty times as long
        return 0
    if _ARCHIVE.search(path):
        return MAX_ARCHIVE
    return MAX_TEXT if _PYTHON.search(path) or is_node_package(path) else 0


def is_node_package(path: str) -> bool:
    """Whether a package.json is that of a package, not of a folder inside one.

    Below node_modules a package lies directly in it (or in a scope); elsewhere every one may be an application's.
    """
    folder, _, base = path.rpartition("/")
    if base != "package.json":
        return False
    _, found, inner = folder.rpartition("/node_modules/")
    return not found or inner.count("/") == (1 if inner.startswith("@") else 0)


def parse_stated(path: str, data: bytes | memoryview) -> tuple[LanguagePackage, ...]:
    """The packages that the file states; () when it states none. FormatError when it is not what its name says."""
    if _ARCHIVE.search(path):
        from rocketaudit.formats.java_archive import parse_java_archive  # and zipfile: few images hold an archive

        return parse_java_archive(path, data)
    if len(data) > MAX_TEXT:
        raise BudgetError(f"{len(data)} bytes; at most {MAX_TEXT} are read")
    found = _python(bytes(data)) if _PYTHON.search(path) else _node(bytes(data))
    return () if found is None else (found,)


def _python(data: bytes) -> LanguagePackage | None:
    head = re.split(rb"\r?\n\r?\n", data, maxsplit=1)[0].decode("utf-8", "replace")
    lines = re.sub(r"\r?\n[ \t]+", " ", head).splitlines()
    fields: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), []).append(value.strip())

    def first(name: str) -> str:
        return (fields.get(name) or [""])[0]

    name, version = first("name"), first("version")
    if not name or not version:
        raise FormatError("no Name or no Version: not the metadata of a Python package")
    licence = first("license-expression") or first("license")
    if not _is_short(licence) or licence.upper() == "UNKNOWN":
        licence = ""
    if not licence:
        said = (_LICENCE_CLASSIFIER.search(one) for one in fields.get("classifier", ())[:MAX_CLASSIFIERS])
        licence = "; ".join(dict.fromkeys(one[1] for one in said if one is not None))
    summary = first("summary")
    return _made(LanguagePackage("pypi", name, version, licence, "" if summary.upper() == "UNKNOWN" else summary))


def _node(data: bytes) -> LanguagePackage | None:
    raw = loads(data, what="package.json", max_bytes=MAX_TEXT)
    if not isinstance(raw, dict):
        raise FormatError("package.json is no JSON object")
    name, version = raw.get("name"), raw.get("version")
    if not isinstance(name, str) or not isinstance(version, str) or not name or not version:
        return None  # a folder's own settings, such as {"type": "module"}
    stated = raw.get("license", raw.get("licenses"))  # text; older: {type, url}, or a list of those
    many = stated if isinstance(stated, list) else [stated]
    texts = [one.get("type") if isinstance(one, dict) else one for one in many]
    licence = " OR ".join(text for text in texts if isinstance(text, str) and text)
    summary = raw.get("description")
    return _made(LanguagePackage("npm", name, version, licence, summary if isinstance(summary, str) else ""))


def _made(package: LanguagePackage) -> LanguagePackage:
    if not _is_short(package.name) or not _is_short(package.version):
        raise FormatError(f"a name or version of more than {MAX_VALUE} characters")
    licence = package.licence if _is_short(package.licence) else ""
    return LanguagePackage(package.kind, package.name, package.version, licence, package.summary[:MAX_SUMMARY])


def _is_short(text: str) -> bool:
    return len(text) <= MAX_VALUE
