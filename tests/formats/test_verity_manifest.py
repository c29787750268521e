"""A manifest survives its bytes, and a field that nobody knows is refused."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.formats.verity_manifest import Subject, VerityManifest, dump_manifest, parse_manifest
from rocketaudit.model.verity import VerityParameters

BANK = VerityParameters(1, "sha256", 4096, 4096, 1000, "ab" * 32, "cd" * 32, 1, ("restart_on_corruption",))
MANIFEST = VerityManifest(
    "aws-k8s-1.33",
    "1.57.0",
    "0123abcd",
    "x86_64",
    {"bank-a": BANK},
    (Subject("image.img", "00" * 32),),
    datetime(2027, 1, 1, tzinfo=UTC),
)


def test_a_manifest_survives_its_bytes():
    assert parse_manifest(dump_manifest(MANIFEST)) == MANIFEST


def changed(*path, value=None, remove=False):
    statement = json.loads(dump_manifest(MANIFEST))
    place = statement
    for step in path[:-1]:
        place = place[step]
    if remove:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(statement).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("_type",), "https://in-toto.io/Statement/v0.1"),
        (("predicateType",), "https://slsa.dev/provenance/v1"),
        (("subject",), []),
        (("subject", 0, "digest"), {"sha512": "00"}),
        (("subject", 0, "digest", "sha256"), "00"),
        (("subject", 0, "digest", "sha512"), "00" * 64),
        (("subject", 0, "annotations"), {"channel": "beta"}),
        (("subject",), [{"name": "image.img", "digest": {"sha256": half * 32}} for half in ("00", "11")]),
        (("extra",), 1),
        (("predicate", "extra"), 1),
        (("predicate", "banks"), []),
        (("predicate", "banks"), {}),
        (("predicate", "banks", 0, "extra"), 1),
        (("predicate", "banks", 0, "root_hash"), "cd"),
        (("predicate", "banks", 0, "salt"), "xy"),
        (("predicate", "banks", 0, "algorithm"), "sha999"),
        (("predicate", "banks", 0, "data_blocks"), True),
        (("predicate", "banks", 0, "data_blocks"), "1000"),
        (("predicate", "banks", 0, "options"), "restart_on_corruption"),
        (("predicate", "version"), 1),
        (("predicate", "not_after"), "2027-01-01"),
        (("predicate", "not_after"), "2027-1-1T0:0:0Z"),
        (("predicate", "not_after"), "\u0662\u0660\u0662\u0667-01-01T00:00:00Z"),
        (("predicate", "not_after"), None),
    ],
)
def test_a_field_that_is_not_as_described_is_refused(path, value):
    with pytest.raises(FormatError):
        parse_manifest(changed(*path, value=value))


@pytest.mark.parametrize("path", [("subject",), ("predicate", "arch"), ("predicate", "banks", 0, "salt")])
def test_a_missing_field_is_refused(path):
    with pytest.raises(FormatError):
        parse_manifest(changed(*path, remove=True))


def test_a_bank_that_is_stated_twice_is_refused():
    statement = json.loads(dump_manifest(MANIFEST))
    statement["predicate"]["banks"] *= 2
    with pytest.raises(FormatError, match="twice"):
        parse_manifest(json.dumps(statement).encode())


@given(st.binary(max_size=100))
def test_any_bytes_are_a_manifest_or_a_format_error(raw):
    with contextlib.suppress(FormatError):
        parse_manifest(raw)
