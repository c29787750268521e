"""Where an image takes its updates from: the root of trust of its update repository."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import ConfigFile, Facts, read_config, root_trees
from rocketaudit.model.codec import parse
from rocketaudit.model.evidence import SignedBlob, Wants
from rocketaudit.model.fact import JsonValue, Key, Plane, State
from rocketaudit.source.protocol import Source

PATH = "/usr/share/updog/root.json"
LIMIT = 1 << 20
_ATTRIBUTES = ("version", "expires", "keys", "threshold", "key_types", "signatures", "enough_signatures")


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    for tree in root_trees(source):
        facts = Facts(tree)
        found = read_config(tree, PATH, LIMIT)
        keys = tuple(Key("update_root", ("root",), name) for name in _ATTRIBUTES)
        if found.state is not State.PRESENT:
            yield from (facts.of_file(key, found) for key in keys)
            continue
        yield SignedBlob("root.json", base64.b64encode(found.data).decode(), found.where, tree.scope)
        try:
            values = _values(parse(found.data))
        except FormatError as error:
            broken = ConfigFile(found.path, State.UNREAD, found.where, reason=f"no TUF root: {error}")
            yield from (facts.of_file(key, broken) for key in keys)
            continue
        for key in keys:
            yield facts.present(key, values[key.attribute], found.where)


def _values(raw: Any) -> dict[str, JsonValue]:
    """What root.json says of itself; nothing is verified here."""
    try:
        signed = raw["signed"]
        role = signed["roles"]["root"]
        keys = {key_id: str(signed["keys"][key_id]["keytype"]) for key_id in role["keyids"]}
        signers = {str(signature["keyid"]) for signature in raw["signatures"]}
        values: dict[str, JsonValue] = {
            "version": int(signed["version"]),
            "expires": str(signed["expires"]),
            "keys": tuple(sorted(keys)),
            "threshold": int(role["threshold"]),
            "key_types": tuple(sorted(set(keys.values()))),
            "signatures": len(signers),
            "enough_signatures": len(signers & set(keys)) >= int(role["threshold"]) > 0,
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"{type(error).__name__}: {error}") from error
    if any(isinstance(value, int) and abs(value) >> 63 for value in values.values()):
        raise FormatError("a number of more than 63 bits")
    if signed.get("_type") != "root":
        raise FormatError(f"its type is {signed.get('_type')!r}, not 'root'")
    return values


STATIC = Collector("updates", Plane.STATIC, ("update_root:*",), _collect)
