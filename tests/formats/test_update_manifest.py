"""manifest.json of an update repository, read as updog reads it."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.formats.update_manifest import parse_update_manifest, text_of
from tests.support import shared_data

VARIANT = "bottlerocket-aws-eks"


def update(version: str, highest: str = "", **changes: object) -> dict[str, object]:
    made: dict[str, object] = {
        "variant": "aws-k8s-1.36",
        "arch": "x86_64",
        "version": version,
        "max_version": highest or version,
        "waves": {},
        "images": {"boot": f"b-{version}", "root": f"r-{version}", "hash": f"h-{version}"},
    }
    return made | changes


def manifest(*updates: dict[str, object], migrations: dict[str, list[str]] | None = None) -> bytes:
    return json.dumps({"updates": list(updates), "migrations": migrations or {}}).encode()


@pytest.mark.parametrize("name", ["bad-bound", "duplicate-bound"])
def test_waves_that_updog_refuses_are_refused(name: str) -> None:
    with pytest.raises(FormatError):
        parse_update_manifest(shared_data("bottlerocket", "tuf", "updog-manifests", f"{name}.json").read_bytes())


@pytest.mark.parametrize(
    ("name", "arch", "newest"),
    [
        ("example", "x86_64", "1.13.0"),
        ("example_2", "x86_64", "1.1.0"),
        ("single_wave", "x86_64", "1.13.0"),
        ("multiple_x86_64", "x86_64", "1.15.0"),  # 1.25.0 is above its max_version
        ("multiple_aarch64", "aarch64", "1.15.0"),
        ("regret", "x86_64", ""),
    ],
)
def test_manifests_of_updog_offer_what_updog_says(name: str, arch: str, newest: str) -> None:
    read = parse_update_manifest(shared_data("bottlerocket", "tuf", "updog-manifests", f"{name}.json").read_bytes())
    found = read.next_for(VARIANT, arch, (1, 0, 0))
    assert (text_of(found.version) if found else "") == newest


def test_a_release_above_the_highest_allowed_goes_down() -> None:
    read = parse_update_manifest(manifest(update("1.1.0", "1.1.0"), update("1.2.0", "1.1.0")))
    down = read.next_for("aws-k8s-1.36", "x86_64", (1, 2, 0))
    assert down is not None and down.version == (1, 1, 0)
    assert read.next_for("aws-k8s-1.36", "x86_64", (1, 1, 0)) is None


def test_migrations_take_the_longest_step_that_does_not_overshoot() -> None:
    read = parse_update_manifest(shared_data("bottlerocket", "tuf", "updog-manifests", "migrations.json").read_bytes())
    assert read.migrations_between((1, 0, 0), (1, 5, 0)) == (
        "migration_1.1.0_a",
        "migration_1.1.0_b",
        "migration_1.5.0_shortcut",
    )
    assert read.migrations_between((1, 2, 0), (1, 0, 0)) == (
        "migration_1.2.0_skip",
        "migration_1.1.0_b",
        "migration_1.1.0_a",
    )
    assert read.migrations_between((1, 0, 0), (1, 6, 0)) is None
    assert read.migrations_between((1, 0, 0), (1, 0, 0)) == ()


@pytest.mark.parametrize(
    ("seed", "wave", "minutes"),
    [
        (0, 0, None),  # before the first wave: nobody should be there, and updog lets them go
        (1, 1, 4),
        (50, 1, 200),
        (60, 2, 1024),  # by its place 1188, but then the wave is over
        (100, 2, 1024),
        (148, 3, 1024 + 148 * 3072 / 924),
        (1024, 3, 4096),
        (1025, 4, 4096),
        (2047, 4, 4096),
    ],
)
def test_a_node_has_the_place_that_updog_gives_its_seed(seed: int, wave: int, minutes: float | None) -> None:
    """The waves of updog's own tests, in minutes."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    at = {"0": 0, "50": 200, "100": 1024, "1024": 4096}
    waves = {bound: (start + timedelta(minutes=after)).isoformat() for bound, after in at.items()}
    (read,) = parse_update_manifest(manifest(update("1.0.0", waves=waves))).updates
    number, moment = read.place_of(seed)
    assert number == wave
    if minutes is None:
        assert moment is None
    else:
        assert moment is not None
        assert abs(moment - start - timedelta(minutes=minutes)) < timedelta(seconds=1)


def test_without_waves_everybody_goes_at_once() -> None:
    (read,) = parse_update_manifest(manifest(update("1.0.0"))).updates
    assert read.place_of(700) == (0, None)


def test_waves_are_ordered_by_seed_and_their_times_are_in_utc() -> None:
    waves = {"1024": "2026-01-02T02:00:00+02:00", "0": "2026-1-1T00:00:00.5Z"}
    (read,) = parse_update_manifest(manifest(update("1.0.0", waves=waves))).updates
    assert [(wave.seed, wave.start) for wave in read.waves] == [
        (0, datetime(2026, 1, 1, tzinfo=UTC)),
        (1024, datetime(2026, 1, 2, tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'{"updates": []}',
        manifest(update("1.0")),
        manifest(update("1.0.0", max_version=7)),
        manifest(update("1.0.0", waves={"-1": "2026-01-01T00:00:00Z"})),
        manifest(update("1.0.0", waves={"4294967296": "2026-01-01T00:00:00Z"})),
        manifest(update("1.0.0", waves={"1": "2026-13-01T00:00:00Z"})),
        manifest(update("1.0.0", waves={"1": "yesterday"})),
        manifest(update("1.0.0", images={"boot": "b", "root": "r"})),
        manifest(migrations={"1.0.0 to 1.1.0": []}),
        manifest(migrations={"(1.0.0, 1.1.0)": [7]}),  # type: ignore[list-item]
        manifest(migrations={"(1.0.0, 1.1.0)": [], "(1.0.0,1.1.0)": []}),
    ],
)
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(FormatError):
        parse_update_manifest(raw)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_a_damaged_manifest_is_read_or_refused(at: int, data: bytes) -> None:
    raw = manifest(update("1.0.0", waves={"0": "2026-01-01T00:00:00Z"}), migrations={"(1.0.0, 1.1.0)": ["m"]})
    with contextlib.suppress(FormatError):
        parse_update_manifest(raw[:at] + data + raw[at + len(data) :])
