"""db -> shim -> vendor certificate -> grub -> key -> grub.cfg, made with sbsign and gpg, broken at every place."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rocketaudit.analysis.trust.openpgp_chain import openpgp_chain
from rocketaudit.analysis.trust.secure_boot_chain import Firmware, GrubBoot, grub_boot_chain, unified_kernel_chain
from rocketaudit.formats.signed_image import read_signed_image
from rocketaudit.model.reader import BytesReader
from rocketaudit.model.trust import Anchor, AnchorKind, LinkState, first_failure, holds
from tests.gnupg import DOCUMENT, Gpg
from tests.secure_boot import Identity, build_pe, sbsign, signature_list, vendor_section
from tests.support import needs_tools

SHA256 = uuid.UUID("c1c41626-504c-4092-aca9-41f936934328").bytes_le
X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072").bytes_le
SHIM_SBAT = b"sbat,1,SBAT\nshim,4,UEFI shim\n"
GRUB_SBAT = b"sbat,1,SBAT\ngrub,5,GRUB\n"


def anchor(kind, data, name="given"):
    return Anchor(kind, name, hashlib.sha256(data).hexdigest(), data)


class World:
    """Keys, and the files of a boot partition signed with them."""

    def __init__(self, folder):
        self.folder = folder
        self.gpg = Gpg(folder / "gpg")
        self.pgp_key = self.gpg.make("config-sign")
        self.db = Identity("db", is_authority=True)
        self.shim_signer = Identity("shim-sign", self.db)
        self.vendor = Identity("vendor-ca", is_authority=True)
        self.code_signer = Identity("code-sign", self.vendor)
        self.shim = self.sign({".text": b"s" * 40, ".sbat": SHIM_SBAT, ".vendor_cert": vendor_section(self.vendor.der)})
        self.grub = self.sign(
            {".text": b"g" * 40, ".sbat": GRUB_SBAT, ".pubkey": self.pgp_key + bytes(64)}, self.code_signer
        )
        self.kernel = self.sign({".text": b"k" * 4000}, self.code_signer)
        self.grub_cfg = DOCUMENT
        self.signature = self.gpg.sign("config-sign")
        self.now = datetime.now(UTC) + timedelta(minutes=1)

    def sign(self, sections, signer=None):
        raw = sbsign(self.folder, build_pe(sections), signer or self.shim_signer)
        return read_signed_image(BytesReader(raw), "image.efi")

    @property
    def boot(self):
        return GrubBoot(self.shim, self.grub, self.kernel, self.grub_cfg, self.signature)

    def chain(self, boot=None, **firmware):
        firmware.setdefault("db", [anchor(AnchorKind.DB_CERTIFICATE, self.db.pem)])
        return grub_boot_chain(Firmware(as_of=self.now, **firmware), boot or self.boot)

    def failure(self, boot=None, **firmware):
        links = self.chain(boot, **firmware)
        assert not holds(links)
        return first_failure(links)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    needs_tools("sbsign")
    made = World(tmp_path_factory.mktemp("boot"))
    yield made
    made.gpg.close()


def test_a_sound_boot_partition_holds_link_by_link(world):
    links = world.chain()
    assert holds(links)
    assert [link.name for link in links] == [
        "db certificate signs shim",
        "shim carries a vendor certificate",
        "shim accepts grub",
        "grub carries an OpenPGP key",
        "key signs grub.cfg",
        "shim accepts the kernel",
    ]


def test_db_may_hold_the_signer_of_shim_itself(world):
    assert holds(world.chain(db=[anchor(AnchorKind.DB_CERTIFICATE, world.shim_signer.der)]))


@pytest.mark.parametrize("db", [[], ["other"]])
def test_without_the_right_db_certificate_the_first_link_breaks(world, db):
    anchors = [anchor(AnchorKind.DB_CERTIFICATE, Identity(name, is_authority=True).pem) for name in db]
    failure = world.failure(db=anchors)
    assert (failure.name, failure.state) == ("db certificate signs shim", LinkState.BROKEN)


@pytest.mark.parametrize(
    ("part", "link"),
    [
        ("shim", "db certificate signs shim"),
        ("grub", "shim accepts grub"),
        ("kernel", "shim accepts the kernel"),
        ("grub_cfg", "key signs grub.cfg"),
        ("grub_cfg_signature", "key signs grub.cfg"),
    ],
)
def test_a_missing_file_is_named(world, part, link):
    failure = world.failure(replace(world.boot, **{part: None}))
    assert (failure.name, failure.state) == (link, LinkState.MISSING)


def test_an_altered_grub_cfg_breaks_the_chain_there(world):
    failure = world.failure(replace(world.boot, grub_cfg=DOCUMENT.replace(b"1884160", b"1884161")))
    assert failure.name == "key signs grub.cfg"


def test_a_grub_signed_by_a_stranger_is_not_accepted(world):
    stranger = Identity("code-sign")
    foreign = world.sign({".text": b"g" * 40, ".sbat": GRUB_SBAT, ".pubkey": world.pgp_key}, stranger)
    assert world.failure(replace(world.boot, grub=foreign)).name == "shim accepts grub"


def test_a_grub_with_another_key_refuses_the_configuration(world):
    other = world.gpg.make("attacker")
    foreign = world.sign({".text": b"g", ".sbat": GRUB_SBAT, ".pubkey": other}, world.code_signer)
    assert world.failure(replace(world.boot, grub=foreign)).name == "key signs grub.cfg"


def test_a_grub_without_a_key_checks_nothing_and_the_chain_ends(world):
    for section in ({}, {".pubkey": bytes(500)}):
        bare = world.sign({".text": b"g", ".sbat": GRUB_SBAT, **section}, world.code_signer)
        failure = world.failure(replace(world.boot, grub=bare))
        assert (failure.name, failure.state) == ("grub carries an OpenPGP key", LinkState.MISSING)


def test_a_shim_without_a_vendor_certificate_ends_the_chain(world):
    bare = world.sign({".text": b"s", ".sbat": SHIM_SBAT, ".vendor_cert": bytes(64)})
    assert world.failure(replace(world.boot, shim=bare)).name == "shim carries a vendor certificate"


def test_an_unsigned_file_is_missing_its_signature(world):
    unsigned = read_signed_image(BytesReader(build_pe({".text": b"s"})), "shim.efi")
    failure = world.failure(replace(world.boot, shim=unsigned))
    assert (failure.state, failure.why) == (LinkState.MISSING, "the file carries no signature")


def test_dbx_forbids_by_digest_and_by_certificate(world):
    by_digest = signature_list(SHA256, bytes.fromhex(world.shim.digests["sha256"]))
    assert world.failure(dbx=by_digest).why == "dbx forbids this very file"
    grub = signature_list(SHA256, bytes.fromhex(world.grub.digests["sha256"]))
    assert world.failure(dbx=grub).name == "shim accepts grub"
    by_certificate = signature_list(X509, world.shim_signer.der)
    assert "revoked by dbx" in world.failure(dbx=by_certificate).why
    assert "revoked by dbx" in world.failure(dbx=signature_list(X509, world.vendor.der)).why
    assert holds(world.chain(dbx=signature_list(SHA256, bytes(32))))


def test_what_shim_itself_forbids_counts_too(world):
    forbidden = signature_list(SHA256, bytes.fromhex(world.grub.digests["sha256"]))
    section = vendor_section(world.vendor.der, forbidden)
    shim = world.sign({".text": b"s", ".sbat": SHIM_SBAT, ".vendor_cert": section})
    assert world.failure(replace(world.boot, shim=shim)).name == "shim accepts grub"


def test_an_sbat_level_revokes_old_generations(world):
    assert holds(world.chain(sbat_level=b"sbat,1,2024\nshim,4\ngrub,5\n"))
    assert "revoked by SBAT: shim" in world.failure(sbat_level=b"sbat,1,2025\nshim,5\n").why
    assert "revoked by SBAT: grub" in world.failure(sbat_level=b"sbat,1,2025\ngrub,6\n").why


def test_with_an_sbat_level_a_grub_without_sbat_is_not_loaded(world):
    bare = world.sign({".text": b"g", ".pubkey": world.pgp_key}, world.code_signer)
    boot = replace(world.boot, grub=bare)
    assert holds(world.chain(boot))
    assert "no .sbat section" in world.failure(boot, sbat_level=b"sbat,1\n").why


@pytest.mark.parametrize("firmware", [{"dbx": b"junk"}, {"sbat_level": b"\xff"}])
def test_revocations_that_cannot_be_read_are_no_pass(world, firmware):
    assert world.failure(**firmware).name == "given revocations can be used"


def test_an_anchor_that_is_no_certificate_is_no_pass(world):
    assert world.failure(db=[anchor(AnchorKind.DB_CERTIFICATE, b"x")]).name == "given certificate can be used"


def uki(world, sections=None, signer=None):
    body = {".linux": b"k" * 5000, ".osrel": b"ID=bottlerocket\n", ".cmdline": b"root=/dev/dm-0"}
    return world.sign(body if sections is None else sections, signer)


def unified(world, image, **firmware):
    firmware.setdefault("db", [anchor(AnchorKind.DB_CERTIFICATE, world.db.pem)])
    return unified_kernel_chain(Firmware(as_of=world.now, **firmware), image)


def test_a_unified_kernel_image_is_signed_with_its_command_line(world):
    assert holds(unified(world, uki(world)))
    assert not holds(unified(world, uki(world), db=[]))
    assert not holds(unified(world, uki(world, signer=world.code_signer)))
    assert not holds(unified(world, None))
    failure = first_failure(unified(world, uki(world, {".linux": b"k", ".cmdline": b"\0"})))
    assert failure.name == "unified kernel image carries its command line"


def test_a_profile_with_a_command_line_of_its_own_leaves_open_what_boots(world):
    base = {".linux": b"k" * 5000, ".cmdline": b"root=/dev/dm-0", ".profile": b"ID=debug\n"}
    failure = first_failure(unified(world, uki(world, {**base, ".initrd": b"i" * 100})))
    assert failure.state is LinkState.NOT_CHECKABLE
    assert failure.why == "its profiles bring their own .initrd"
    assert holds(unified(world, uki(world, {**base, ".osrel": b"ID=x\n"})))


def test_bytes_that_no_signature_covers_are_said(world):
    (first, *_) = unified(world, replace(uki(world), gaps=((512, 1024),)))
    assert "512 bytes between sections are not covered" in first.why


def test_the_user_s_own_key_reaches_grub_cfg(world):
    anchors = [anchor(AnchorKind.OPENPGP_KEY, world.pgp_key)]

    def links(text, signature, given=anchors):
        return openpgp_chain(given, text, signature, as_of=world.now)

    assert holds(links(DOCUMENT, world.signature))
    assert not holds(links(DOCUMENT + b" ", world.signature))
    assert not holds(links(DOCUMENT, world.signature, []))
    assert first_failure(links(DOCUMENT, None)).state is LinkState.MISSING
    assert first_failure(links(None, world.signature)).state is LinkState.MISSING
    assert not holds(links(DOCUMENT, world.signature, [anchor(AnchorKind.OPENPGP_KEY, b"junk")]))
