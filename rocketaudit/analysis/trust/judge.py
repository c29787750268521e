"""From the anchors that a user gave to the bytes of every bank: every chain, link by link, down to the tree."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime

from rocketaudit.analysis.release_age import release_links
from rocketaudit.analysis.trust.image_claims import claims_of, manifest_links, stated_parameters
from rocketaudit.analysis.trust.manifest_chain import PKCS7_CHAIN, manifest_chain, pkcs7_chain
from rocketaudit.analysis.trust.openpgp_chain import CHAIN as OPENPGP
from rocketaudit.analysis.trust.openpgp_chain import openpgp_chain
from rocketaudit.analysis.trust.secure_boot_chain import CHAIN as SECURE_BOOT
from rocketaudit.analysis.trust.secure_boot_chain import Firmware, GrubBoot, grub_boot_chain, unified_kernel_chain
from rocketaudit.analysis.trust.signed_place import with_signed_place
from rocketaudit.analysis.trust.signed_text import parameters_of_command_line, parameters_of_grub_cfg
from rocketaudit.analysis.trust.tree_link import tree_link
from rocketaudit.analysis.trust.tuf_chain import CHAIN as TUF
from rocketaudit.analysis.trust.tuf_chain import ObservedFile, file_link, tuf_chain
from rocketaudit.analysis.trust.tuf_parts import SignedPart, part_links
from rocketaudit.analysis.trust.unsigned_beside import KERNELS, unsigned_beside
from rocketaudit.analysis.trust.update_side import update_answers
from rocketaudit.errors import FormatError
from rocketaudit.formats.signed_image import SignedImage, signed_image_from_json
from rocketaudit.model.disk import Bank, BootKind, DiskSummary
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.records import dataclass
from rocketaudit.model.trust import IMAGE_LINK, Anchor, ChainLink, LinkState, holds
from rocketaudit.model.update import UpdateAnswer
from rocketaudit.model.verity import TreeCheck, VerityParameters

SIGNED_IMAGE = "signed-image:"
_SHIM = ("/EFI/BOOT/BOOTX64.EFI", "/EFI/BOOT/BOOTAA64.EFI")
_GRUB = ("/EFI/BOOT/grubx64.efi", "/EFI/BOOT/grubaa64.efi")
_GRUB_CFG = ("/grub/grub.cfg", "/grub2/grub.cfg", "/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")


@dataclass(frozen=True, slots=True)
class TrustInputs:
    """What the user vouches for, and the moment to judge by; nothing here comes from the target.

    `parts` are files of a TUF repository that were read beside the target, None when no folder of them was given.
    """

    as_of: datetime
    tuf_root: Anchor | None = None
    tuf_metadata: Mapping[str, bytes] = field(default_factory=dict)
    tuf_seen: Mapping[str, bytes] | None = None
    grub_keys: tuple[Anchor, ...] = ()
    db: tuple[Anchor, ...] = ()
    dbx: bytes | None = None
    sbat_level: bytes | None = None
    manifest: bytes | None = None
    manifest_keys: tuple[Anchor, ...] = ()
    min_version: str | None = None
    root_hash_signatures: tuple[bytes, ...] = ()
    signing_certificates: tuple[Anchor, ...] = ()
    parts: tuple[SignedPart, ...] | None = None
    update_manifests: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def are_given(self) -> bool:
        """Whether there is anything to judge by; without it integrity is at best consistent."""
        start = (self.grub_keys, self.db, self.root_hash_signatures)
        return self.tuf_root is not None or self.manifest is not None or any(start)


def judge_trust(evidence: Evidence, inputs: TrustInputs) -> tuple[ChainLink, ...]:
    """The links of every chain that the inputs ask for; all of them must hold. Empty without anchors."""
    links: list[ChainLink] = []
    if inputs.tuf_root is not None:
        links.extend(_tuf(evidence, inputs, inputs.tuf_root))
    if inputs.grub_keys:
        links.extend(_every_bank(evidence, OPENPGP, lambda bank: _openpgp(evidence, bank, inputs)))
    if inputs.db:
        links.extend(_every_bank(evidence, SECURE_BOOT, lambda bank: _secure_boot(evidence, bank, inputs)))
    if inputs.root_hash_signatures:
        links.extend(_every_bank(evidence, PKCS7_CHAIN, lambda bank: _pkcs7(evidence, bank, inputs)))
    if inputs.manifest is not None:
        claims = claims_of(evidence, {file.name: file.digests["sha256"] for file in _whole_target(evidence)})
        chain = manifest_chain(
            inputs.manifest_keys, inputs.manifest, claims, as_of=inputs.as_of, min_version=inputs.min_version
        )
        links.extend(manifest_links(chain, evidence))
    if inputs.min_version is not None and links:
        links.extend(release_links(evidence, inputs.min_version))
    return tuple(links)


def judge_updates(evidence: Evidence, inputs: TrustInputs) -> tuple[UpdateAnswer, ...]:
    """What the repository of the user's TUF root says of every bank; empty without such a root."""
    root = inputs.tuf_root
    if root is None:
        return ()
    chain = tuf_chain(root, inputs.tuf_metadata, as_of=inputs.as_of, seen=inputs.tuf_seen)
    return update_answers(evidence, chain, root, inputs.tuf_metadata, inputs.update_manifests, inputs.as_of)


def with_signed_places(evidence: Evidence, inputs: TrustInputs) -> Evidence:
    """The evidence with what a signed manifest states of each bank, for the table of agreement."""
    if inputs.manifest is None:
        return evidence
    return with_signed_place(evidence, inputs.manifest_keys, inputs.manifest, inputs.as_of)


def _whole_target(evidence: Evidence) -> tuple[ObservedFile, ...]:
    """The input file, when its digest was taken."""
    target = evidence.target
    if target.digest is None or target.size is None:
        return ()
    digests = {"sha256": target.digest.removeprefix("sha256:")}
    return (ObservedFile(target.name, target.size, digests, "the image"),)


def _tuf(evidence: Evidence, inputs: TrustInputs, root: Anchor) -> Iterator[ChainLink]:
    chain = tuf_chain(root, inputs.tuf_metadata, as_of=inputs.as_of, seen=inputs.tuf_seen)
    yield from chain.links
    if not chain.is_complete:
        return
    whole = [file_link(chain, file) for file in _whole_target(evidence)]
    if not whole:
        why = "the evidence holds no digest of the input file"
        whole = [ChainLink(TUF, IMAGE_LINK, LinkState.NOT_CHECKABLE, why)]
    if inputs.parts is not None and whole[0].state in (LinkState.MISSING, LinkState.NOT_CHECKABLE):
        yield replace(whole[0], needed=False)  # the parts of the release vouch for it instead
    else:
        yield whole[0]
    if inputs.parts is not None:
        yield from part_links(chain, inputs.parts, evidence)


def _every_bank(evidence: Evidence, chain: str, links_of: Callable[[Bank], Iterable[ChainLink]]) -> Iterator[ChainLink]:
    """The links of each populated bank, named by the bank."""
    banks = [bank for bank in evidence.disk.banks if bank.populated] if evidence.disk is not None else []
    if not banks:
        yield ChainLink(chain, "a bank to check", LinkState.MISSING, f"{evidence.target.kind} holds none")
    for bank in banks:
        for link in links_of(bank):
            yield replace(link, name=f"{bank.scope}: {link.name}")


def _openpgp(evidence: Evidence, bank: Bank, inputs: TrustInputs) -> Iterator[ChainLink]:
    for text, signature in _grub_texts(evidence, bank):
        links = openpgp_chain(inputs.grub_keys, text, signature, as_of=inputs.as_of)
        yield from links
        if holds(links):
            yield _tree(evidence, bank, OPENPGP, text, parameters_of_grub_cfg)


def _secure_boot(evidence: Evidence, bank: Bank, inputs: TrustInputs) -> Iterator[ChainLink]:
    """Every way to start this bank: each unified kernel image, each loader entry, and GRUB."""
    firmware = Firmware(inputs.db, inputs.as_of, inputs.dbx, inputs.sbat_level)
    assert evidence.disk is not None
    entries = [entry for entry in evidence.disk.boot_entries if entry.bank in (bank.scope, "")]
    unified = list(dict.fromkeys(entry.path for entry in entries if entry.kind is BootKind.UKI))
    scopes = _scopes(evidence.disk, bank)
    try:
        for path in unified:
            image = _image(evidence, scopes, (path,))
            links = unified_kernel_chain(firmware, image)
            yield from links
            if holds(links) and image is not None:
                yield _tree(evidence, bank, SECURE_BOOT, image.sections[".cmdline"], parameters_of_command_line)
        yield from unsigned_beside(evidence, entries, scopes)
        if not unified or any(entry.kind is BootKind.GRUB for entry in entries):
            yield from _grub(evidence, bank, firmware, scopes)
    except FormatError as error:
        yield ChainLink(SECURE_BOOT, "boot files can be judged", LinkState.BROKEN, error.message)


def _grub(evidence: Evidence, bank: Bank, firmware: Firmware, scopes: Sequence[str]) -> Iterator[ChainLink]:
    shim, grub, kernel = (_image(evidence, scopes, paths) for paths in (_SHIM, _GRUB, KERNELS))
    for text, signature in _grub_texts(evidence, bank):
        links = grub_boot_chain(firmware, GrubBoot(shim, grub, kernel, text, signature))
        yield from links
        if holds(links):
            yield _tree(evidence, bank, SECURE_BOOT, text, parameters_of_grub_cfg)


def _pkcs7(evidence: Evidence, bank: Bank, inputs: TrustInputs) -> Iterator[ChainLink]:
    verity = next((one for one in evidence.verity if one.scope == bank.scope), None)
    stated = None if verity is None else stated_parameters(verity)
    if stated is None:
        yield ChainLink(PKCS7_CHAIN, "bank states a root hash", LinkState.MISSING, "no boot text binds this bank")
        return
    tried = [
        pkcs7_chain(inputs.signing_certificates, signature, stated.root_hash, as_of=inputs.as_of)
        for signature in inputs.root_hash_signatures
    ]
    links = next((one for one in tried if holds(one)), tried[0])
    yield from links
    if holds(links):
        yield tree_link(PKCS7_CHAIN, bank.scope, stated, _check_of(evidence, bank))


def _tree(
    evidence: Evidence,
    bank: Bank,
    chain: str,
    text: bytes | None,
    parameters_of: Callable[[bytes], VerityParameters],
) -> ChainLink:
    """The last link: the parameters in the signed bytes against the recomputed tree."""
    try:
        signed = parameters_of(text or b"")
    except FormatError as error:
        return ChainLink(chain, "signed text states a root hash", LinkState.BROKEN, error.message)
    return tree_link(chain, bank.scope, signed, _check_of(evidence, bank))


def _check_of(evidence: Evidence, bank: Bank) -> TreeCheck | None:
    return next((one.check for one in evidence.verity if one.scope == bank.scope), None)


def _scopes(disk: DiskSummary, bank: Bank) -> tuple[str, ...]:
    """The scopes of the partitions with a bank's boot files."""
    numbers = {number for number in (bank.boot, bank.efi) if number is not None}
    return tuple(partition.scope for partition in disk.partitions if partition.number in numbers)


def _blob(evidence: Evidence, scopes: Sequence[str], names: Sequence[str]) -> bytes | None:
    wanted = {name.lower() for name in names}
    for blob in evidence.blobs:
        if blob.scope in scopes and blob.name.lower() in wanted:
            return base64.b64decode(blob.data)
    return None


def _grub_texts(evidence: Evidence, bank: Bank) -> list[tuple[bytes | None, bytes | None]]:
    """Every grub.cfg of a bank with the signature beside it: the loader's own prefix decides which one it reads."""
    assert evidence.disk is not None
    found: list[tuple[bytes | None, bytes | None]] = []
    for scope in _scopes(evidence.disk, bank):
        for path in _GRUB_CFG:
            text = _blob(evidence, (scope,), (path,))
            if text is not None:
                found.append((text, _blob(evidence, (scope,), (f"{path}.sig",))))
    return found or [(None, None)]


def _image(evidence: Evidence, scopes: Sequence[str], paths: Sequence[str]) -> SignedImage | None:
    raw = _blob(evidence, scopes, [f"{SIGNED_IMAGE}{path}" for path in paths])
    return None if raw is None else signed_image_from_json(raw)
