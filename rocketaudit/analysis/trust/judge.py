"""From the anchors that a user gave to the bank that boots next: every chain, link by link."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rocketaudit.analysis.trust.openpgp_chain import openpgp_chain
from rocketaudit.analysis.trust.secure_boot_chain import Firmware, GrubBoot, grub_boot_chain, unified_kernel_chain
from rocketaudit.analysis.trust.tuf_chain import ObservedFile, file_link, tuf_chain
from rocketaudit.errors import FormatError
from rocketaudit.formats.signed_image import SignedImage, signed_image_from_json
from rocketaudit.model.bank_verity import BankVerity
from rocketaudit.model.disk import Bank, BootKind
from rocketaudit.model.evidence import Evidence, SignedBlob
from rocketaudit.model.trust import Anchor, ChainLink, LinkState
from rocketaudit.model.verity import TreeVerdict


@dataclass(frozen=True, slots=True)
class TrustInputs:
    """What the user vouches for, and the moment to judge by; nothing here comes from the target."""

    as_of: datetime
    tuf_root: Anchor | None = None
    tuf_metadata: Mapping[str, bytes] = field(default_factory=dict)
    tuf_seen: Mapping[str, bytes] | None = None
    grub_keys: tuple[Anchor, ...] = ()
    db: tuple[Anchor, ...] = ()
    dbx: bytes | None = None
    sbat_level: bytes | None = None

    @property
    def are_given(self) -> bool:
        return self.tuf_root is not None or bool(self.grub_keys) or bool(self.db)


def judge_trust(evidence: Evidence, inputs: TrustInputs) -> tuple[ChainLink, ...]:
    """The links of every chain that the inputs ask for, for each bank that is filled; empty without anchors."""
    links: list[ChainLink] = []
    if inputs.tuf_root is not None:
        links += _tuf(evidence, inputs, inputs.tuf_root)
    for bank in _filled_banks(evidence):
        if inputs.grub_keys:
            links += _openpgp(evidence, inputs, bank)
        if inputs.db:
            links += _secure_boot(evidence, inputs, bank)
    if (inputs.grub_keys or inputs.db) and not _filled_banks(evidence):
        chain = "openpgp" if inputs.grub_keys else "secure-boot"
        links.append(ChainLink(chain, "a bank to verify", LinkState.NOT_CHECKABLE, "the target holds no bank"))
    return tuple(links)


def _filled_banks(evidence: Evidence) -> tuple[Bank, ...]:
    return tuple(bank for bank in evidence.disk.banks if bank.populated) if evidence.disk is not None else ()


def _tuf(evidence: Evidence, inputs: TrustInputs, anchor: Anchor) -> Iterator[ChainLink]:
    chain = tuf_chain(anchor, inputs.tuf_metadata, as_of=inputs.as_of, seen=inputs.tuf_seen)
    yield from chain.links
    target = evidence.target
    if target.digest is None or target.size is None:
        name = "targets sign the image"
        yield ChainLink("tuf", name, LinkState.NOT_CHECKABLE, "the evidence holds no digest of the input file")
        return
    digests = {"sha256": target.digest.removeprefix("sha256:")}
    yield file_link(chain, ObservedFile(target.name, target.size, digests, "the image"))


def _openpgp(evidence: Evidence, inputs: TrustInputs, bank: Bank) -> Iterator[ChainLink]:
    text, signature, where = _grub_texts(evidence, bank)
    for link in openpgp_chain(inputs.grub_keys, text, signature, as_of=inputs.as_of, where=where):
        yield link
        if link.state is not LinkState.VERIFIED:
            return
    yield _tree_link("openpgp", f"{where} states the tree of {bank.scope}", _verity_of(evidence, bank.scope))


def _secure_boot(evidence: Evidence, inputs: TrustInputs, bank: Bank) -> Iterator[ChainLink]:
    firmware = Firmware(inputs.db, inputs.as_of, inputs.dbx, inputs.sbat_level)
    images = _images(evidence, bank)
    kernel = _unified_kernel(evidence, bank, images)
    if kernel is not None:
        links = unified_kernel_chain(firmware, images.get(kernel))
        what = "command line"
    else:
        text, signature, _ = _grub_texts(evidence, bank)
        boot = GrubBoot(
            _named(images, ("bootx64.efi", "bootaa64.efi")),
            _named(images, ("grubx64.efi", "grubaa64.efi")),
            _named(images, ("vmlinuz",)),
            text,
            signature,
        )
        links = grub_boot_chain(firmware, boot)
        what = "grub.cfg"
    yield from links
    if links and all(link.state is LinkState.VERIFIED for link in links):
        yield _tree_link("secure-boot", f"{what} states the tree of {bank.scope}", _verity_of(evidence, bank.scope))


def _tree_link(chain: str, name: str, verity: BankVerity | None) -> ChainLink:
    """Whether the recomputed tree is the one that the signed text states."""
    stated = next((one for one in verity.statements if one.binds_kernel), None) if verity is not None else None
    if verity is None or verity.check is None or stated is None:
        why = "no tree was recomputed" if verity is None or verity.check is None else "the text states no tree"
        return ChainLink(chain, name, LinkState.NOT_CHECKABLE, why)
    expected, observed = stated.parameters.root_hash, verity.check.recomputed_root_hash or ""
    if stated.problems:
        return ChainLink(
            chain, name, LinkState.BROKEN, "; ".join(stated.problems), str(stated.where), expected, observed
        )
    if verity.check.verdict is TreeVerdict.UNREAD:
        return ChainLink(chain, name, LinkState.NOT_CHECKABLE, "parts of the tree were not read", str(stated.where))
    if verity.check.verdict is TreeVerdict.VERIFIED and expected == observed:
        return ChainLink(chain, name, LinkState.VERIFIED, "", str(stated.where), expected, observed)
    why = f"{verity.check.bad_blocks_total} blocks are not what the signed tree says"
    return ChainLink(chain, name, LinkState.BROKEN, why, str(stated.where), expected, observed)


def _verity_of(evidence: Evidence, scope: str) -> BankVerity | None:
    return next((bank for bank in evidence.verity if bank.scope == scope), None)


def _scopes_of(evidence: Evidence, bank: Bank) -> frozenset[str]:
    """The scopes of the partitions that belong to a bank."""
    numbers = {bank.boot, bank.efi, bank.root} - {None}
    partitions = evidence.disk.partitions if evidence.disk is not None else ()
    return frozenset(partition.scope for partition in partitions if partition.number in numbers)


def _blobs(evidence: Evidence, bank: Bank) -> Sequence[SignedBlob]:
    scopes = _scopes_of(evidence, bank)
    return [blob for blob in evidence.blobs if blob.scope in scopes]


def _grub_texts(evidence: Evidence, bank: Bank) -> tuple[bytes | None, bytes | None, str]:
    blobs = {blob.name: blob for blob in _blobs(evidence, bank) if blob.name.endswith(("grub.cfg", "grub.cfg.sig"))}
    name = next((name for name in blobs if name.endswith("grub.cfg")), None)
    if name is None:
        return None, None, f"grub.cfg of {bank.scope}"
    signature = blobs.get(f"{name}.sig")
    text = base64.b64decode(blobs[name].data)
    return text, None if signature is None else base64.b64decode(signature.data), str(blobs[name].where)


def _images(evidence: Evidence, bank: Bank) -> dict[str, SignedImage]:
    found: dict[str, SignedImage] = {}
    for blob in _blobs(evidence, bank):
        kind, colon, path = blob.name.partition(":")
        if kind == "signed-image" and colon:
            try:
                found[path] = signed_image_from_json(base64.b64decode(blob.data))
            except (FormatError, ValueError):
                continue
    return found


def _named(images: Mapping[str, SignedImage], names: tuple[str, ...]) -> SignedImage | None:
    return next((image for path, image in images.items() if path.rpartition("/")[2].lower() in names), None)


def _unified_kernel(evidence: Evidence, bank: Bank, images: Mapping[str, SignedImage]) -> str | None:
    """The path of the unified kernel image that boots this bank, if one does."""
    entries = evidence.disk.boot_entries if evidence.disk is not None else ()
    entry = next((one for one in entries if one.kind is BootKind.UKI and one.bank in (bank.scope, "")), None)
    if entry is not None:
        return next((path for path in images if path.lower() == entry.path.lower()), entry.path)
    return None
