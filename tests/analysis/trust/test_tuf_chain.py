"""The chain names the first link that does not hold, and a file is signed only with its own content."""

from __future__ import annotations

import hashlib

import pytest

from rocketaudit.analysis.trust.tuf_chain import ObservedFile, file_link, tuf_chain
from rocketaudit.model.trust import Anchor, AnchorKind, LinkState, first_failure, holds
from tests.support import shared_data
from tests.tuf_repository import NOW, PAST, Repository, Signer


def anchor_of(raw):
    return Anchor(AnchorKind.TUF_ROOT, "root.json", hashlib.sha256(raw).hexdigest(), raw)


def chain_of(repository, files=None, **options):
    built = repository.build() if files is None else files
    return tuf_chain(anchor_of(repository.root()), built, as_of=NOW, **options)


def observed(content, name="image.img.lz4"):
    return ObservedFile(name, len(content), {"sha256": hashlib.sha256(content).hexdigest()}, "the image")


@pytest.fixture
def repository():
    return Repository(("ed25519",))


def test_a_sound_chain_holds_and_says_that_rollback_was_not_checked(repository):
    chain = chain_of(repository)
    assert holds(chain.links)
    assert [link.name for link in chain.links if link.state is not LinkState.VERIFIED] == ["not rolled back"]
    link = file_link(chain, observed(b"the image"))
    assert link.state is LinkState.VERIFIED
    assert holds([*chain.links, link])


def test_other_content_under_a_signed_name_breaks_the_chain(repository):
    link = file_link(chain_of(repository), observed(b"the imagE"))
    assert link.state is LinkState.BROKEN
    assert link.expected != link.observed
    assert first_failure([*chain_of(repository).links, link]) == link


def test_a_renamed_file_is_found_by_its_digest(repository):
    link = file_link(chain_of(repository), observed(b"the image", "download.bin"))
    assert (link.state, link.why) == (LinkState.VERIFIED, "image.img.lz4 in targets")


def test_a_digest_prefix_of_a_mirror_is_no_other_name(repository):
    link = file_link(chain_of(repository), observed(b"changed", f"{'0' * 64}.image.img.lz4"))
    assert link.state is LinkState.BROKEN


def test_a_file_that_nobody_signed_is_missing(repository):
    assert file_link(chain_of(repository), observed(b"x", "other.img")).state is LinkState.MISSING


def test_a_file_whose_digest_was_not_computed_is_not_checkable(repository):
    file = ObservedFile("image.img.lz4", 9, {"blake3": "00"}, "the image")
    assert file_link(chain_of(repository), file).state is LinkState.NOT_CHECKABLE


@pytest.mark.parametrize(
    ("name", "link"),
    [("timestamp.json", "timestamp"), ("1.snapshot.json", "snapshot"), ("1.targets.json", "targets")],
)
def test_missing_metadata_end_the_chain_by_name(repository, name, link):
    files = repository.build()
    del files[name]
    chain = chain_of(repository, files)
    assert first_failure(chain.links).name == link
    assert first_failure(chain.links).state is LinkState.MISSING
    assert not holds(chain.links)
    assert file_link(chain, observed(b"the image")).state is LinkState.NOT_CHECKABLE


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_expiry_breaks_the_chain_where_it_is(repository, role):
    repository.expires[role] = PAST
    failure = first_failure(chain_of(repository).links)
    assert role in failure.name
    assert "expired" in failure.why


def test_a_wrong_root_breaks_the_chain_at_the_timestamp(repository):
    chain = tuf_chain(anchor_of(Repository(("ed25519",)).root()), repository.build(), as_of=NOW)
    assert first_failure(chain.links).name == "root signs timestamp"


def test_rollback_against_earlier_metadata_breaks_the_chain(repository):
    older = repository.build()
    repository.version.update(timestamp=2, snapshot=2)
    newer = repository.build()
    seen = {"timestamp.json": newer["timestamp.json"], "snapshot.json": newer["2.snapshot.json"]}
    assert holds(chain_of(repository, newer, seen=seen).links)
    failure = first_failure(chain_of(repository, older, seen=seen).links)
    assert "rolled back" in failure.why


def test_earlier_metadata_of_foreign_keys_is_said_to_be_unusable(repository):
    seen = {"timestamp.json": Repository(("ed25519",)).build()["timestamp.json"]}
    chain = chain_of(repository, seen=seen)
    assert any("cannot be used" in link.why and not link.needed for link in chain.links)


def test_a_rotation_is_one_link_each(repository):
    first = repository.root()
    repository.extra_root_signers = repository.root_keys
    repository.root_keys = Repository(("ed25519",)).root_keys
    repository.version["root"] = 2
    chain = tuf_chain(anchor_of(first), repository.build(), as_of=NOW)
    assert holds(chain.links)
    assert "root 1 signs root 2" in [link.name for link in chain.links]


def test_the_production_roots_chain_and_have_expired():
    folder = shared_data("bottlerocket", "tuf")
    metadata = {f"{n}.root.json": (folder / f"production-{n}.root.json").read_bytes() for n in (1, 2)}
    chain = tuf_chain(anchor_of(metadata["1.root.json"]), metadata, as_of=NOW)
    assert [link.state for link in chain.links] == [LinkState.VERIFIED, LinkState.VERIFIED, LinkState.BROKEN]
    assert "expired" in chain.links[-1].why


def test_garbage_as_a_root_is_a_broken_link():
    chain = tuf_chain(anchor_of(b"{"), {}, as_of=NOW)
    assert [link.state for link in chain.links] == [LinkState.BROKEN]
    assert chain.trusted is None


def test_an_empty_chain_proves_nothing():
    assert not holds([])


def test_a_file_with_the_name_of_one_target_and_the_content_of_another_is_neither(repository):
    link = file_link(chain_of(repository), observed(b"the boot partition", "image.img.lz4"))
    assert link.state is LinkState.BROKEN
    assert "other content" in link.why


def test_a_name_that_two_roles_delegate_to_with_different_keys_vouches_for_nothing(repository):
    """Whoever may sign for one path must not speak for those of another role by taking over its name."""
    weak, strong, shared = (Signer("ed25519") for _ in range(3))

    def delegation(name, signer, path):
        role = {"name": name, "keyids": [signer.id], "threshold": 1, "terminating": False, "paths": [path]}
        return {"keys": {signer.id: signer.public()}, "roles": [role]}

    def role(targets, delegations):
        body = repository.body("targets") | {"version": 1, "targets": targets}
        return body | ({"delegations": delegations} if delegations else {})

    top = delegation("weak", weak, "weak-*")
    other = delegation("strong", strong, "strong-*")
    repository.delegations = {"keys": top["keys"] | other["keys"], "roles": top["roles"] + other["roles"]}
    content = b"evil"
    evil = {"strong-x": {"length": 4, "hashes": {"sha256": hashlib.sha256(content).hexdigest()}}}
    repository.delegated = {
        "weak": (role({}, delegation("shared", weak, "weak-*")), [weak]),
        "strong": (role({}, delegation("shared", shared, "strong-*")), [strong]),
        "shared": (role(evil, None), [weak]),
    }
    chain = chain_of(repository)
    assert "two roles delegate" in first_failure(chain.links).why
    assert file_link(chain, observed(content, "strong-x")).state is not LinkState.VERIFIED


@pytest.mark.parametrize("name", ["root.json", "2.root.json"])
def test_a_root_that_was_seen_and_is_withheld_now_is_a_rollback(repository, name):
    first = repository.root()
    old = repository.build()
    repository.extra_root_signers = repository.root_keys
    repository.root_keys = Repository(("ed25519",)).root_keys
    repository.version["root"] = 2
    seen = {name: repository.root()}
    chain = tuf_chain(anchor_of(first), old, as_of=NOW, seen=seen)
    assert "root 2 was seen earlier" in first_failure(chain.links).why
    assert holds(tuf_chain(anchor_of(first), old | repository.build(), as_of=NOW, seen=seen).links)
    assert holds(tuf_chain(anchor_of(first), old, as_of=NOW, seen={name: first, "other.json": b"{"}).links)
