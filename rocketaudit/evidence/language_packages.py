"""What files read in passing say of the packages of Python, Node and Java that they belong to, as facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rocketaudit.evidence.collector import Seen
from rocketaudit.evidence.walking import Walked
from rocketaudit.formats.stated_package import limit_of
from rocketaudit.model.evidence import Gap
from rocketaudit.model.fact import Fact, JsonValue, Key, Plane, State
from rocketaudit.model.language_package import LanguagePackage

if TYPE_CHECKING:
    from rocketaudit.evidence.reading import FileRead  # and all about programs, which no tree needs

MAX_PACKAGES = 50_000  # of one tree: a target with more is hostile or broken


def language_facts(walked: Sequence[Walked], reads: Mapping[tuple[int, int], FileRead]) -> Iterator[Seen]:
    """One fact for each file that states a package: rows of (kind, group, name, version, licence, summary, inside)."""
    for index, one in enumerate(walked):
        listed = 0
        for record, node in zip(one.records, one.nodes, strict=True):
            read = reads.get((index, node.number))
            if read is None or read.stated is None or not limit_of(record.path):
                continue
            key = Key("language_package", (record.path,))
            where = one.tree.locate(record.path)
            stated = read.stated
            if stated.unread:
                yield Fact(key, Plane.STATIC, State.UNREAD, where, reason=stated.unread, scope=one.tree.scope)
                continue
            listed += len(stated.packages)
            if listed > MAX_PACKAGES:
                reason = f"more than {MAX_PACKAGES} packages of Python, Node and Java; the others are not listed"
                yield Gap(one.tree.scope, record.path, reason)
                break
            rows: JsonValue = tuple(_row(package) for package in stated.packages)
            yield Fact(key, Plane.STATIC, State.PRESENT, where, rows, scope=one.tree.scope)


def _row(package: LanguagePackage) -> tuple[str, ...]:
    return (
        package.kind, package.group, package.name, package.version, package.licence, package.summary, package.inside,
    )  # fmt: skip
