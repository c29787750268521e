"""Vectors of tough and python-tuf have the outcome that those projects assert; attacks on a made repository fail."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError, RocketauditError, TrustError
from rocketaudit.formats.tuf import TrustedSet
from rocketaudit.formats.tuf_metadata import parse_metadata, parse_time
from tests.support import shared_data
from tests.tuf_repository import LATER, NOW, PAST, Repository, Signer, canonical, envelope

LONG_AGO = datetime(1998, 1, 1, tzinfo=UTC)


def tough(*parts):
    return shared_data("tuf", "tough-tests-data", *parts)


@pytest.mark.parametrize(
    ("name", "is_sound"),
    [
        ("simple-rsa", True),
        ("ecdsa-new-type-sig-keys", True),
        ("hex-encoded-ecdsa-sig-keys", True),
        ("pem-encoded-ecdsa-sig-keys", True),
        ("expired-root-json-signature", True),  # its date is not checked by a signature test
        ("no-root-json-signatures", False),
        ("invalid-root-json-signature", False),
        ("mismatched-root-json-keyids", False),
        ("duplicate-keyid", False),
    ],
)
def test_roots_of_tough_have_the_outcome_that_tough_asserts(name, is_sound):
    raw = tough(name, "root.json").read_bytes()
    if is_sound:
        TrustedSet(raw, LONG_AGO)
    else:
        with pytest.raises((TrustError, FormatError)):
            TrustedSet(raw, LONG_AGO)


def load(folder, root, prefix, as_of=LONG_AGO):
    trusted = TrustedSet((folder / root).read_bytes(), as_of)
    while (following := folder / f"{trusted.root.version + 1}.root.json").exists():
        trusted.update_root(following.read_bytes())
    trusted.update_timestamp((folder / "timestamp.json").read_bytes())
    version = f"{trusted.timestamp.snapshot.version}." if prefix else ""
    trusted.update_snapshot((folder / f"{version}snapshot.json").read_bytes())
    version = f"{trusted.snapshot.meta['targets.json'].version}." if prefix else ""
    trusted.update_targets((folder / f"{version}targets.json").read_bytes())
    return trusted


@pytest.mark.parametrize(
    ("name", "prefix", "targets"),
    [
        ("tuf-reference-impl/metadata", False, ["file1.txt", "file2.txt"]),
        ("consistent-snapshots/metadata", True, ["data1.txt", "data2.txt"]),
        ("safe-target-paths/metadata", False, ["foo/../bar/../baz/../data1.txt"]),
        ("rotated-root", True, []),
        ("expired-repository/metadata", True, []),
    ],
)
def test_repositories_of_tough_load(name, prefix, targets):
    trusted = load(tough(name), "1.root.json", prefix)
    for target in targets:
        assert trusted.find_target(target) is not None


def test_the_rotated_root_of_tough_ends_at_version_two():
    assert load(tough("rotated-root"), "1.root.json", prefix=True).root.version == 2


def test_the_expired_repository_of_tough_is_refused_today():
    with pytest.raises(TrustError, match="expired"):
        load(tough("expired-repository/metadata"), "1.root.json", prefix=True, as_of=NOW)


def test_delegations_of_the_reference_repository_are_followed():
    folder = tough("tuf-reference-impl/metadata")
    trusted = load(folder, "1.root.json", prefix=False)
    (role1,) = trusted.targets["targets"].delegations
    with pytest.raises(TrustError, match="role1"):  # it speaks for file3 and was not loaded
        trusted.find_target("file3.txt")
    trusted.update_delegated((folder / "role1.json").read_bytes(), role1)
    assert trusted.find_target("file3.txt")[0] == "role1"
    assert trusted.find_target("nope") is None


@pytest.mark.parametrize("name", ["repository", "fishy_rolenames"])
def test_repositories_of_python_tuf_load(name):
    folder = shared_data("tuf", "python-tuf-repository_data", name, "metadata")
    trusted = load(folder, "1.root.json", prefix=name != "repository")
    for delegation in trusted.targets["targets"].delegations:
        version = "1." if name != "repository" else ""
        path = folder / f"{version}{delegation.name}.json"
        if path.exists():
            trusted.update_delegated(path.read_bytes(), delegation)
            assert delegation.name in trusted.targets


def test_ed25519_metadata_of_python_tuf_verify():
    folder = shared_data("tuf", "python-tuf-generated_data", "ed25519_metadata")
    trusted = TrustedSet((folder / "root_with_ed25519.json").read_bytes(), LONG_AGO)
    trusted.update_timestamp((folder / "timestamp_with_ed25519.json").read_bytes())
    trusted.update_snapshot((folder / "snapshot_with_ed25519.json").read_bytes())
    trusted.update_targets((folder / "targets_with_ed25519.json").read_bytes())


def production(number):
    return shared_data("bottlerocket", "tuf", f"production-{number}.root.json").read_bytes()


def test_the_production_roots_of_bottlerocket_chain():
    trusted = TrustedSet(production(1), LONG_AGO)
    trusted.update_root(production(2))
    assert trusted.root.version == 2
    assert trusted.root.roles["root"].threshold == 2
    with pytest.raises(TrustError):
        trusted.update_root(production(1))


@pytest.mark.parametrize("damage", [(b'"threshold": 2', b'"threshold": 1'), (b'"version": 2', b'"version": 3')])
def test_a_changed_production_root_is_refused(damage):
    raw = production(2)
    assert damage[0] in raw
    with pytest.raises(TrustError):
        TrustedSet(production(1), LONG_AGO).update_root(raw.replace(*damage, 1))


@pytest.fixture(scope="module")
def sound():
    return Repository()


def walk(files, root, as_of=NOW):
    trusted = TrustedSet(root, as_of)
    trusted.update_timestamp(files["timestamp.json"])
    trusted.update_snapshot(files[f"{trusted.timestamp.snapshot.version}.snapshot.json"])
    trusted.update_targets(files[f"{trusted.snapshot.meta['targets.json'].version}.targets.json"])
    return trusted


def test_a_made_repository_loads_and_python_tuf_agrees(sound):
    files = sound.build()
    assert walk(files, files["1.root.json"]).find_target("image.img.lz4")[1].length == 9
    api = pytest.importorskip("tuf.api.metadata")
    whole_seconds = sound.root_body() | {"expires": "2026-07-01T12:00:00Z"}  # it reads no others
    root = api.Metadata[api.Root].from_bytes(envelope(whole_seconds, sound.root_keys))
    assert root.signed.get_verification_result("root", root.signed_bytes, root.signatures).verified


def test_one_key_of_two_does_not_meet_the_threshold(sound):
    raw = envelope(sound.root_body(), sound.root_keys[:1])
    with pytest.raises(TrustError, match="1 valid signatures of different keys, 2 needed"):
        TrustedSet(raw, NOW)


def test_the_same_signature_twice_does_not_meet_the_threshold(sound):
    raw = envelope(sound.root_body(), [sound.root_keys[0], sound.root_keys[0]])
    with pytest.raises(FormatError, match="two signatures under one key id"):
        TrustedSet(raw, NOW)


def test_one_key_under_two_ids_counts_once():
    repository = Repository()
    body = repository.root_body()
    first = repository.root_keys[0]
    alias = {**first.public(), "x-comment": "another"}
    body["keys"]["ab" * 32] = alias
    body["roles"]["root"]["keyids"] = [first.id, "ab" * 32]
    document = json.loads(envelope(body, [first]))
    document["signatures"].append({"keyid": "ab" * 32, "sig": first.sign(canonical(body))})
    with pytest.raises(TrustError, match="1 valid signatures of different keys"):
        TrustedSet(json.dumps(document).encode(), NOW)


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_expired_metadata_is_refused_and_accepted_as_of_an_earlier_day(role):
    repository = Repository()
    repository.expires[role] = PAST
    files = repository.build()
    with pytest.raises(TrustError, match="expired"):
        walk(files, files["1.root.json"])
    walk(files, files["1.root.json"], as_of=LONG_AGO)


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_metadata_signed_by_another_key_is_refused(sound, role):
    other = Repository()
    other.root_keys = sound.root_keys
    with pytest.raises(TrustError):
        walk({**sound.build(), **{n: raw for n, raw in other.build().items() if role in n}}, sound.root())


def test_every_single_changed_digit_breaks_a_signature(sound):
    files = sound.build()
    for name, raw in files.items():
        place = raw.index(b'"version": 1') + 11
        changed = {**files, name: raw[:place] + b"2" + raw[place + 1 :]}
        with pytest.raises(TrustError):
            walk(changed, changed["1.root.json"])


def test_a_root_rotation_needs_the_old_and_the_new_threshold(sound):
    old, new = sound.root(), Repository()
    new.version["root"] = 2
    trusted = TrustedSet(old, NOW)
    with pytest.raises(TrustError, match="root 2 by root 1"):
        trusted.update_root(new.root())
    new.extra_root_signers = sound.root_keys
    only_old = envelope(new.root_body(), sound.root_keys)
    with pytest.raises(TrustError, match="by its own keys"):
        trusted.update_root(only_old)
    trusted.update_root(new.root())
    assert trusted.root.version == 2


@pytest.mark.parametrize("version", [1, 3])
def test_a_root_that_skips_or_repeats_a_version_is_refused(sound, version):
    new = Repository()
    new.version["root"] = version
    new.extra_root_signers = sound.root_keys
    with pytest.raises(TrustError, match="2 expected"):
        TrustedSet(sound.root(), NOW).update_root(new.root())


def test_an_older_timestamp_and_snapshot_are_a_rollback():
    repository = Repository()
    older = repository.build()
    repository.version.update(timestamp=2, snapshot=2, targets=2)
    newer = walk(repository.build(), repository.root())
    trusted = TrustedSet(repository.root(), NOW)
    with pytest.raises(TrustError, match="rolled back"):
        trusted.update_timestamp(older["timestamp.json"], newer.timestamp)
    trusted.update_timestamp(older["timestamp.json"])
    with pytest.raises(TrustError, match="rolled back"):
        trusted.update_snapshot(older["1.snapshot.json"], newer.snapshot)


def test_a_terminating_delegation_ends_the_search():
    repository = Repository()
    keys = {name: Signer() for name in ("stop", "after")}
    repository.delegations = {
        "keys": {signer.id: signer.public() for signer in keys.values()},
        "roles": [
            {"name": name, "keyids": [signer.id], "threshold": 1, "terminating": name == "stop", "paths": ["kmod/*"]}
            for name, signer in keys.items()
        ],
    }
    for name, signer in keys.items():
        body = Repository().targets_body() | {"targets": {}}
        if name == "after":
            body["targets"] = {"kmod/x": {"length": 1, "hashes": {"sha256": "00" * 32}}}
        repository.delegated[name] = (body, [signer])
    files = repository.build()
    trusted = walk(files, files["1.root.json"])
    for delegation in trusted.targets["targets"].delegations:
        trusted.update_delegated(files[f"1.{delegation.name}.json"], delegation)
    assert trusted.find_target("kmod/x") is None
    assert trusted.find_target("image.img.lz4")[0] == "targets"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("threshold", 0),
        ("threshold", True),
        ("threshold", -1),
        ("threshold", "1"),
        ("keyids", "abc"),
        ("keyids", [1]),
    ],
)
def test_roles_that_cannot_be_are_refused(sound, field, value):
    body = sound.root_body()
    body["roles"]["root"][field] = value
    with pytest.raises(FormatError):
        TrustedSet(envelope(body, sound.root_keys), NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-06-01T12:00:00Z", NOW),
        ("2026-06-01T12:00:00.999999999Z", NOW),
        ("2026-06-01T14:00:00+02:00", NOW),
    ],
)
def test_times_are_read_with_fractions_and_offsets(text, expected):
    assert parse_time(text, "x") == expected


@pytest.mark.parametrize(
    "text", ["", "2026-06-01", "2026-13-01T00:00:00Z", "2026-06-01T12:00:00", LATER + "x", "\u0662026-06-01T12:00:00Z"]
)
def test_other_spellings_of_times_are_refused(text):
    with pytest.raises(FormatError):
        parse_time(text, "x")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_metadata_never_raises_anything_else(draw):
    repository = Repository(("ed25519",))
    files = repository.build()
    role = draw.draw(st.sampled_from(["root", "timestamp", "snapshot", "targets"]))
    raw = bytearray(files["timestamp.json" if role == "timestamp" else f"1.{role}.json"])
    for _ in range(draw.draw(st.integers(1, 5))):
        raw[draw.draw(st.integers(0, len(raw) - 1))] = draw.draw(st.integers(0, 255))
    with contextlib.suppress(RocketauditError):
        parse_metadata(bytes(raw), role)
