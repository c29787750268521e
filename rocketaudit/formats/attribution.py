"""attribution.txt of Bottlerocket's licence trees: one SPDX expression near the top of a text.

Layout: <package>/attribution.txt, and <package>/vendor/<crate>-<version>/attribution.txt or
<package>/vendor/<import path>/attribution.txt for what the package carries (bottlerocket-sdk, license-scan).
"""

from __future__ import annotations

import re

from rocketaudit.model.records import dataclass

FILE_NAME = "attribution.txt"
HEAD = 4096
_LINE = re.compile(r"SPDX-License-Identifier:[ \t]*(\S[^\r\n]*)")
_CRATE = re.compile(r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_-]*?)-(?P<version>\d+\.\d+\.\d+[A-Za-z0-9.+-]*)\Z")
MAX_EXPRESSION = 2_000


@dataclass(frozen=True, slots=True)
class Carried:
    """Something that a package carries: a crate with its version, or a Go import path without one."""

    name: str
    version: str


def parse_attribution(head: bytes) -> str | None:
    """The licence expression in the first bytes of an attribution.txt, or None when it states none."""
    found = _LINE.search(head[:HEAD].decode("utf-8", "replace"))
    if found is None or len(found[1]) > MAX_EXPRESSION:
        return None
    return found[1].strip()


def parse_carried(folder: str) -> Carried | None:
    """What a folder below a package stands for ("vendor/serde-1.0.228"); None for the package itself."""
    inner = folder.removeprefix("vendor/")
    if not inner:
        return None
    crate = _CRATE.match(inner)
    return Carried(crate["name"], crate["version"]) if crate is not None else Carried(inner, "")
