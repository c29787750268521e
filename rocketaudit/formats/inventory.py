"""application-inventory.json: what a Bottlerocket image says of its own packages, in all the shapes it has had."""

from __future__ import annotations

import re

from rocketaudit.errors import FormatError
from rocketaudit.model.codec import parse
from rocketaudit.model.package import Package
from rocketaudit.model.records import dataclass

MAX_ROWS = 50_000
_PACKAGE_ID = re.compile(r"(?P<file>.+)@sha256:(?P<digest>[0-9a-fA-F]{64})\Z", re.DOTALL)
_SYNTHETIC = " (source package)"


@dataclass(frozen=True, slots=True)
class Inventory:
    """`problems` names the rows that could not be read; the others are in `packages`, in file order."""

    packages: tuple[Package, ...]
    problems: tuple[str, ...] = ()


def parse_inventory(data: bytes) -> Inventory:
    """The packages of an inventory; FormatError when it is no inventory at all."""
    raw = parse(data)
    rows = raw.get("Content") if isinstance(raw, dict) else None
    if not isinstance(rows, list):
        raise FormatError('no list under "Content": not an application inventory')
    if len(rows) > MAX_ROWS:
        raise FormatError(f"{len(rows)} rows; at most {MAX_ROWS} are read")
    packages: list[Package] = []
    problems: list[str] = []
    for number, row in enumerate(rows):
        try:
            packages.append(_package(row))
        except FormatError as error:
            problems.append(f"row {number}: {error}")
    return Inventory(tuple(packages), tuple(problems))


def _package(row: object) -> Package:
    if not isinstance(row, dict):
        raise FormatError(f"a row is {type(row).__name__}, not an object")

    def text(name: str) -> str:
        value = row.get(name)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise FormatError(f"{name} is {type(value).__name__}, not text")
        return str(value)

    if not text("Name"):
        raise FormatError("no Name")
    identity = _PACKAGE_ID.match(text("PackageId"))
    return Package(
        name=text("Name"),
        version=text("Version"),
        release=text("Release"),
        epoch=text("Epoch"),
        arch=text("Architecture"),
        publisher=text("Publisher"),
        application_type=text("ApplicationType"),
        installed_time=text("InstalledTime"),
        url=text("Url"),
        summary=text("Summary"),
        package_file=identity["file"] if identity else text("PackageId"),
        package_sha256=identity["digest"].lower() if identity else None,
        synthetic=text("Summary").endswith(_SYNTHETIC),
    )
