"""SPDX licence expressions (SPDX 2.3, annex D): is a text one, and how CycloneDX writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from rocketaudit.resources import read_text

MAX_LENGTH = 2_000
_TOKEN = re.compile(r"\(|\)|[A-Za-z0-9][A-Za-z0-9.+:-]*")
_REFERENCE = re.compile(r"(?:DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+\Z")
_OPERATORS = ("AND", "OR")


@cache
def licence_ids() -> frozenset[str]:
    """The identifiers and exceptions that the CycloneDX schema of our release knows."""
    schema = json.loads(read_text("sbom/schema/cyclonedx-1.6/spdx.schema.json"))
    return frozenset(schema["enum"])


def is_expression(text: str) -> bool:
    """Whether `text` is an expression of known identifiers and LicenseRefs, well formed."""
    if not text or len(text) > MAX_LENGTH or _TOKEN.sub("", text).strip():
        return False
    pending = _TOKEN.findall(text)[::-1]
    depth, wants_operand = 0, True
    while pending:
        part = pending.pop()
        if wants_operand and part == "(":
            depth += 1
        elif wants_operand:
            if not _is_licence(part):
                return False
            wants_operand = False
            if pending and pending[-1] == "WITH":
                pending.pop()
                if not pending or not _is_licence(pending.pop()):
                    return False
        elif part == ")" and depth:
            depth -= 1
        elif part in _OPERATORS:
            wants_operand = True
        else:
            return False
    return depth == 0 and not wants_operand


def licence_choice(licences: Iterable[str], acknowledgement: str = "declared") -> list[dict[str, Any]]:
    """CycloneDX `licenses`: identifiers by id, one compound expression as such, anything else by its name."""
    named = _named(licences)
    if len(named) == 1 and named[0] in licence_ids():
        return [{"license": {"id": named[0], "acknowledgement": acknowledgement}}]
    if expression := joined(named):
        return [{"expression": expression, "acknowledgement": acknowledgement}]
    return [
        {"license": {"id" if text in licence_ids() else "name": text, "acknowledgement": acknowledgement}}
        for text in named
    ]


def joined(licences: Iterable[str]) -> str:
    """All of them as one expression, "" when there is none or one of them is no expression."""
    named = _named(licences)
    if not named or not all(is_expression(text) for text in named):
        return ""
    return " AND ".join(text if len(named) == 1 or _is_licence(text) else f"({text})" for text in named)


def _named(licences: Iterable[str]) -> list[str]:
    return sorted({text.strip() for text in licences if text.strip()})


def _is_licence(token: str) -> bool:
    return token in licence_ids() or token.removesuffix("+") in licence_ids() or bool(_REFERENCE.match(token))
