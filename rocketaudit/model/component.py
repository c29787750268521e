"""One component of a bill of materials, independent of the format that it is written in."""

from __future__ import annotations

from rocketaudit.model.fact import Locator
from rocketaudit.model.records import dataclass


@dataclass(frozen=True, slots=True)
class Component:
    """`kind` is CycloneDX's type. `purl` is "" for a file that nobody packaged. `found_by` names the method.

    `parent` and `depends_on` hold the `ref` of other components. `confidence` is 0..1.
    `copyright` holds the notices of its licence texts, one a line.

    `creator` is the e-mail address or the URL of who made it. `distribution_licence` is the SPDX expression under which
    it is handed on, which only the policy can state; `licences` are what the image declares. `source_url` and
    `distribution_url` are where its source and its deployable form are, "" when nobody states it.
    """

    ref: str
    kind: str
    name: str
    version: str = ""
    purl: str = ""
    cpe: str = ""
    supplier: str = ""
    licences: tuple[str, ...] = ()
    hashes: tuple[tuple[str, str], ...] = ()
    where: tuple[Locator, ...] = ()
    found_by: str = ""
    confidence: float = 1.0
    parent: str = ""
    depends_on: tuple[str, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    description: str = ""
    copyright: str = ""
    creator: str = ""
    creator_name: str = ""
    distribution_licence: str = ""
    source_url: str = ""
    distribution_url: str = ""
