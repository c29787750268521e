"""Two evidence files that have most records in common: what both tell alike is made once.

One is parsed by another process, which hands its records on one by one, as bytes. Where those bytes are the same as
of a record of the other file, so are the values with their types, and so is what strict decoding made of them.
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

_RECORDS: dict[str, type] = {"binaries": Binary, "facts": Fact, "files": FileRecord}
_VERSION = 2  # of marshal: the last without references, so that equal values of equal types are equal bytes


def pack(header: object, body: object) -> bytes:
    """What `parse_evidence` gave, for `unpack` in another process of the same Python; FormatError if too deep."""
    try:
        if isinstance(body, dict):
            body = {name: _packed(value) if name in _RECORDS else value for name, value in body.items()}
        return marshal.dumps((header, body), _VERSION)  # type: ignore[arg-type]
    except ValueError as error:
        raise FormatError(f"evidence that is nested too deeply: {error}") from error


def _packed(records: object) -> object:
    return [marshal.dumps(record, _VERSION) for record in records] if type(records) is list else records


def unpack(packed: bytes, like: object, known: Evidence) -> Evidence:
    """The evidence of packed values; `known` is that of the body `like`. FormatError as `build_evidence`."""
    header, body = marshal.loads(packed)  # noqa: S302 - written by our own process
    lists = [name for name in _RECORDS if isinstance(body, dict) and type(body.get(name)) is list]
    if not lists or not isinstance(like, dict):
        return build_evidence(header, _whole(body, lists))
    try:
        made = {name: _made(name, body[name], like.get(name, []), getattr(known, name)) for name in lists}
    except FormatError:
        return build_evidence(header, _whole(body, lists))  # which says where
    rest = build_evidence(header, {name: value for name, value in body.items() if name not in made})
    return told_once(replace(rest, **made))  # type: ignore[arg-type]


def _whole(body: Any, lists: list[str]) -> object:
    return body | {name: [marshal.loads(part) for part in body[name]] for name in lists} if lists else body  # noqa: S302


def _made(name: str, packed: list[bytes], like: list[object], known: tuple[object, ...]) -> tuple[object, ...]:
    alike = {marshal.dumps(raw, _VERSION): record for raw, record in zip(like, known, strict=True)}  # type: ignore[arg-type]
    cls, found = _RECORDS[name], []
    for part in packed:
        record = alike.get(part)
        found.append(codec.decode(cls, marshal.loads(part)) if record is None else record)  # noqa: S302
    return tuple(found)
