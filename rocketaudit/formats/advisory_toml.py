"""Bottlerocket's advisories as their kits keep them: advisories/<kit version>/BRSA-*.toml.

A kit names the first version that is not affected. Kernels are named by the source that they are built from
("kernel-5.10.226-214.879.amzn2"): its version is comparable, its release belongs to another distribution.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from rocketaudit.errors import FormatError
from rocketaudit.model.advisory import Advisory, FixedPackage
from rocketaudit.model.fact import Locator
from rocketaudit.model.verdict import Severity

MAX_SIZE = 1 << 20
FOREIGN = "?"  # a release that has no order among those of installed packages
_SOURCE = re.compile(r"[A-Za-z][A-Za-z0-9+._]*-(?=\d)")
SEVERITIES = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "important": Severity.HIGH,
    "moderate": Severity.MEDIUM,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
}


def parse_advisory(data: bytes, where: Locator | None = None) -> Advisory:
    """The advisory in a TOML file; FormatError names what is missing or of another type."""
    if len(data) > MAX_SIZE:
        raise FormatError(f"an advisory of {len(data)} bytes, at most {MAX_SIZE} are read")
    try:
        raw = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FormatError("the advisory is not UTF-8", offset=error.start) from None
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise FormatError(f"the advisory is not TOML: {str(error)[:200]}") from None
    table = _table(raw, "advisory")
    info = raw.get("updateinfo", {})
    products = table.get("products", [])
    if not isinstance(products, list) or not products:
        raise FormatError("the advisory names no products")
    return Advisory(
        id=_text(table, "id"),
        title=_text(table, "title", ""),
        aliases=tuple(_text(table, name) for name in ("cve", "ghsa") if name in table),
        severity=SEVERITIES.get(_text(table, "severity", "").lower(), Severity.MEDIUM),
        fixed=tuple(_product(one) for one in products),
        issued=str(info.get("issue-date", "")) if isinstance(info, Mapping) else "",
        description=_text(table, "description", ""),
        arches=_arches(info),
        where=where or Locator(),
    )


def _product(raw: object) -> FixedPackage:
    if not isinstance(raw, Mapping):
        raise FormatError("a product of the advisory is no table")
    text = _text(raw, "patched-version")
    bare = _SOURCE.sub("", text, count=1)
    version, dash, _ = bare.partition("-")
    release = str(raw.get("patched-release", FOREIGN if dash else ""))
    return FixedPackage(
        _text(raw, "package-name"), str(raw.get("patched-epoch", "0")), version, "" if release == "0" else release
    )


def _arches(info: object) -> tuple[str, ...]:
    found = info.get("arches", []) if isinstance(info, Mapping) else []
    return tuple(arch for arch in found if isinstance(arch, str)) if isinstance(found, list) else ()


def _table(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = raw.get(name)
    if not isinstance(found, Mapping):
        raise FormatError(f"the file has no [{name}]")
    return found


def _text(table: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = table.get(name, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise FormatError(f"the advisory's {name} is {value!r:.80}; text expected")
    return value
