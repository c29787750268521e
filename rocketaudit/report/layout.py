"""How our JSON documents are laid out."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rocketaudit.report.escape import json_text


def lay_out(document: dict[str, object], written: Mapping[str, list[str]] | None = None) -> bytes:
    """A JSON object, one member a line and one element of each top-level list a line: short, and good to diff.

    `written` has the elements of lists that are text already, by the name of the member.
    """
    members = []
    for name, value in document.items():
        lines = (written or {}).get(name) or (list(map(_compact, value)) if isinstance(value, list) else [])
        text = "[\n  " + ",\n  ".join(lines) + "\n ]" if lines else _compact(value)
        members.append(f" {_compact(name)}: {text}")
    return json_text("{\n" + ",\n".join(members) + "\n}\n").encode()


# made once: `json.dumps` makes an encoder for each of thousands of elements
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
