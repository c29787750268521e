"""The seam of writing: a declared function from a report to bytes."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
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
        write: Callable[[Report], bytes] = getattr(self._module(), self.function.partition(":")[2])
        return write(report)

    def prepare(self) -> None:
        """Load what writes this format, and let it do what needs no report; nothing changes but the time it takes."""
        prepare: Callable[[], None] | None = getattr(self._module(), "prepare", None)
        if prepare is not None:
            prepare()

    def _module(self) -> ModuleType:
        return importlib.import_module(f"rocketaudit.report.{self.function.partition(':')[0]}")
