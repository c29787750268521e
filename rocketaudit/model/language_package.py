"""A package of Python, Node or Java as a file inside the target states it."""

from __future__ import annotations

from rocketaudit.model.records import dataclass


@dataclass(frozen=True, slots=True)
class LanguagePackage:
    """`kind` is pypi, npm or maven (purl types). `group` is Java's groupId, "" where the archive does not say it.

    `inside` is the place within an archive, "" for the file itself. `licence` is as stated, not checked.
    """

    kind: str
    name: str
    version: str
    licence: str = ""
    summary: str = ""
    group: str = ""
    inside: str = ""
