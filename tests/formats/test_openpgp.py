"""Signatures that gpg makes verify as gpgv says; what is weak, expired, revoked or altered never does."""

from __future__ import annotations

import contextlib
import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError, RocketauditError, TrustError
from rocketaudit.formats.openpgp import parse_signatures, verify_detached
from rocketaudit.formats.openpgp_certificate import parse_certificates
from rocketaudit.formats.openpgp_check import verifies
from rocketaudit.formats.openpgp_packet import parse_packets, remove_armour
from tests.gnupg import DOCUMENT, Gpg
from tests.support import shared_data


@pytest.fixture(scope="module")
def gpg(tmp_path_factory):
    made = Gpg(tmp_path_factory.mktemp("gpg") / "h")
    yield made
    made.close()


@pytest.fixture(scope="module")
def signer(gpg):
    return gpg.make("signer")


def now(**later):
    return datetime.now(UTC) + timedelta(seconds=1, **later)


def verify(key, signature, document=DOCUMENT, as_of=None):
    return verify_detached(signature, document, parse_certificates(key), as_of or now())


def refuses(key, signature, document=DOCUMENT, as_of=None, match=None):
    with pytest.raises((TrustError, FormatError), match=match):
        verify(key, signature, document, as_of)


@pytest.mark.parametrize("algorithm", ["rsa2048", "rsa3072", "ed25519", "nistp256", "nistp384", "nistp521"])
def test_what_gpg_signs_verifies_and_what_was_changed_does_not(gpg, algorithm):
    key = gpg.make(f"algorithm {algorithm}", algorithm)
    signature = gpg.sign(f"algorithm {algorithm}")
    found = verify(key, signature)
    assert found.key == gpg.fingerprint(f"algorithm {algorithm}")
    assert abs(found.created.timestamp() - time.time()) < 60
    for document in (DOCUMENT + b"#", DOCUMENT[:-1], DOCUMENT.replace(b"1884160", b"1884168"), b""):
        refuses(key, signature, document)
        assert not gpg.gpgv_accepts(key, signature, document)
    assert gpg.gpgv_accepts(key, signature)


@pytest.mark.parametrize("digest", ["SHA256", "SHA384", "SHA512"])
def test_every_sha2_digest_verifies(gpg, signer, digest):
    verify(signer, gpg.sign("signer", "--digest-algo", digest))


def test_a_sha1_signature_is_refused_although_it_is_valid(gpg, signer):
    signature = gpg.sign("signer", "--digest-algo", "SHA1", "--weak-digest", "MD5", "--allow-weak-digest-algos")
    refuses(signer, signature, match="SHA-1")


def test_armour_is_read_for_keys_and_signatures(gpg, signer):
    armoured = gpg.run("--armor", "--export", "signer")
    signature = gpg.sign("signer", "--armor")
    assert armoured.startswith(b"-----BEGIN")
    verify(armoured, signature)
    broken = signature.replace(b"\n=", b"\n=A", 1)
    refuses(armoured, broken)


def test_another_key_does_not_verify(gpg, signer):
    other = gpg.make("other")
    refuses(other, gpg.sign("signer"), match="no given key")
    verify(other + signer, gpg.sign("signer"))


def test_a_signature_over_another_file_does_not_verify(gpg, signer):
    refuses(signer, gpg.sign("signer", document=b"something else"))


def test_a_text_signature_is_refused_as_grub_refuses_it(gpg, signer):
    refuses(signer, gpg.sign("signer", "--textmode"), match="binary document")


def test_the_first_signature_counts_as_in_grub(gpg, signer):
    gpg.make("stranger")
    good, foreign = gpg.sign("signer"), gpg.sign("stranger")
    verify(signer, good + foreign)
    verify(signer, good + good)
    refuses(signer, foreign + good)


def test_anything_but_signatures_in_a_signature_file_is_refused(gpg, signer):
    refuses(signer, gpg.sign("signer") + signer, match="in a detached signature")


@pytest.mark.parametrize("keep", [0, 1, 10, 60, -1])
def test_a_truncated_signature_is_refused(gpg, signer, keep):
    refuses(signer, gpg.sign("signer")[:keep])


def test_every_flipped_bit_of_a_signature_breaks_it(gpg, signer):
    signature = gpg.sign("signer")
    ((_, body),) = parse_packets(signature)
    unhashed = range(len(signature) - len(body) + 6, len(signature))
    accepted = []
    for place in range(len(signature)):
        changed = bytearray(signature)
        changed[place] ^= 0x01
        try:
            verify(signer, bytes(changed))
            accepted.append(place)
        except (TrustError, FormatError):
            continue
    # only what no signature covers may change: the unhashed issuer hint and the bit length of a number
    assert len(accepted) <= 12
    assert all(place in unhashed for place in accepted)


def test_a_key_that_has_expired_does_not_verify_and_did_before(gpg):
    start = int(time.time()) - 40 * 86400
    key = gpg.make("expired", "ed25519", "sign", "10d", "--faked-system-time", f"{start}!")
    signature = gpg.sign("expired", "--faked-system-time", f"{start + 86400}!")
    refuses(key, signature, match="has expired")
    verify(key, signature, as_of=datetime.fromtimestamp(start + 2 * 86400, UTC))


def test_a_signature_that_has_expired_does_not_verify(gpg, signer):
    signature = gpg.sign("signer", "--default-sig-expire", "2d")
    verify(signer, signature)
    refuses(signer, signature, as_of=now(days=3), match="expired")


def test_a_signature_from_the_future_does_not_verify(gpg, signer):
    refuses(signer, gpg.sign("signer"), as_of=datetime.now(UTC) - timedelta(days=1), match="future")


def test_a_revoked_key_does_not_verify(gpg):
    gpg.make("revoked")
    signature = gpg.sign("revoked")
    certificate = gpg.home / "openpgp-revocs.d" / f"{gpg.fingerprint('revoked')}.rev"
    armoured = certificate.read_bytes().replace(b":-----BEGIN", b"-----BEGIN")
    before = gpg.export("revoked")
    verify(before, signature)
    gpg.run("--import", stdin=armoured)
    revoked = gpg.export("revoked")
    refuses(revoked, signature, match="revoked")
    assert gpg.gpgv_accepts(revoked, signature)  # gpgv looks neither at revocation nor at expiry; we do
    for copies in (before + revoked, revoked + before):
        refuses(copies, signature, match="revoked")


def test_a_signing_subkey_verifies_and_an_encryption_key_has_no_say(gpg):
    gpg.make("master", "ed25519", "cert")
    gpg.run("--quick-add-key", gpg.fingerprint("master"), "ed25519", "sign")
    gpg.run("--quick-add-key", gpg.fingerprint("master"), "cv25519", "encr")
    found = verify(gpg.export("master"), gpg.sign("master"))
    assert found.certificate == gpg.fingerprint("master") != found.key


def test_a_subkey_whose_binding_was_removed_does_not_verify(gpg):
    gpg.make("unbound", "ed25519", "cert")
    gpg.run("--quick-add-key", gpg.fingerprint("unbound"), "ed25519", "sign")
    signature = gpg.sign("unbound")
    packets = packets_of(gpg.export("unbound"))
    assert [tag for tag, _ in packets] == [6, 13, 2, 14, 2]
    refuses(join(packets[:-1]), signature, match="no valid binding")


def test_a_subkey_stolen_from_another_certificate_does_not_verify(gpg):
    """Without the back signature anybody could adopt a foreign signing key."""
    gpg.make("victim", "ed25519", "cert")
    gpg.run("--quick-add-key", gpg.fingerprint("victim"), "ed25519", "sign")
    thief = gpg.make("thief", "ed25519", "cert")
    stolen = join([*packets_of(thief), *packets_of(gpg.export("victim"))[3:]])
    refuses(stolen, gpg.sign("victim"), match="no valid binding")


def test_a_key_that_is_only_for_certification_may_not_sign(gpg):
    gpg.make("certifier", "ed25519", "cert,sign")
    signature = gpg.sign("certifier")
    gpg.run("--command-fd", "0", "--edit-key", gpg.fingerprint("certifier"), stdin=b"change-usage\nS\nQ\nsave\n")
    refuses(gpg.export("certifier"), signature, match="not for signing")


def test_a_key_without_its_self_signature_is_refused(gpg, signer):
    packets = packets_of(signer)
    refuses(join(packets[:2]), gpg.sign("signer"), match="no valid self-signature")


def test_version_three_signatures_and_keys_are_refused(gpg, signer):
    signature = bytearray(gpg.sign("signer"))
    header = 3 if signature[0] & 3 else 2
    signature[header] = 3
    refuses(signer, bytes(signature), match="version 3")
    packets = packets_of(signer)
    old = bytearray(packets[0][1])
    old[0] = 3
    with pytest.raises(FormatError, match="version 3"):
        parse_certificates(join([(6, bytes(old)), *packets[1:]]))


def test_an_unknown_critical_subpacket_is_refused(gpg, signer):
    signature = gpg.sign("signer", "--sig-notation", "!critical@example.org=1")
    refuses(signer, signature, match="critical subpacket 20")
    verify(signer, gpg.sign("signer", "--sig-notation", "plain@example.org=1"))


def test_zeros_that_fill_the_section_after_a_key_are_ignored(gpg, signer):
    verify(signer + bytes(500), gpg.sign("signer"))


def packets_of(raw):
    return list(parse_packets(raw))


def join(packets):
    return b"".join(bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body for tag, body in packets)


def test_keys_of_a_real_keyring_have_the_fingerprints_that_gpg_prints(gpg):
    path = shared_data("pgp", "debian-archive-keyring.gpg")
    listing = gpg.run("--with-colons", "--show-keys", path).decode()
    printed = set(re.findall(r"^fpr:+(\w{40}):", listing, re.MULTILINE))
    ours = {key.fingerprint for certificate in parse_certificates(path.read_bytes()) for key in certificate.every_key()}
    assert ours
    assert ours <= printed
    assert len(ours) >= len(printed) - 2


def test_the_signatures_of_a_real_release_verify():
    """Clear-signed text is type 0x01: too loose for GRUB's files, but its mathematics are the same."""
    text = shared_data("pgp", "debian-bookworm-updates.InRelease").read_bytes()
    keyring = parse_certificates(shared_data("pgp", "debian-archive-keyring.gpg").read_bytes())
    _, _, rest = text.partition(b"\n\n")
    body, _, armour = rest.partition(b"\n-----BEGIN PGP SIGNATURE")
    lines = [line.removeprefix(b"- ").rstrip(b" \t\r") for line in body.split(b"\n")]
    canonical = b"\r\n".join(lines)
    signatures = parse_signatures(b"-----BEGIN PGP SIGNATURE" + armour)
    keys = [key for certificate in keyring for key in certificate.every_key()]
    good = [any(verifies(key, signature, canonical) for key in keys) for signature in signatures]
    assert any(good)
    assert not any(verifies(key, signature, canonical + b"x") for key in keys for signature in signatures)
    with pytest.raises(TrustError, match="binary document"):
        verify_detached(b"-----BEGIN PGP SIGNATURE" + armour, canonical, keyring, now())


@given(st.binary(max_size=300))
def test_any_bytes_are_keys_and_signatures_or_a_format_error(raw):
    for parse in (parse_certificates, parse_signatures, remove_armour):
        with contextlib.suppress(FormatError):
            parse(raw)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_certificate_never_raises_anything_else(gpg, signer, draw):
    raw = bytearray(signer)
    for _ in range(draw.draw(st.integers(1, 4))):
        raw[draw.draw(st.integers(0, len(raw) - 1))] = draw.draw(st.integers(0, 255))
    with contextlib.suppress(RocketauditError):
        verify(bytes(raw), DAMAGED_SIGNATURE)


DAMAGED_SIGNATURE = bytes.fromhex("c20f0400160800000000abcd0008ff0008ff")
