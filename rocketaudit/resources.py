"""Where the data folders (rules, schemas, templates) are: inside the installed package, or beside it in a checkout."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from rocketaudit.errors import UsageError

FOLDERS = ("benchmarks/cis", "sbom/schema", "reports/templates", "reports/schema")


@cache
def data_root() -> Traversable:
    """The folder that holds `FOLDERS`: a wheel's `_data` (zipped or not), else the checkout around the package.

    An editable install is a checkout: the copies that hatchling makes for it lie elsewhere and would be stale.
    """
    package = files("rocketaudit")
    inside = package / "_data"
    if inside.is_dir():
        return inside
    if isinstance(package, Path) and (package.parent / "benchmarks").is_dir():
        return package.parent
    raise UsageError(
        "the data folders of rocketaudit are missing", hint="install the wheel again, or use a whole checkout"
    )


def read_text(path: str) -> str:
    """The text of one data file by its path in the checkout, such as "reports/schema/report-1.0.json"."""
    return data_file(path).read_text(encoding="utf-8")


def data_file(path: str) -> Traversable:
    """One data file or folder by its path in the checkout; UsageError when it is not there."""
    found = data_root().joinpath(*path.split("/"))
    if not (found.is_file() or found.is_dir()):
        raise UsageError(f"rocketaudit has no data file {path}")
    return found
