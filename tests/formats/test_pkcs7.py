"""Signatures over root hashes that openssl makes, in the forms that the kernel and systemd take."""

from __future__ import annotations

import contextlib
import subprocess
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError, RocketauditError, TrustError
from rocketaudit.formats.pkcs7 import verify_detached, verify_root_hash
from tests.secure_boot import NOW, Identity
from tests.support import needs_tools, shared_data

ROOT_HASH = "4a" * 32


class World:
    def __init__(self, folder):
        self.folder = folder
        self.root = Identity("root", is_authority=True)
        self.leaf = Identity("leaf", self.root)

    def sign(self, *options, signer=None, text=ROOT_HASH):
        key, certificate = (signer or self.leaf).write(self.folder)
        done = subprocess.run(
            [
                "openssl",
                "smime",
                "-sign",
                "-binary",
                "-noattr",
                "-outform",
                "der",
                "-signer",
                certificate,
                "-inkey",
                key,
                *options,
            ],
            input=text.encode(),
            capture_output=True,
            check=True,
        )
        return done.stdout


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    needs_tools("openssl")
    return World(tmp_path_factory.mktemp("pkcs7"))


def verify(signature, *anchors, root_hash=ROOT_HASH, as_of=NOW):
    return verify_root_hash(signature, root_hash, [one.certificate for one in anchors], as_of)


def test_the_form_of_the_kernel_verifies_with_the_signer_or_its_authority(world):
    assert verify(world.sign("-nocerts"), world.leaf) == "CN=leaf"
    assert verify(world.sign(), world.root) == "CN=leaf"
    assert verify(world.sign(), world.leaf) == "CN=leaf"


def test_signed_attributes_and_enclosed_content_are_read(world):
    key, certificate = world.leaf.write(world.folder)
    for options in ([], ["-nodetach"]):
        made = subprocess.run(
            ["openssl", "cms", "-sign", "-binary", "-outform", "der", "-signer", certificate, "-inkey", key, *options],
            input=ROOT_HASH.encode(),
            capture_output=True,
            check=True,
        ).stdout
        assert verify(made, world.root) == "CN=leaf"
        with pytest.raises(TrustError):
            verify(made, world.root, root_hash="4b" + ROOT_HASH[2:])


def test_another_root_hash_does_not_verify(world):
    with pytest.raises(TrustError):
        verify(world.sign(), world.root, root_hash="4b" + ROOT_HASH[2:])


def test_strangers_do_not_verify(world):
    for stranger in (Identity("root", is_authority=True), Identity("leaf")):
        with pytest.raises((TrustError, FormatError)):
            verify(world.sign(), stranger)
        with pytest.raises((TrustError, FormatError)):
            verify(world.sign("-nocerts"), stranger)
    with pytest.raises((TrustError, FormatError)):
        verify(world.sign())


def test_sha1_is_refused(world):
    with pytest.raises(TrustError, match="sha1"):
        verify(world.sign("-md", "sha1"), world.root)


def test_an_expired_certificate_is_refused_and_was_good_before(world):
    short = Identity("short", days=10)
    signature = world.sign(signer=short)
    with pytest.raises(TrustError, match="valid from"):
        verify(signature, short)
    verify(signature, short, as_of=NOW - timedelta(days=395))


def test_every_truncation_is_refused(world):
    signature = world.sign()
    for length in range(0, len(signature), 53):
        with pytest.raises(RocketauditError):
            verify(signature[:length], world.root)


def test_two_signers_are_refused(world):
    other_key, other = world.root.write(world.folder)
    double = world.sign("-signer", other, "-inkey", other_key)
    with pytest.raises(FormatError, match="2 signers"):
        verify(double, world.root)


def test_the_manifest_of_a_rauc_bundle_verifies_as_rauc_says():
    from rocketaudit.formats.x509_path import load_anchor_certificates

    authorities = load_anchor_certificates(shared_data("verity", "rauc", "rel-ca.pem").read_bytes())

    def parts(name):
        bundle = shared_data("verity", "rauc", name).read_bytes()
        size = int.from_bytes(bundle[-8:], "big")
        return bundle[-8 - size : -8], bundle[: -8 - size]

    signature, content = parts("good-bundle.raucb")
    assert verify_detached(signature, content, authorities, NOW) == "CN=Test Org Release-1,O=Test Org"
    with pytest.raises(TrustError):
        verify_detached(signature, content + b"x", authorities, NOW)
    with pytest.raises(TrustError):
        verify_detached(*parts("invalid-sig-bundle.raucb"), authorities, NOW)


@given(st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_never_raises_anything_else(world, draw):
    raw = bytearray(SIGNATURES.setdefault("one", world.sign()))
    for _ in range(draw.draw(st.integers(1, 4))):
        raw[draw.draw(st.integers(0, len(raw) - 1))] = draw.draw(st.integers(0, 255))
    with contextlib.suppress(TrustError, FormatError):
        verify(bytes(raw), world.root)


SIGNATURES: dict[str, bytes] = {}
