"""Sequoia and our reader have to agree, and nothing that gpgv refuses passes, whatever is done to key and signature."""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from rocketaudit.errors import MissingLibraryError, RocketauditError, TrustError
from rocketaudit.formats.openpgp import verify_detached
from rocketaudit.formats.openpgp_certificate import parse_certificates
from rocketaudit.formats.openpgp_library import confirm
from rocketaudit.formats.openpgp_packet import PUBLIC_KEY, pack, parse_packets
from tests.gnupg import DOCUMENT, Gpg


@pytest.fixture(scope="module")
def gpg(tmp_path_factory):
    made = Gpg(tmp_path_factory.mktemp("gpg") / "h")
    for name, algorithm in (("signer", "ed25519"), ("rsa", "rsa2048"), ("stranger", "ed25519"), ("dsa", "dsa2048")):
        made.make(name, algorithm)
    yield made
    made.close()


def accepts(key, signature, document=DOCUMENT):
    try:
        moment = datetime.now(UTC) + timedelta(seconds=1)
        return bool(verify_detached(signature, document, parse_certificates(key), moment))
    except RocketauditError:
        return False


def confirms(key, signature, fingerprint, document=DOCUMENT):
    try:
        confirm(key, signature, document, fingerprint)
    except TrustError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "seed", "rounds"),
    [("signer", 1, 120), ("rsa", 2, 60), *(pytest.param("rsa", n, 2000, marks=pytest.mark.slow) for n in range(3, 6))],
)
def test_what_passes_after_random_damage_passes_gpgv_and_sequoia_too(gpg, name, seed, rounds):
    rng = random.Random(seed)
    key, signature, fingerprint = gpg.export(name), gpg.sign(name), gpg.fingerprint(name)
    ((_, body),) = parse_packets(signature)
    covered = len(signature) - len(body) + 6 + int.from_bytes(body[4:6], "big")
    passed = refused = 0
    for _ in range(rounds):
        damaged, damaged_key = bytearray(signature), bytearray(key)
        victim = damaged_key if rng.random() < 0.3 else damaged
        for _ in range(rng.choice([1, 1, 2])):
            victim[rng.randrange(len(victim))] ^= 1 << rng.randrange(8)
        if rng.random() < 0.1:
            del damaged[rng.randrange(len(damaged)) :]
        if accepts(bytes(damaged_key), bytes(damaged)):
            passed += 1
            assert confirms(bytes(damaged_key), bytes(damaged), fingerprint)
            # gpgv finds the key by the unhashed hint alone, and counts the bits of a number
            assert gpg.gpgv_accepts(bytes(damaged_key), bytes(damaged)) or damaged[:covered] == signature[:covered]
        else:
            refused += 1
    assert refused > 5 * passed


def test_what_sequoia_takes_and_grub_or_we_do_not_is_refused(gpg):
    key, fingerprint = gpg.export("signer"), gpg.fingerprint("signer")
    for signature in (gpg.sign("signer", "--textmode"), gpg.sign("signer", "--digest-algo", "SHA224")):
        assert confirms(key, signature, fingerprint)
        assert not accepts(key, signature)
    assert not accepts(gpg.export("dsa"), gpg.sign("dsa"))


def test_sequoia_must_name_the_same_key(gpg):
    with pytest.raises(TrustError, match="another key"):
        confirm(gpg.export("signer"), gpg.sign("signer"), DOCUMENT, gpg.fingerprint("stranger"))


def test_a_signature_that_only_our_reader_would_take_is_refused(gpg, monkeypatch):
    import pysequoia

    monkeypatch.setattr(pysequoia, "verify", lambda **_: SimpleNamespace(valid_sigs=[]))
    with pytest.raises(TrustError, match="another key"):
        verify_detached(
            gpg.sign("signer"),
            DOCUMENT,
            parse_certificates(gpg.export("signer")),
            datetime.now(UTC) + timedelta(days=1),
        )


def test_a_defect_of_the_library_is_a_refusal_and_not_a_crash(gpg, monkeypatch):
    import pysequoia

    class PanicException(BaseException):
        """As the bindings name it."""

    def panics(**_):
        raise PanicException("index out of range")

    monkeypatch.setattr(pysequoia, "verify", panics)
    with pytest.raises(TrustError, match="stopped Sequoia: index out of range"):
        confirm(gpg.export("signer"), gpg.sign("signer"), DOCUMENT, gpg.fingerprint("signer"))
    monkeypatch.setattr(pysequoia, "verify", lambda **_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        confirm(gpg.export("signer"), gpg.sign("signer"), DOCUMENT, gpg.fingerprint("signer"))


def test_without_the_library_the_message_says_what_to_install(gpg, monkeypatch):
    monkeypatch.setitem(sys.modules, "pysequoia", None)
    with pytest.raises(MissingLibraryError, match=r"pip install 'rocketaudit\[openpgp\]'"):
        confirm(b"", b"", b"", "")


def test_certificates_are_handed_on_one_by_one_and_whole(gpg):
    keyring = gpg.export("signer") + gpg.export("rsa")
    certificates = parse_certificates(keyring)
    assert [each.raw for each in certificates] == [
        b"".join(pack(tag, body) for tag, body in parse_packets(gpg.export(name))) for name in ("signer", "rsa")
    ]
    assert all(each.raw.count(pack(PUBLIC_KEY, each.primary.body)) == 1 for each in certificates)
