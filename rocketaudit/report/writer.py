"""The seam of writing: a declared function from a report to bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rocketaudit.model.report import Report


@dataclass(frozen=True, slots=True)
class Writer:
    """`suffix` is the usual end of a file name; `write` is pure and gives the same bytes for the same report."""

    name: str
    suffix: str
    write: Callable[[Report], bytes]
    help: str = ""
    wants_sha512: bool = False
