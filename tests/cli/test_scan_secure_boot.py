"""Secure Boot from the command line: images that sbsign and gpg signed, and none that should not hold does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from rocketaudit.cli.main import main
from rocketaudit.formats.authenticode import parse_signed_data
from rocketaudit.formats.pe import parse_certificate_table
from rocketaudit.formats.signed_image import read_signed_image
from rocketaudit.model.reader import BytesReader
from tests.analysis.trust.test_secure_boot_chain import GRUB_SBAT, SHA256, SHIM_SBAT, X509
from tests.cli.test_scan_trust import verdict
from tests.gnupg import Gpg
from tests.images import Built
from tests.images.release import bootconfig
from tests.secure_boot import Identity, build_pe, sbsign, signature_list, vendor_section
from tests.source.packed import run
from tests.support import find_tool, needs_tools


def part_of(image: Built, label: str) -> tuple[int, int]:
    part = next(one for one in image.partitions.values() if one.label == label)
    return part.start, part.length


def rewrite(image: Path, place: tuple[int, int], files: Mapping[str, bytes], *, fat: bool) -> None:
    """Put files into a partition with the tools of its file system."""
    start, length = place
    raw = image.read_bytes()
    part, content = image.with_suffix(".part"), image.with_suffix(".content")
    part.write_bytes(raw[start : start + length])
    for path, data in files.items():
        content.write_bytes(data)
        if fat:
            run("mcopy", "-o", "-i", part, content, f"::{path}")
        else:
            for request in (f"rm {path}", f"write {content} {path}"):
                run("debugfs", "-w", "-R", request, part)
    image.write_bytes(raw[:start] + part.read_bytes() + raw[start + length :])


def text_of(image: Path, place: tuple[int, int]) -> bytes:
    start, length = place
    part = image.with_suffix(".boot")
    part.write_bytes(image.read_bytes()[start : start + length])
    return run(find_tool("debugfs") or "debugfs", "-R", "cat /grub/grub.cfg", part).encode()


class Release:
    """Keys, and an image of which everything that boots is signed with them."""

    def __init__(self, built: Built, folder: Path) -> None:
        needs_tools("sbsign", "gpg", "mcopy", "debugfs")
        self.built, self.folder, self.image = built, folder, folder / "release.img"
        self.gpg = Gpg(folder / "g")
        self.key = self.gpg.make("config")
        self.db, self.vendor = Identity("db", is_authority=True), Identity("vendor", is_authority=True)
        self.signer, self.code = Identity("shim-sign", self.db), Identity("code-sign", self.vendor)
        self.boot, self.efi = part_of(built, "BOTTLEROCKET-BOOT-A"), part_of(built, "EFI-SYSTEM")
        self.private = part_of(built, "BOTTLEROCKET-PRIVATE")
        shim = {".text": b"s" * 40, ".sbat": SHIM_SBAT, ".vendor_cert": vendor_section(self.vendor.der)}
        grub = {".text": b"g" * 40, ".sbat": GRUB_SBAT, ".pubkey": self.key + bytes(64)}
        self.shim = sbsign(folder, build_pe(shim), self.signer)
        self.grub = sbsign(folder, build_pe(grub), self.code)
        self.kernel = sbsign(folder, build_pe({".text": b"k" * 4000}), self.code)
        self.write("db.pem", self.db.pem)
        self.image.write_bytes(built.path.read_bytes())
        text = text_of(self.image, self.boot)
        loaders = {"/EFI/BOOT/BOOTX64.EFI": self.shim, "/EFI/BOOT/GRUBX64.EFI": self.grub}
        rewrite(self.image, self.efi, loaders, fat=True)
        signature = self.gpg.sign("config", document=text)
        rewrite(self.image, self.boot, {"/vmlinuz": self.kernel, "/grub/grub.cfg.sig": signature}, fat=False)
        self.text = text
        self.evidence = folder / "release.evidence.json"
        main(["collect", str(self.image), "-o", str(self.evidence), "-q"])

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def changed(self, place: tuple[int, int], files: Mapping[str, bytes], *, fat: bool = False) -> Path:
        image = self.folder / "changed.img"
        image.write_bytes(self.image.read_bytes())
        rewrite(image, place, files, fat=fat)
        return image

    def judge(self, *words: object, image: Path | None = None) -> tuple[str, str]:
        return verdict(self.folder, image or self.evidence, "--db-cert", self.folder / "db.pem", *words)


@pytest.fixture(scope="module")
def release(small_erofs_image: Built, tmp_path_factory: pytest.TempPathFactory) -> Release:
    made = Release(small_erofs_image, tmp_path_factory.mktemp("sb"))
    yield made
    made.gpg.close()


def test_a_signed_boot_reaches_the_bytes(release: Release) -> None:
    assert release.judge() == ("verified", "a chain from your anchor reaches the recomputed tree")


def test_another_db_certificate_does_not(release: Release) -> None:
    other = release.write("other.pem", Identity("other", is_authority=True).pem)
    found, why = verdict(release.folder, release.evidence, "--db-cert", other)
    assert found == "broken" and "db certificate signs shim" in why


def test_revocations_refuse_shim_grub_and_their_signers(release: Release) -> None:
    digests = {name: read_signed_image(BytesReader(raw), name).digests["sha256"] for name, raw in
               (("shim", release.shim), ("grub", release.grub))}  # fmt: skip
    image = read_signed_image(BytesReader(release.shim), "shim")
    (blob,) = parse_certificate_table(image.certificate_table)
    assert parse_signed_data(blob).digest == digests["shim"]
    for entry, link in (
        (signature_list(SHA256, bytes.fromhex(digests["shim"])), "db certificate signs shim"),
        (signature_list(X509, release.signer.der), "db certificate signs shim"),
        (signature_list(SHA256, bytes.fromhex(digests["grub"])), "shim accepts grub"),
        (signature_list(X509, release.code.der), "shim accepts grub"),
    ):
        found, why = release.judge("--dbx", release.write("dbx.bin", entry))
        assert found == "broken" and link in why
    nobody = signature_list(SHA256, bytes(32))
    assert release.judge("--dbx", release.write("dbx.bin", nobody))[0] == "verified"


def test_an_sbat_level_refuses_older_generations(release: Release) -> None:
    for level, expected in ((b"sbat,1,1\ngrub,5\n", "verified"), (b"sbat,1,1\ngrub,6\n", "broken")):
        found, why = release.judge("--sbat-level", release.write("level.csv", level))
        assert found == expected, why


def test_a_grub_cfg_that_was_changed_after_signing_is_refused(release: Release) -> None:
    changed = release.changed(release.boot, {"/grub/grub.cfg": release.text.replace(b'timeout="0"', b'timeout="9"')})
    found, why = release.judge(image=changed)
    assert found == "broken" and "key signs grub.cfg" in why


def test_an_unsigned_kernel_or_an_initrd_with_programs_is_no_pass(release: Release) -> None:
    plain = release.changed(release.boot, {"/vmlinuz": build_pe({".text": b"k" * 4000})})
    found, why = release.judge(image=plain)
    assert found == "unknown" and "shim accepts the kernel: the file carries no signature" in why
    archive = b"070701" + b"0" * 104 + bootconfig("kernel.quiet\n")
    found, why = release.judge(image=release.changed(release.private, {"/bootconfig.data": archive}))
    assert found == "unknown" and "initrd is signed" in why


def test_a_signed_unified_kernel_reaches_the_bytes_and_a_changed_one_does_not(uki_image: Built, tmp_path: Path) -> None:
    needs_tools("sbsign", "mcopy")
    place, image, signer = part_of(uki_image, "EFI-SYSTEM"), tmp_path / "u.img", Identity("uki-sign")
    (tmp_path / "db.pem").write_bytes(signer.pem)
    (tmp_path / "other.pem").write_bytes(Identity("x").pem)
    image.write_bytes(uki_image.path.read_bytes())
    start, length = place
    (tmp_path / "esp").write_bytes(image.read_bytes()[start : start + length])
    run("mcopy", "-i", tmp_path / "esp", "::EFI/BOOT/BOOTX64.EFI", tmp_path / "uki.efi")
    signed = sbsign(tmp_path, (tmp_path / "uki.efi").read_bytes(), signer)
    rewrite(image, place, {"/EFI/BOOT/BOOTX64.EFI": signed}, fat=True)
    assert verdict(tmp_path, image, "--db-cert", tmp_path / "db.pem")[0] == "verified"
    found, why = verdict(tmp_path, image, "--db-cert", tmp_path / "other.pem")
    assert found == "broken" and "db certificate signs the unified kernel image" in why
    at = signed.index(b"rootwait")
    rewrite(image, place, {"/EFI/BOOT/BOOTX64.EFI": signed[:at] + b"rootdela" + signed[at + 8 :]}, fat=True)
    found, why = verdict(tmp_path, image, "--db-cert", tmp_path / "db.pem")
    assert found == "broken" and "image has sha256" in why
