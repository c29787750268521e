"""Bottlerocket's manifest.json: the releases that a repository offers, their waves, and how settings migrate.

It is a target of the TUF repository: nothing here is verified. What a node makes of it follows updog and its
update_metadata (bottlerocket-core-kit, sources/updater).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from rocketaudit.errors import FormatError
from rocketaudit.formats.release_version import release_numbers
from rocketaudit.formats.strict_json import loads, member, of_kind, strings
from rocketaudit.model.records import dataclass

MAX_BYTES = 16 << 20
MAX_UPDATES = 20_000
MAX_MIGRATIONS = 20_000
MAX_WAVES = 2049
_TRANSITION = re.compile(r"\(\s*([^,()]+?)\s*,\s*([^,()]+?)\s*\)")
_TIME = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})T(\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_SEED = re.compile(r"\d{1,10}", re.ASCII)
_IMAGES = ("boot", "root", "hash")

Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Wave:
    """Nodes whose seed is above `seed` may begin at `start`."""

    seed: int
    start: datetime


@dataclass(frozen=True, slots=True)
class Update:
    """One release; `images` are target names by part. Above `max_version` a release is withdrawn."""

    variant: str
    arch: str
    version: Version
    max_version: Version
    waves: tuple[Wave, ...]
    images: Mapping[str, str]

    @property
    def is_withdrawn(self) -> bool:
        return self.version > self.max_version

    def place_of(self, seed: int) -> tuple[int, datetime | None]:
        """The wave of a node (1 is the first, 0 is before it) and when the node may update; None: at once.

        Nodes of one wave follow each other by their seed until the next wave begins. As updog does it, the whole seed
        counts and not its distance from the wave's first one, so that the end of a wave often comes earlier.
        """
        begun = [wave for wave in self.waves if wave.seed < seed]
        following = next((wave for wave in self.waves if wave.seed >= seed), None)
        if not begun:
            return 0, None
        start = begun[-1]
        if following is None:
            return len(begun), start.start
        step = (following.start - start.start) / (following.seed - start.seed)
        return len(begun), min(following.start, start.start + step * seed)


@dataclass(frozen=True, slots=True)
class UpdateManifest:
    """`migrations` are target names by (from, to)."""

    updates: tuple[Update, ...]
    migrations: Mapping[tuple[Version, Version], tuple[str, ...]]

    def listed(self, variant: str, arch: str) -> tuple[Update, ...]:
        """All releases for a variant and architecture, the newest first."""
        mine = [one for one in self.updates if (one.variant, one.arch) == (variant, arch)]
        return tuple(sorted(mine, key=lambda one: one.version, reverse=True))

    def next_for(self, variant: str, arch: str, version: Version) -> Update | None:
        """Where a node of this release goes: the newest one offered, also downwards when its own was withdrawn."""
        for update in self.listed(variant, arch):
            if not update.is_withdrawn and (version < update.version or version > update.max_version):
                return update
        return None

    def migrations_between(self, old: Version, new: Version) -> tuple[str, ...] | None:
        """Migrations in the order that they run, always by the longest step; None when a step is missing."""
        low, high = min(old, new), max(old, new)
        found: list[str] = []
        at = low
        while at != high:
            steps = [end for start, end in self.migrations if start == at and at < end <= high]
            if not steps:
                return None
            found.extend(self.migrations[at, max(steps)])
            at = max(steps)
        return tuple(found if old <= new else reversed(found))


def parse_update_manifest(raw: bytes) -> UpdateManifest:
    """The manifest in JSON bytes, or FormatError; BudgetError for more than we read."""
    what = "update manifest"
    record = of_kind(loads(raw, what=what, max_bytes=MAX_BYTES), dict, what)
    entries = member(record, "updates", list, what)
    steps = member(record, "migrations", dict, what)
    if len(entries) > MAX_UPDATES or len(steps) > MAX_MIGRATIONS:
        raise FormatError(f"{what} has {len(entries)} updates and {len(steps)} migrations, more than are read")
    migrations: dict[tuple[Version, Version], tuple[str, ...]] = {}
    for key, names in steps.items():
        match = _TRANSITION.fullmatch(key)
        if match is None:
            raise FormatError(f"{what} has the migration {key[:40]!r}, as in '(1.0.0, 1.1.0)'")
        transition = (_version(match[1], what), _version(match[2], what))
        if transition in migrations:
            raise FormatError(f"{what} has the migration {key[:40]!r} twice")
        migrations[transition] = strings(of_kind(names, list, what), f"a migration of {what}")
    return UpdateManifest(tuple(_update(entry, what) for entry in entries), migrations)


def text_of(version: Version) -> str:
    """A version as releases write it."""
    return ".".join(map(str, version))


def _update(entry: object, what: str) -> Update:
    where = f"an update of {what}"
    waves = member(entry, "waves", dict, where)
    if len(waves) > MAX_WAVES:
        raise FormatError(f"{where} has {len(waves)} waves, at most {MAX_WAVES} are read")
    images = member(entry, "images", dict, where)
    return Update(
        member(entry, "variant", str, where),
        member(entry, "arch", str, where),
        _version(member(entry, "version", str, where), where),
        _version(member(entry, "max_version", str, where), where),
        tuple(sorted((_wave(seed, start, where) for seed, start in waves.items()), key=lambda one: one.seed)),
        {name: member(images, name, str, where) for name in _IMAGES},
    )


def _version(text: str, what: str) -> Version:
    numbers = release_numbers(text)
    if numbers is None:
        raise FormatError(f"{what} has version {text[:40]!r}")
    return numbers


def _wave(seed: str, start: object, what: str) -> Wave:
    if not _SEED.fullmatch(seed) or int(seed) >= 1 << 32:
        raise FormatError(f"{what} has a wave from seed {seed[:40]!r}")
    text = of_kind(start, str, f"a wave of {what}")
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        day = f"{match[1]}-{match[2]:0>2}-{match[3]:0>2}"
        moment = datetime.fromisoformat(f"{day}T{match[4]}{match[5].replace('Z', '+00:00')}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise FormatError(f"{what} has a wave at {text[:40]!r}") from None
    return Wave(int(seed), moment)
