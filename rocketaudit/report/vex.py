"""What advisories mean for one target, as OpenVEX 0.2.0 (openvex.dev): affected, fixed, or still to be looked at."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from rocketaudit.errors import UsageError
from rocketaudit.model.advisory import AdvisoryMatch, AdvisoryStatus
from rocketaudit.model.target import Target, Tool
from rocketaudit.report.document import timestamp
from rocketaudit.report.escape import json_text, shorten, visible

CONTEXT = "https://openvex.dev/ns/v0.2.0"
EPOCH = "1970-01-01T00:00:00Z"
_STATUS = {
    AdvisoryStatus.AFFECTED: "affected",
    AdvisoryStatus.FIXED: "fixed",
    AdvisoryStatus.CANNOT_SAY: "under_investigation",
}


def write_vex(matches: Iterable[tuple[AdvisoryMatch, str]], target: Target, tool: Tool, created: str) -> bytes:
    """One statement per advisory and package; `matches` are (match, Package URL). The same input, the same bytes.

    UsageError where there is nothing to state: an OpenVEX document holds one statement at least, and none twice.
    """
    moment = timestamp(created) or EPOCH
    made = [_statement(match, purl, moment) for match, purl in matches]
    statements = list({json.dumps(statement, sort_keys=True): statement for statement in made}.values())
    if not statements:
        hint = "-o cyclonedx writes a document that can say so"
        raise UsageError("no advisory is about a package of the target, which OpenVEX cannot state", hint=hint)
    digest = sha256(json.dumps([statements, target.name, moment], sort_keys=True).encode()).hexdigest()
    document = {
        "@context": CONTEXT,
        "@id": f"urn:rocketaudit:vex:{digest}",
        "author": f"{tool.name} {tool.version}",
        "role": "scanner",
        "timestamp": moment,
        "version": 1,
        "tooling": f"{tool.name} {tool.version}",
        "statements": statements,
    }
    return json_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def _statement(match: AdvisoryMatch, purl: str, moment: str) -> dict[str, Any]:
    advisory = match.advisory
    names = list(dict.fromkeys(_text(name) for name in (*advisory.aliases, advisory.id)))
    out: dict[str, Any] = {
        "vulnerability": {"name": names[0]},
        "timestamp": moment,
        "products": [{"@id": purl or f"pkg:rpm/bottlerocket/{quote(_text(match.package), safe='')}"}],
        "status": _STATUS[match.status],
    }
    if len(names) > 1:
        out["vulnerability"]["aliases"] = names[1:]
    if match.status is AdvisoryStatus.AFFECTED:
        text = f"update {match.package} from {match.installed} to {match.fixed_in} or later"
        out["action_statement"] = _text(text)
    elif match.why:
        out["status_notes"] = _text(match.why)
    return out


def _text(value: str) -> str:
    return visible(shorten(value, 2_000))
