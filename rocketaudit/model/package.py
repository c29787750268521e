"""What the target says of its own packages."""

from __future__ import annotations

from rocketaudit.model.fact import Locator
from rocketaudit.model.records import dataclass


@dataclass(frozen=True, slots=True)
class Package:
    """One row of application-inventory.json; `synthetic` marks "(source package)" rows, which are not counted.

    `package_sha256` is the RPM's digest out of PackageId; `release` and `epoch` are "" where not stated.
    """

    name: str
    version: str
    release: str = ""
    epoch: str = ""
    arch: str = ""
    publisher: str = ""
    application_type: str = ""
    installed_time: str = ""
    url: str = ""
    summary: str = ""
    package_file: str = ""
    package_sha256: str | None = None
    synthetic: bool = False
    scope: str = ""
    where: Locator = Locator()
