"""Every field of a signed manifest must equal the image; one that does not is named with both values."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from rocketaudit.analysis.trust.manifest_chain import ImageClaims, manifest_chain, pkcs7_chain, version_link
from rocketaudit.analysis.trust.tree_link import tree_link
from rocketaudit.formats.dsse import Envelope, dump_envelope, sign
from rocketaudit.formats.verity_manifest import PAYLOAD_TYPE, Subject, VerityManifest, dump_manifest
from rocketaudit.model.trust import Anchor, AnchorKind, LinkState, first_failure, holds
from rocketaudit.model.verity import TreeCheck, TreeVerdict, VerityParameters
from tests.secure_boot import NOW, Identity
from tests.support import needs_tools

KEY = ed25519.Ed25519PrivateKey.generate()
BANK = VerityParameters(1, "sha256", 4096, 4096, 1000, "ab" * 32, "cd" * 32, 1, ("restart_on_corruption",))
MANIFEST = VerityManifest("aws", "1.57.0", "0123abcd", "x86_64", {"bank-a": BANK}, (Subject("image.img", "11" * 32),))
IMAGE = ImageClaims("aws", "1.57.0", "0123abcd", "x86_64", {"bank-a": BANK}, {"image.img": "11" * 32})


def anchor(key=KEY):
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Anchor(AnchorKind.MANIFEST_KEY, "key.pem", hashlib.sha256(pem).hexdigest(), pem)


def envelope(manifest=MANIFEST, key=KEY, kind=PAYLOAD_TYPE):
    payload = dump_manifest(manifest)
    return dump_envelope(Envelope(kind, payload, (("", sign(key, kind, payload)),)))


def links(manifest=MANIFEST, image=IMAGE, **options):
    options.setdefault("as_of", NOW)
    return manifest_chain([anchor()], envelope(manifest), image, **options).links


def test_an_image_that_equals_its_manifest_holds():
    chain = manifest_chain([anchor()], envelope(), IMAGE, as_of=NOW)
    assert holds(chain.links)
    assert chain.manifest == MANIFEST


@pytest.mark.parametrize("key", [ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())])
def test_another_key_gives_no_manifest(key):
    chain = manifest_chain([anchor(key)], envelope(), IMAGE, as_of=NOW)
    assert first_failure(chain.links).name == "key signs manifest"
    assert chain.manifest is None


def test_no_key_and_a_broken_key_give_no_manifest():
    assert not holds(manifest_chain([], envelope(), IMAGE, as_of=NOW).links)
    broken = replace(anchor(), data=b"x")
    assert first_failure(manifest_chain([broken], envelope(), IMAGE, as_of=NOW).links).name == "given key can be used"


def test_a_valid_signature_over_another_type_of_payload_is_refused():
    chain = manifest_chain([anchor()], envelope(kind="text/plain"), IMAGE, as_of=NOW)
    assert "payload of type" in first_failure(chain.links).why


@pytest.mark.parametrize("damage", [slice(0, -5), slice(0, 40), slice(0, 0)])
def test_a_truncated_manifest_is_refused(damage):
    assert not holds(manifest_chain([anchor()], envelope()[damage], IMAGE, as_of=NOW).links)


@pytest.mark.parametrize("field", ["variant", "version", "build", "arch"])
def test_a_release_that_differs_or_is_not_stated_does_not_hold(field):
    different = first_failure(links(image=replace(IMAGE, **{field: "other"})))
    assert (different.state, different.observed) == (LinkState.BROKEN, "other")
    unstated = first_failure(links(image=replace(IMAGE, **{field: ""})))
    assert unstated.state is LinkState.NOT_CHECKABLE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("root_hash", "ce" * 32),
        ("salt", "ac" * 32),
        ("algorithm", "sha512"),
        ("data_blocks", 999),
        ("hash_type", 0),
        ("data_block_size", 512),
        ("hash_block_size", 512),
        ("hash_start_block", 2),
        ("options", ()),
        ("options", ("restart_on_corruption", "ignore_zero_blocks")),
    ],
)
def test_every_parameter_of_a_bank_counts(field, value):
    image = replace(IMAGE, banks={"bank-a": replace(BANK, **{field: value})})
    failure = first_failure(links(image=image))
    assert failure.name == "bank-a states the signed parameters"
    assert field in failure.why


def test_a_bank_that_only_one_side_knows_does_not_hold():
    assert not holds(links(image=replace(IMAGE, banks={})))
    extra = replace(IMAGE, banks={"bank-a": BANK, "bank-b": BANK})
    assert first_failure(links(image=extra)).name == "bank-b is signed"


def test_an_expired_manifest_does_not_hold_and_did_before():
    manifest = replace(MANIFEST, not_after=NOW)
    assert first_failure(links(manifest)).why == "expired"
    assert holds(links(manifest, as_of=NOW - timedelta(seconds=1)))


@pytest.mark.parametrize(
    ("version", "minimum", "state"),
    [
        ("1.57.0", "1.57.0", LinkState.VERIFIED),
        ("1.100.0", "1.57.0", LinkState.VERIFIED),
        ("v1.57.1-0123abcd", "1.57.0", LinkState.VERIFIED),
        ("1.9.9", "1.57.0", LinkState.BROKEN),
        ("1.57.0-rc1", "1.57.0", LinkState.NOT_CHECKABLE),
        ("latest", "1.57.0", LinkState.NOT_CHECKABLE),
        ("1.57", "1.57.0", LinkState.NOT_CHECKABLE),
        ("١.57.0", "1.57.0", LinkState.NOT_CHECKABLE),
        ("1.57.0", "", LinkState.NOT_CHECKABLE),
    ],
)
def test_old_releases_are_refused_by_policy_although_they_are_signed(version, minimum, state):
    assert version_link("manifest", version, minimum).state is state


def test_a_file_with_a_signed_name_and_other_content_does_not_hold():
    assert (
        first_failure(links(image=replace(IMAGE, file_digests={"/tmp/image.img": "22" * 32}))).state is LinkState.BROKEN
    )
    copied = links(image=replace(IMAGE, file_digests={"copy.qcow2": "22" * 32}))
    assert holds(copied)
    assert copied[-1].state is LinkState.NOT_CHECKABLE


def tree(verdict=TreeVerdict.VERIFIED, **changes):
    parameters = replace(BANK, **changes)
    return TreeCheck(parameters, parameters.root_hash, verdict, (), int(verdict is TreeVerdict.CORRUPT), None, None, 0)


def test_only_a_recomputed_tree_with_the_signed_parameters_ends_a_chain():
    assert tree_link("manifest", "bank-a", BANK, tree()).state is LinkState.VERIFIED
    assert tree_link("manifest", "bank-a", BANK, None).state is LinkState.NOT_CHECKABLE
    assert tree_link("manifest", "bank-a", BANK, tree(TreeVerdict.CORRUPT)).state is LinkState.BROKEN
    assert tree_link("manifest", "bank-a", BANK, tree(TreeVerdict.UNREAD)).state is LinkState.NOT_CHECKABLE
    for field, value in (("root_hash", "00" * 32), ("salt", ""), ("data_blocks", 1), ("algorithm", "sha1")):
        link = tree_link("manifest", "bank-a", BANK, tree(**{field: value}))
        assert link.state is LinkState.BROKEN
        assert field in link.why


def test_a_certificate_reaches_a_root_hash(tmp_path):
    needs_tools("openssl")
    signer = Identity("signer")
    key, certificate = signer.write(tmp_path)
    made = subprocess.run(
        [
            "openssl",
            "smime",
            "-sign",
            "-binary",
            "-noattr",
            "-nocerts",
            "-outform",
            "der",
            "-signer",
            certificate,
            "-inkey",
            key,
        ],
        input=BANK.root_hash.encode(),
        capture_output=True,
        check=True,
    ).stdout
    given = Anchor(AnchorKind.SIGNING_CERTIFICATE, "c", "", signer.pem)
    now = datetime.now(UTC)
    assert holds(pkcs7_chain([given], made, BANK.root_hash, as_of=now))
    assert not holds(pkcs7_chain([given], made, "00" * 32, as_of=now))
    assert not holds(pkcs7_chain([given], None, BANK.root_hash, as_of=now))
    assert not holds(pkcs7_chain([], made, BANK.root_hash, as_of=now))
    assert not holds(pkcs7_chain([replace(given, data=b"x")], made, BANK.root_hash, as_of=now))
