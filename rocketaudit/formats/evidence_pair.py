"""Two evidence files that have most records in common: what both tell alike is made once.

Another process parses both, and hands the second on as it is, of the first only what the second does not hold. Where
the bytes of a record are the same as of one of the other file, so are the values with their types, and so is what
strict decoding made of them.
"""

from __future__ import annotations

import marshal
from dataclasses import replace
from typing import Any

from rocketaudit.errors import FormatError
from rocketaudit.formats.evidence_file import build_evidence, told_once
from rocketaudit.model import codec
from rocketaudit.model.binary import Binary
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact
from rocketaudit.model.files import FileRecord

Parsed = tuple[object, object]  # header and body, as `parse_evidence` gives them
_RECORDS: dict[str, type] = {"binaries": Binary, "facts": Fact, "files": FileRecord}
_VERSION = 2  # of marshal: the last without references, so that equal values of equal types are equal bytes


def pack(first: Parsed, second: Parsed) -> bytes:
    """Both files for `unpack` in another process of the same Python; FormatError if they are nested too deeply."""
    (header, body), (_, other) = first, second
    try:
        lists = {name: records for name in _RECORDS if (records := _list(body, name))}
        links = {name: _links(records, _list(other, name)) for name, records in lists.items()}
        rest = {name: value for name, value in body.items() if name not in links} if isinstance(body, dict) else body
        return marshal.dumps((header, rest, links, second))  # type: ignore[arg-type]
    except ValueError as error:
        raise FormatError(f"evidence that is nested too deeply: {error}") from error


def _list(body: Any, name: str) -> list[object]:
    found = body.get(name) if isinstance(body, dict) else None
    return found if type(found) is list else []


def _links(records: list[object], others: list[object]) -> list[int | bytes]:
    """Each record as its place in the other list, or as bytes where that has no such record."""
    known = {marshal.dumps(raw, _VERSION): place for place, raw in enumerate(others)}  # type: ignore[arg-type]
    packed = (marshal.dumps(raw, _VERSION) for raw in records)  # type: ignore[arg-type]
    return [known.get(part, part) for part in packed]


def unpack(packed: bytes) -> tuple[Evidence, Evidence]:
    """The evidence of both files; FormatError as `build_evidence`, of the second before that of the first."""
    header, rest, links, second = marshal.loads(packed)  # noqa: S302 - written by our own process
    known = build_evidence(*second)
    try:
        made = {name: _made(name, parts, getattr(known, name)) for name, parts in links.items()}
    except FormatError:
        return build_evidence(header, _whole(rest, links, second[1])), known  # which says where
    first = build_evidence(header, rest)
    return (told_once(replace(first, **made)) if made else first), known  # type: ignore[arg-type]


def _made(name: str, links: list[int | bytes], known: tuple[object, ...]) -> tuple[object, ...]:
    cls = _RECORDS[name]
    return tuple(
        known[link] if isinstance(link, int) else codec.decode(cls, marshal.loads(link))  # noqa: S302
        for link in links
    )


def _whole(rest: Any, links: dict[str, list[int | bytes]], other: Any) -> object:
    lists = {
        name: [other[name][link] if isinstance(link, int) else marshal.loads(link) for link in parts]  # noqa: S302
        for name, parts in links.items()
    }
    return rest | lists
