"""The update side of a bank: what signed metadata say of its release, and unknown where they do not."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from rocketaudit.analysis.findings import find_oddities
from rocketaudit.analysis.integrity import judge_integrity
from rocketaudit.analysis.trust.judge import TrustInputs, judge_updates
from rocketaudit.audit import Looking, look
from rocketaudit.model.evidence import Coverage, SignedBlob
from rocketaudit.model.fact import Fact, Key, Locator, Plane, State
from rocketaudit.model.target import TargetKind
from rocketaudit.model.trust import Anchor, AnchorKind
from rocketaudit.model.update import AnswerState
from tests.formats.test_update_manifest import manifest, update
from tests.tuf_repository import NOW, Repository

FINE, ATTENTION, UNKNOWN = AnswerState.FINE, AnswerState.ATTENTION, AnswerState.UNKNOWN


@pytest.fixture(scope="module")
def seen(small_erofs_image):
    return look(small_erofs_image.path, Looking(verity_only=True), ())


@pytest.fixture
def repository():
    made = Repository(("ed25519",))
    made.expires["root"] = (NOW + timedelta(days=400)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return made


def with_root(evidence, raw):
    others = tuple(one for one in evidence.blobs if one.name != "root.json")
    blob = SignedBlob("root.json", base64.b64encode(raw).decode(), Locator("image"), "bank-a")
    return replace(evidence, blobs=(*others, blob), _facts={}, _files={}, _children={})


def mine(evidence, version, highest="", **changes):
    return update(version, highest, variant=evidence.target.variant, arch=evidence.target.arch, **changes)


def ask(evidence, repository, raw, *, given=None, root=None, files=None, as_of=NOW):
    """Answers by id, the manifest being one of the targets."""
    if raw is not None:
        repository.contents = repository.contents | {"manifest.json": raw}
    built = repository.build() if files is None else files
    data = repository.root() if root is None else root
    anchor = Anchor(AnchorKind.TUF_ROOT, "root.json", hashlib.sha256(data).hexdigest(), data)
    manifests = {"manifest.json": raw} if given is None and raw is not None else given or {}
    inputs = TrustInputs(as_of=as_of, tuf_root=anchor, tuf_metadata=built, update_manifests=manifests)
    return {one.id: one for one in judge_updates(evidence, inputs)}


def signed(repository, *versions):
    """Targets for the images of these releases."""
    for version in versions:
        repository.contents |= {f"{part}-{version}": b"x" for part in "brh"}


def test_the_newest_release_has_nothing_to_do(seen, repository):
    version = seen.target.version
    signed(repository, version)
    answers = ask(with_root(seen, repository.root()), repository, manifest(mine(seen, version)))
    assert {one.state for one in answers.values()} == {FINE}, answers
    assert answers["release-offered"].answer.startswith(version)
    assert answers["release-offered"].scope == "bank-a"
    assert answers["update-waves"].answer == "nodes of this release stay with it"
    assert answers["update-root"].answer == "root 1, one of yours; the same keys, root threshold 2"
    assert answers["metadata-expiry"].scope == ""
    assert judge_integrity(seen).updates == ()


def test_a_release_that_is_not_listed_any_more_is_said(seen, repository):
    answers = ask(seen, repository, manifest(mine(seen, "9.9.9"), update(seen.target.version, variant="metal")))
    assert answers["release-offered"].state is ATTENTION
    assert "not listed" in answers["release-offered"].answer
    nobody = ask(seen, repository, manifest(update(seen.target.version, variant="metal")))
    assert "nothing is offered" in nobody["release-offered"].answer
    assert nobody["update-images"].state is ATTENTION


def test_a_withdrawn_release_goes_down(seen, repository):
    version = seen.target.version
    signed(repository, "0.0.1")
    steps = {f"(0.0.1, {version})": []}
    listed = manifest(mine(seen, version, "0.0.1"), mine(seen, "0.0.1"), migrations=steps)
    answers = ask(seen, repository, listed)
    assert "withdrawn: 0.0.1 is the highest allowed" in answers["release-offered"].answer
    assert answers["update-waves"].answer.startswith("to 0.0.1")
    assert answers["update-migrations"].state is FINE


@pytest.mark.parametrize(
    ("waves", "days", "said", "state"),
    [
        ({}, 0, "to 9.9.9, all nodes at once", FINE),
        ({"0": 1, "512": 2}, 0, "to 9.9.9, not before 2026-06-02T12:00:00Z", FINE),
        ({"0": 1, "512": 3}, 2, "1 of 2 waves have begun since 2026-06-02T12:00:00Z, the last at 2026-06-04", FINE),
        ({"0": 1, "512": 3}, 3, "to 9.9.9, all nodes since 2026-06-04T12:00:00Z", FINE),
        ({"0": 3, "512": 1}, 0, "a later wave starts before", ATTENTION),
    ],
)
def test_waves_say_when(seen, repository, waves, days, said, state):
    times = {seed: (NOW + timedelta(days=at)).strftime("%Y-%m-%dT%H:%M:%SZ") for seed, at in waves.items()}
    raw = manifest(mine(seen, seen.target.version), mine(seen, "9.9.9", waves=times))
    answers = ask(seen, repository, raw, as_of=NOW + timedelta(days=days))
    assert said in answers["update-waves"].answer
    assert answers["update-waves"].state is state
    assert answers["update-newer"].answer == "newer: 9.9.9"


@pytest.mark.parametrize(
    ("settings", "days", "said"),
    [
        ({"seed": 100}, 0, "; this node (seed 100) in wave 1 of 2, not before 2026-06-02T21:22:30Z"),
        ({"seed": 100}, 2, "; this node (seed 100) in wave 1 of 2, since 2026-06-02T21:22:30Z"),
        ({"seed": 2000}, 2, "; this node (seed 2000) in wave 2 of 2, not before 2026-06-04T12:00:00Z"),
        ({"seed": 0}, 0, "; this node (seed 0) at once"),
        ({"seed": 9, "ignore-waves": True}, 0, "; this node ignores waves"),
        ({"seed": 9, "ignore-waves": True, "version-lock": "1.2.3"}, 0, "ignores waves, but it is locked to 1.2.3"),
        ({"seed": 2000, "version-lock": "latest"}, 3, "wave 2 of 2, since 2026-06-04T12:00:00Z"),
        ({"seed": "9"}, 0, "place in it is not known: its seed is '9'"),
        ({"seed": 2048}, 0, "place in it is not known: its seed is '2048'"),
        ({}, 0, "place in it is not known: its seed is not set"),
        (None, 0, "place in it is not known: seed was not read"),
    ],
)
def test_a_node_learns_its_own_place_in_the_waves(seen, repository, settings, days, said):
    times = {seed: (NOW + timedelta(days=at)).strftime("%Y-%m-%dT%H:%M:%SZ") for seed, at in (("0", 1), ("512", 3))}
    where = Locator("node")
    facts = [
        Fact(Key("setting", ("updates", name)), Plane.RUNTIME, State.PRESENT, where, value, scope=seen.judged)
        for name, value in (settings or {}).items()
    ]
    covered = () if settings is None else (Coverage(Plane.RUNTIME, seen.judged, "setting:*"),)
    node = replace(
        seen,
        target=replace(seen.target, kind=TargetKind.NODE),
        facts=(*seen.facts, *facts),
        covered=(*seen.covered, *covered),
        _facts={},
    )
    raw = manifest(mine(seen, seen.target.version), mine(seen, "9.9.9", waves=times))
    as_of = NOW + timedelta(days=days)
    answer = ask(node, repository, raw, as_of=as_of)["update-waves"].answer
    assert said in answer
    assert "this node" not in ask(seen, Repository(("ed25519",)), raw, as_of=as_of)["update-waves"].answer


def test_migrations_and_images_must_be_there_and_signed(seen, repository):
    version = seen.target.version
    signed(repository, "9.9.9")
    listed = (mine(seen, version), mine(seen, "9.9.9"))
    none = ask(seen, repository, manifest(*listed))["update-migrations"]
    assert (none.state, "a node refuses" in none.answer) == (ATTENTION, True)
    path = {f"({version}, 9.0.0)": ["m1"], "(9.0.0, 9.9.9)": ["m2"]}
    unsigned = ask(seen, repository, manifest(*listed, migrations=path))
    assert unsigned["update-migrations"].answer.endswith("not signed: m1, m2")
    assert unsigned["update-images"].state is FINE
    repository.contents |= {"m1": b"1", "m2": b"2"}
    assert ask(seen, repository, manifest(*listed, migrations=path))["update-migrations"].state is FINE
    del repository.contents["h-9.9.9"]
    images = ask(seen, repository, manifest(*listed, migrations=path))["update-images"]
    assert (images.state, images.answer) == (ATTENTION, "9.9.9: not signed: h-9.9.9")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "was not given"),
        ({"manifest.json": b"{}"}, "cannot be used: manifest.json has 2 bytes"),
    ],
)
def test_without_the_signed_manifest_nothing_is_said_of_the_release(seen, repository, given, said):
    answers = ask(seen, repository, manifest(mine(seen, seen.target.version)), given=given)
    states = {identity: one.state for identity, one in answers.items()}
    assert states.pop("metadata-expiry") is FINE
    states.pop("update-root")
    assert set(states.values()) == {UNKNOWN}
    assert all(said in answers[identity].answer for identity in states)


def test_a_repository_without_a_manifest_or_with_broken_metadata_says_nothing(seen, repository):
    assert "do not sign" in ask(seen, repository, None)["release-offered"].answer
    files = repository.build()
    files["timestamp.json"] = files["timestamp.json"][:-30]
    answers = ask(seen, repository, None, files=files)
    assert answers["release-offered"].state is answers["metadata-expiry"].state is UNKNOWN
    assert "timestamp" in answers["release-offered"].answer


def test_expiry_ahead_is_said_per_role(seen, repository):
    repository.expires["timestamp"] = (NOW + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = ask(seen, repository, None)["metadata-expiry"]
    assert answer.state is ATTENTION
    assert answer.answer.startswith("timestamp soon: timestamp until 2026-06-02T12:00:00Z, ")


# ---- the bank's own root.json against the anchor


def rotated(repository, threshold=2):
    """Roots 1 and 2; the second one has other root keys, signed by both."""
    first = repository.root()
    repository.extra_root_signers = repository.root_keys
    repository.root_keys = Repository(("ed25519",)).root_keys
    repository.version["root"] = 2
    repository.threshold["root"] = threshold
    return first, repository.root()


def test_an_older_root_from_which_the_anchor_follows_is_fine(seen, repository):
    first, second = rotated(repository, threshold=1)
    files = repository.build()
    answer = ask(with_root(seen, first), repository, None, root=second, files=files)["update-root"]
    assert answer.state is FINE
    assert answer.answer.startswith("root 1, from which yours follows; root threshold 2, yours 1; root keys: 3 not")
    del files["2.root.json"]
    answer = ask(with_root(seen, first), repository, None, root=second, files=files)["update-root"]
    assert (answer.state, "2.root.json on the way" in answer.answer) == (UNKNOWN, True)


def test_a_newer_root_that_follows_from_the_anchor_is_fine(seen, repository):
    first, second = rotated(repository)
    files = {name: raw for name, raw in repository.build().items() if name != "2.root.json"}
    answer = ask(with_root(seen, second), repository, None, root=first, files=files)["update-root"]
    assert (answer.state, answer.answer.startswith("root 2, which follows from yours")) == (FINE, True)
    repository.version["root"] = 4
    later = ask(with_root(seen, repository.root()), repository, None, root=first, files=files)["update-root"]
    assert (later.state, "end at root 1" in later.answer) == (UNKNOWN, True)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_root_of_a_stranger_is_said(seen, repository, version):
    first, _ = rotated(repository)
    files = repository.build() | {"1.root.json": first}
    stranger = Repository(("ed25519",))
    stranger.version["root"] = version
    stranger.threshold["root"] = 1
    answer = ask(with_root(seen, stranger.root()), repository, None, files=files)["update-root"]
    assert answer.state is ATTENTION
    assert "root threshold 1, yours 2; root keys: 3 not among yours, 3 of yours missing" in answer.answer


def test_a_root_that_is_not_signed_by_itself_is_said_and_found(seen, repository):
    raw = repository.root().replace(b'"threshold": 2', b'"threshold": 1')
    evidence = with_root(seen, raw)
    answers = ask(evidence, repository, None)
    assert answers["update-root"].state is ATTENTION
    integrity = replace(judge_integrity(evidence), updates=tuple(answers.values()))
    assert "update-root" in {one.id for one in find_oddities(evidence, integrity)}
