"""Long seeded runs of damage on everything that is signed; `make fuzz` sets ROCKETAUDIT_FUZZ=long.

Whatever is damaged parses or is refused with one error of ours, soon. What verified before and was damaged in a place
that is signed must not verify; that is held by the tests beside each format.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from rocketaudit.errors import RocketauditError
from rocketaudit.formats.authenticode import check_signatures, parse_signed_data
from rocketaudit.formats.dsse import parse_envelope
from rocketaudit.formats.efi_signature import parse_sbat, parse_signature_database, parse_vendor_certificates
from rocketaudit.formats.openpgp import parse_signatures, verify_detached
from rocketaudit.formats.openpgp_certificate import parse_certificates
from rocketaudit.formats.pe import parse_certificate_table, parse_pe, read_certificate_table
from rocketaudit.formats.pkcs7 import verify_detached as verify_pkcs7
from rocketaudit.formats.signed_image import read_signed_image, signed_image_from_json, signed_image_to_json
from rocketaudit.formats.tuf import TrustedSet
from rocketaudit.formats.verity_manifest import parse_manifest
from rocketaudit.formats.x509_path import load_anchor_certificates
from rocketaudit.model.reader import BytesReader
from tests.secure_boot import signature_list
from tests.support import shared_data

LONG = os.environ.get("ROCKETAUDIT_FUZZ") == "long"
ROUNDS = 20_000 if LONG else 40
SECONDS = 2.0  # for one input; a quadratic parser shows here
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def damage(whole: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, repeated, removed or moved, now and then the end cut off."""
    data = bytearray(whole)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) or 1)
        match chance.randrange(5):
            case 0 | 1:
                data[at : at + 1] = bytes([chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))])
            case 2:
                data[at : at + 4] = chance.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"))
            case 3:
                size = chance.choice((1, 4, 40))
                data[at:at] = data[at : at + size] * chance.choice((1, 2, 50))
            case _:
                del data[at : at + chance.choice((1, 8, 200))]
    if chance.random() < 0.1:
        del data[chance.randrange(len(data) or 1) :]
    return bytes(data)


def shim() -> bytes:
    return shared_data("pe", "fbx64.efi.signed").read_bytes()


def table() -> bytes:
    reader = BytesReader(shim())
    return read_certificate_table(reader, parse_pe(reader))


def authority() -> bytes:
    return shared_data("pe", "debian-vendor-ca.pem").read_bytes()


def armour() -> bytes:
    text = shared_data("pgp", "debian-bookworm-updates.InRelease").read_bytes()
    return text[text.index(b"-----BEGIN PGP SIGNATURE") :]


def root() -> bytes:
    return shared_data("bottlerocket", "tuf", "production-2.root.json").read_bytes()


def judge_table(raw: bytes) -> None:
    check_signatures(raw, {"sha256": "00" * 32}, load_anchor_certificates(authority()), as_of=NOW)


def read_image(raw: bytes) -> None:
    image = read_signed_image(BytesReader(raw), "x")
    assert signed_image_from_json(signed_image_to_json(image)) == image


def verify_text(raw: bytes) -> None:
    parse_signatures(raw)
    keys = parse_certificates(shared_data("pgp", "debian-archive-keyring.gpg").read_bytes())
    verify_detached(raw, b"text", keys, NOW)


def vendor(raw: bytes) -> None:
    parse_vendor_certificates(raw)


LISTS = signature_list(bytes.fromhex("2616c4c14c509240aca941f936934328"), b"\1" * 32, b"\2" * 32)
ENVELOPE = (
    b'{"payloadType":"application/vnd.in-toto+json","payload":"eyJhIjoxfQ==","signatures":[{"keyid":"a","sig":"AA=="}]}'
)
STATEMENT = (
    b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"arch":"x","banks":[{"algorithm":"sha256",'
    b'"data_block_size":4096,"data_blocks":9,"hash_block_size":4096,"hash_start_block":1,"hash_type":1,"options":[],'
    b'"root_hash":"' + b"00" * 32 + b'","salt":"","scope":"bank-a"}],"build":"b","variant":"v","version":"1.0.0"},'
    b'"predicateType":"urn:rocketaudit:verity-manifest:1","subject":[{"digest":{"sha256":"'
    + b"00" * 32
    + b'"},"name":"n"}]}'
)

CASES: tuple[tuple[str, Callable[[], bytes], Callable[[bytes], object]], ...] = (
    ("program", shim, read_image),
    ("certificate table", table, judge_table),
    ("signature", lambda: parse_certificate_table(table())[0], parse_signed_data),
    ("pkcs7", lambda: parse_certificate_table(table())[0], lambda raw: verify_pkcs7(raw, b"x", (), NOW)),
    ("certificate", authority, load_anchor_certificates),
    ("keyring", lambda: shared_data("pgp", "debian-archive-keyring.gpg").read_bytes()[:9000], parse_certificates),
    ("detached signature", armour, verify_text),
    ("root", root, lambda raw: TrustedSet(raw, NOW)),
    ("dbx", lambda: LISTS, parse_signature_database),
    ("vendor section", lambda: bytes(16) + LISTS, vendor),
    ("sbat", lambda: b"sbat,1,x\nshim,4,y\n", parse_sbat),
    ("envelope", lambda: ENVELOPE, parse_envelope),
    ("manifest", lambda: STATEMENT, parse_manifest),
)


@pytest.mark.parametrize(("name", "make", "read"), CASES, ids=[name for name, _, _ in CASES])
def test_damage_ends_in_a_value_or_in_one_of_our_errors(name, make, read):
    whole = make()
    chance = random.Random(f"{name} 1")
    for _ in range(ROUNDS):
        raw = damage(whole, chance)
        begun = time.process_time()
        with suppress(RocketauditError):
            read(raw)
        assert time.process_time() - begun < SECONDS, raw[:200]
