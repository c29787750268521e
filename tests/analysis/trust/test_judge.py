"""Chains over real images: from a key made here, over files that were signed here, to the bytes of a bank."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rocketaudit.analysis.trust.judge import TrustInputs, judge_trust
from rocketaudit.analysis.trust.signed_text import parameters_of_command_line, parameters_of_grub_cfg
from rocketaudit.audit import Looking, look
from rocketaudit.errors import FormatError
from rocketaudit.formats.signed_image import read_signed_image, signed_image_to_json
from rocketaudit.model.disk import BootEntry, BootKind
from rocketaudit.model.evidence import SignedBlob
from rocketaudit.model.fact import Locator
from rocketaudit.model.files import FileRecord
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.reader import BytesReader
from rocketaudit.model.trust import Anchor, AnchorKind, LinkState, first_failure, holds
from tests.gnupg import Gpg
from tests.secure_boot import Identity, build_pe, sbsign
from tests.support import needs_tools

GRUB_CFG = "/grub/grub.cfg"


def anchor(kind, data):
    return Anchor(kind, "given", hashlib.sha256(data).hexdigest(), data)


def inputs(**given):
    return TrustInputs(as_of=datetime.now(UTC) + timedelta(minutes=1), **given)


@pytest.fixture(scope="module")
def gpg(tmp_path_factory):
    made = Gpg(tmp_path_factory.mktemp("gpg") / "h")
    yield made
    made.close()


def evidence_of(built):
    return look(built.path, Looking(verity_only=True, signatures=True, target_digest=True), ())


@pytest.fixture(scope="module")
def sound(small_erofs_image):
    return evidence_of(small_erofs_image)


@pytest.fixture(scope="module")
def unified(uki_image):
    return evidence_of(uki_image)


def with_blob(evidence, scope, name, data):
    others = tuple(one for one in evidence.blobs if (one.scope, one.name) != (scope, name))
    blob = SignedBlob(name, base64.b64encode(data).decode(), Locator("image", scope, name), scope)
    return replace(evidence, blobs=(*others, blob), _facts={}, _files={}, _children={})


def grub_cfg(evidence):
    (blob,) = [one for one in evidence.blobs if one.name == GRUB_CFG]
    return blob.scope, base64.b64decode(blob.data)


def signed_grub(evidence, gpg, name="boot", text=None):
    scope, stored = grub_cfg(evidence)
    text = stored if text is None else text
    return with_blob(
        with_blob(evidence, scope, GRUB_CFG, text), scope, f"{GRUB_CFG}.sig", gpg.sign(name, document=text)
    )


def test_no_anchor_gives_no_link(sound):
    assert judge_trust(sound, inputs()) == ()
    assert not inputs().are_given


def test_a_key_reaches_the_bytes_of_the_bank(sound, gpg):
    key = anchor(AnchorKind.OPENPGP_KEY, gpg.make("boot"))
    links = judge_trust(signed_grub(sound, gpg), inputs(grub_keys=(key,)))
    assert holds(links)
    assert [link.name for link in links] == ["bank-a: key signs grub.cfg", "bank-a: signed root hash is that of bank-a"]


def test_an_unsigned_grub_cfg_is_missing_its_signature(sound, gpg):
    key = anchor(AnchorKind.OPENPGP_KEY, gpg.make("unsigned"))
    assert first_failure(judge_trust(sound, inputs(grub_keys=(key,)))).state is LinkState.MISSING


def test_an_old_and_validly_signed_grub_cfg_does_not_vouch_for_other_bytes(sound, gpg, small_ext4_image):
    key = anchor(AnchorKind.OPENPGP_KEY, gpg.make("old"))
    _, other_text = grub_cfg(evidence_of(small_ext4_image))
    links = judge_trust(signed_grub(sound, gpg, "old", other_text), inputs(grub_keys=(key,)))
    assert not holds(links)
    assert first_failure(links).name == "bank-a: signed root hash is that of bank-a"


def test_a_signed_text_counts_and_not_what_another_boot_entry_states(sound, gpg):
    """The statement of the bank is true; the signed text states another tree: the signed text must decide."""
    key = anchor(AnchorKind.OPENPGP_KEY, gpg.make("other"))
    _, text = grub_cfg(sound)
    root = parameters_of_grub_cfg(text).root_hash
    forged = text.replace(root.encode(), root[::-1].encode())
    links = judge_trust(signed_grub(sound, gpg, "other", forged), inputs(grub_keys=(key,)))
    assert first_failure(links).why == "root_hash differs"


def test_every_populated_bank_is_judged(two_bank_image, gpg):
    evidence = evidence_of(two_bank_image)
    key = anchor(AnchorKind.OPENPGP_KEY, gpg.make("two"))
    texts = [one for one in evidence.blobs if one.name == GRUB_CFG]
    assert len(texts) == 2
    one_signed = evidence
    for number, blob in enumerate(texts, 1):
        signature = gpg.sign("two", document=base64.b64decode(blob.data))
        one_signed = with_blob(one_signed, blob.scope, f"{GRUB_CFG}.sig", signature)
        assert holds(judge_trust(one_signed, inputs(grub_keys=(key,)))) == (number == 2)


def test_a_target_without_banks_does_not_hold(tmp_path, gpg):
    (tmp_path / "etc").mkdir()
    evidence = look(tmp_path, Looking(verity_only=True), ())
    for given in (
        {"grub_keys": (anchor(AnchorKind.OPENPGP_KEY, b"x"),)},
        {"db": (anchor(AnchorKind.DB_CERTIFICATE, b"x"),)},
        {"root_hash_signatures": (b"x",)},
        {"manifest": b"x"},
        {"tuf_root": anchor(AnchorKind.TUF_ROOT, b"x")},
    ):
        links = judge_trust(evidence, inputs(**given))
        assert links
        assert not holds(links)


def signed_uki(evidence, folder, command_line=None):
    """The same boot, from a unified kernel image that was signed here."""
    (entry,) = [one for one in evidence.disk.boot_entries if one.kind is BootKind.UKI]
    signer = Identity("uki-sign")
    text = (entry.command_line if command_line is None else command_line).encode()
    raw = sbsign(folder, build_pe({".linux": b"k" * 999, ".cmdline": text}), signer)
    image = read_signed_image(BytesReader(raw), entry.path)
    made = with_blob(evidence, entry.scope, f"signed-image:{entry.path}", signed_image_to_json(image))
    return made, inputs(db=(anchor(AnchorKind.DB_CERTIFICATE, signer.pem),))


def test_a_signed_unified_kernel_image_reaches_the_bytes(unified, tmp_path):
    needs_tools("sbsign")
    evidence, given = signed_uki(unified, tmp_path)
    links = judge_trust(evidence, given)
    assert holds(links), first_failure(links)
    assert links[-1].name.endswith("signed root hash is that of bank-a")


def test_an_unsigned_unified_kernel_image_does_not_hold(unified):
    links = judge_trust(unified, inputs(db=(anchor(AnchorKind.DB_CERTIFICATE, Identity("x").pem),)))
    assert not holds(links)


def test_a_signed_command_line_without_a_tree_does_not_hold(unified, tmp_path):
    needs_tools("sbsign")
    links = judge_trust(*signed_uki(unified, tmp_path, "root=/dev/sda1"))
    assert "no verity table" in first_failure(links).why


def test_a_loader_entry_beside_a_signed_image_is_not_signed(unified, tmp_path):
    needs_tools("sbsign")
    evidence, given = signed_uki(unified, tmp_path)
    (entry,) = [one for one in evidence.disk.boot_entries if one.kind is BootKind.UKI]
    extra = BootEntry(BootKind.LOADER_ENTRY, entry.scope, entry.partition, "/loader/entries/x.conf", entry.bank)
    disk = replace(evidence.disk, boot_entries=(*evidence.disk.boot_entries, extra))
    links = judge_trust(replace(evidence, disk=disk, _facts={}, _files={}, _children={}), given)
    assert first_failure(links).why == "nothing signs the options of a loader entry"


def test_a_signature_over_the_root_hash_reaches_the_bytes(sound, tmp_path):
    needs_tools("openssl")
    import subprocess

    signer = Identity("signer")
    key, certificate = signer.write(tmp_path)
    root_hash = parameters_of_grub_cfg(grub_cfg(sound)[1]).root_hash
    command = ["openssl", "smime", "-sign", "-binary", "-noattr", "-nocerts", "-outform", "der"]
    made = subprocess.run(
        [*command, "-signer", certificate, "-inkey", key], input=root_hash.encode(), capture_output=True, check=True
    ).stdout
    given = {"signing_certificates": (anchor(AnchorKind.SIGNING_CERTIFICATE, signer.pem),)}
    assert holds(judge_trust(sound, inputs(root_hash_signatures=(made,), **given)))
    assert holds(judge_trust(sound, inputs(root_hash_signatures=(b"junk", made), **given)))
    assert not holds(judge_trust(sound, inputs(root_hash_signatures=(made[:-1],), **given)))
    assert not holds(judge_trust(sound, inputs(root_hash_signatures=(made,))))


@pytest.mark.parametrize("raw", [b"", b"set x=1\n", b"linux /vmlinuz quiet\n", b"menuentry {"])
def test_a_grub_cfg_that_states_no_tree_vouches_for_nothing(raw):
    with pytest.raises(FormatError):
        parameters_of_grub_cfg(raw)


def test_two_entries_that_state_different_trees_vouch_for_nothing(sound):
    text = grub_cfg(sound)[1]
    root = parameters_of_grub_cfg(text).root_hash.encode()
    doubled = text + text.replace(root, root[::-1]).replace(b"dm_verity_root", b"another")
    with pytest.raises(FormatError, match="different verity tables"):
        parameters_of_grub_cfg(doubled)


def test_two_tables_on_a_command_line_vouch_for_nothing(unified):
    (entry,) = [one for one in unified.disk.boot_entries if one.kind is BootKind.UKI]
    line = entry.command_line.encode()
    stated = parameters_of_command_line(line)
    assert parameters_of_command_line(line + b"\0ignored") == stated
    other = line.replace(stated.root_hash.encode(), stated.root_hash[::-1].encode())
    with pytest.raises(FormatError, match="different verity tables"):
        parameters_of_command_line(line.partition(b" -- ")[0] + b" " + other)


def test_every_grub_cfg_of_a_bank_must_be_signed(sound, gpg):
    """Which one is read lies in the loader's own prefix: an old signed text as a decoy vouches for nothing."""
    key = anchor(AnchorKind.OPENPGP_KEY, gpg.make("decoy"))
    signed = signed_grub(sound, gpg, "decoy")
    scope, text = grub_cfg(sound)
    efi = next(one.scope for one in sound.disk.partitions if one.number == sound.disk.banks[0].efi)
    for place, name in ((scope, "/grub2/grub.cfg"), (efi, GRUB_CFG)):
        links = judge_trust(with_blob(signed, place, name, text + b"# changed\n"), inputs(grub_keys=(key,)))
        assert first_failure(links).why == "grub.cfg.sig is not there"


def changed_entry(evidence, **changes):
    disk = replace(evidence.disk, boot_entries=tuple(replace(one, **changes) for one in evidence.disk.boot_entries))
    return replace(evidence, disk=disk, _facts={}, _files={}, _children={})


def test_an_initrd_that_nobody_signed_breaks_a_chain_of_secure_boot(unified, tmp_path):
    needs_tools("sbsign")
    evidence, given = signed_uki(unified, tmp_path)
    links = judge_trust(changed_entry(evidence, runs_first="initrd x holds more than boot arguments"), given)
    assert first_failure(links).name == "bank-a: initrd is signed"


@pytest.mark.parametrize(
    "path", ["/EFI/BOOT/BOOTX64.EFI.extra.d/a.addon.efi", "/loader/addons/b.addon.efi", "/loader/credentials/c.cred"]
)
def test_what_is_added_to_a_signed_unified_kernel_is_named(unified, tmp_path, path):
    needs_tools("sbsign")
    evidence, given = signed_uki(unified, tmp_path)
    (entry,) = evidence.disk.boot_entries
    beside = FileRecord(entry.scope, path, FileType.REGULAR, 0o644, 0, 0, 1, 0)
    added = replace(evidence, files=(*evidence.files, beside), _facts={}, _files={}, _children={})
    assert first_failure(judge_trust(added, given)).where == path


@pytest.mark.parametrize("trick", [b"'a\nb' ", b"x" * 2000 + b" "], ids=["line end", "too long"])
def test_a_signed_text_of_which_a_kernel_may_see_a_part_vouches_for_nothing(sound, gpg, trick):
    key = anchor(AnchorKind.OPENPGP_KEY, gpg.make("part"))
    _, text = grub_cfg(sound)
    changed = text.replace(b"root=/dev/dm-0", b"root=/dev/sda3 " + trick + b"root=/dev/dm-0")
    failure = first_failure(judge_trust(signed_grub(sound, gpg, "part", changed), inputs(grub_keys=(key,))))
    assert "what boots cannot be told" in failure.why


def test_files_beside_a_signed_unified_kernel_that_were_not_listed_are_no_pass(unified, tmp_path):
    needs_tools("sbsign")
    evidence, given = signed_uki(unified, tmp_path)
    (entry,) = evidence.disk.boot_entries
    walked = tuple(scope for scope in evidence.walked if scope != entry.scope)
    assert walked != evidence.walked
    unlisted = replace(evidence, walked=walked, _facts={}, _files={}, _children={})
    assert first_failure(judge_trust(unlisted, given)).state is LinkState.NOT_CHECKABLE


def test_a_kernel_that_was_not_judged_is_no_pass_for_secure_boot(sound):
    given = inputs(db=(anchor(AnchorKind.DB_CERTIFICATE, Identity("x").pem),))
    names = [link.name for link in judge_trust(changed_entry(sound, kernel_path="/other"), given)]
    assert "bank-a: the kernel that starts was judged" in names
    assert "bank-a: the kernel that starts was judged" not in [link.name for link in judge_trust(sound, given)]
