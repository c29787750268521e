"""The seam of writing: a declared function from a report to bytes."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from rocketaudit.model.records import dataclass

if TYPE_CHECKING:
    from rocketaudit.model.report import Report


@dataclass(frozen=True, slots=True)
class Writer:
    """A format: `suffix` is the usual end of a file name; `function` is `module:name`, loaded when it first writes.

    `library` is a package that only this format needs, "" for none.
    """

    name: str
    suffix: str
    function: str
    help: str = ""
    wants_sha512: bool = False
    library: str = ""

    def write(self, report: Report) -> bytes:
        """Pure: the same bytes for the same report."""
        module, _, name = self.function.partition(":")
        write: Callable[[Report], bytes] = getattr(importlib.import_module(f"rocketaudit.report.{module}"), name)
        return write(report)
