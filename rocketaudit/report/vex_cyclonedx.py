"""What advisories mean for one target, as a CycloneDX 1.6 list of vulnerabilities (cyclonedx.org/capabilities/vex)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from rocketaudit.model.advisory import AdvisoryMatch, AdvisoryStatus
from rocketaudit.model.target import Target, Tool
from rocketaudit.report.document import timestamp
from rocketaudit.report.escape import json_text, shorten, visible

_SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
_TARGET = "target"
# a version that is behind says nothing of whether it can be exploited here
_STATE = {
    AdvisoryStatus.AFFECTED: "in_triage",
    AdvisoryStatus.FIXED: "resolved",
    AdvisoryStatus.CANNOT_SAY: "in_triage",
}
_VERSION = {
    AdvisoryStatus.AFFECTED: "affected",
    AdvisoryStatus.FIXED: "unaffected",
    AdvisoryStatus.CANNOT_SAY: "unknown",
}


def write_vex_cyclonedx(
    matches: Iterable[tuple[AdvisoryMatch, str]], target: Target, tool: Tool, created: str
) -> bytes:
    """One vulnerability per advisory and package; `matches` are (match, Package URL). Same input, same bytes."""
    found = [(match, _text(purl or f"pkg:rpm/bottlerocket/{match.package}")) for match, purl in matches]
    packages = {purl: match for match, purl in found}
    components = [_component(purl, match) for purl, match in sorted(packages.items())]
    vulnerabilities = [_vulnerability(number, match, purl) for number, (match, purl) in enumerate(found)]
    moment = timestamp(created)
    seed = json.dumps([vulnerabilities, components, target.name, moment], sort_keys=True)
    document = {
        "$schema": _SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, seed)}",
        "version": 1,
        "metadata": _metadata(target, tool, moment),
        "components": components,
        "vulnerabilities": vulnerabilities,
    }
    return json_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def _metadata(target: Target, tool: Tool, moment: str | None) -> dict[str, Any]:
    about: dict[str, Any] = {
        "type": "operating-system",
        "bom-ref": _TARGET,
        "name": _text(target.os_name or target.os_id or target.name) or _TARGET,
    }
    if target.version:
        about["version"] = _version(target.version)
    made = {"type": "application", "name": tool.name, "version": tool.version}
    return {**({"timestamp": moment} if moment else {}), "tools": {"components": [made]}, "component": about}


def _component(purl: str, match: AdvisoryMatch) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": purl,
        "name": _text(match.package),
        "version": _version(match.installed),
        "purl": purl,
    }


def _vulnerability(number: int, match: AdvisoryMatch, purl: str) -> dict[str, Any]:
    advisory = match.advisory
    names = [_text(name) for name in (*advisory.aliases, advisory.id)]
    analysis: dict[str, Any] = {"state": _STATE[match.status]}
    if match.why:
        analysis["detail"] = _text(match.why)
    out: dict[str, Any] = {
        "bom-ref": f"vulnerability-{number}",
        "id": names[0],
        "ratings": [{"severity": advisory.severity.value}],
        "description": _text(advisory.title),
        "analysis": analysis,
        "affects": [
            {"ref": purl, "versions": [{"version": _version(match.installed), "status": _VERSION[match.status]}]}
        ],
    }
    if len(names) > 1:
        out["references"] = [{"id": name, "source": {"name": "Bottlerocket advisories"}} for name in names[1:]]
    if match.status is AdvisoryStatus.AFFECTED:
        analysis["response"] = ["update"]
        out["recommendation"] = _text(f"update {match.package} from {match.installed} to {match.fixed_in} or later")
    return out


def _version(text: str) -> str:
    """At most 1024 characters and at least one, as the schema asks."""
    return shorten(_text(text), 1_000) or "unknown"


def _text(value: str) -> str:
    return visible(shorten(value, 2_000))
