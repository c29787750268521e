"""From Secure Boot certificates down to the signed text that states a root hash.

With GRUB: db -> shim -> vendor certificate in it -> grub -> OpenPGP key in it -> grub.cfg, and vmlinuz.
With a unified kernel image: db -> the image -> its .cmdline.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509

from rocketaudit.analysis.trust.openpgp_chain import text_link
from rocketaudit.errors import FormatError
from rocketaudit.formats.authenticode import check_signatures
from rocketaudit.formats.efi_signature import (
    SignatureDatabase,
    parse_sbat,
    parse_signature_database,
    parse_vendor_certificates,
    sbat_revocation,
)
from rocketaudit.formats.openpgp_certificate import Certificate, parse_certificates
from rocketaudit.formats.signed_image import PROFILES, SignedImage
from rocketaudit.formats.x509_path import load_anchor_certificates, subject_of
from rocketaudit.model.records import dataclass
from rocketaudit.model.trust import Anchor, ChainLink, LinkState

CHAIN = "secure-boot"


@dataclass(frozen=True, slots=True)
class Firmware:
    """What the user says the firmware holds: `db` certificates, raw `dbx`, raw SBAT level, and the moment."""

    db: Sequence[Anchor]
    as_of: datetime
    dbx: bytes | None = None
    sbat_level: bytes | None = None


@dataclass(frozen=True, slots=True)
class GrubBoot:
    """The files of a bank that boots with GRUB; None for one that is not there."""

    shim: SignedImage | None
    grub: SignedImage | None
    kernel: SignedImage | None
    grub_cfg: bytes | None
    grub_cfg_signature: bytes | None


class _StopError(Exception):
    """The chain ends here; the link that says why has been noted."""


class _Builder:
    def __init__(self, firmware: Firmware) -> None:
        self.firmware = firmware
        self.links: list[ChainLink] = []
        self.db: list[x509.Certificate] = []
        self.forbidden = SignatureDatabase()
        self.level: dict[str, int] | None = None

    def prepare(self) -> None:
        for anchor in self.firmware.db:
            try:
                self.db.extend(load_anchor_certificates(anchor.data))
            except FormatError as error:
                self.stop("given certificate can be used", LinkState.BROKEN, error.message, anchor.name)
        try:
            if self.firmware.dbx is not None:
                self.forbidden = parse_signature_database(self.firmware.dbx)
            if self.firmware.sbat_level is not None:
                self.level = dict(parse_sbat(self.firmware.sbat_level, "SBAT level"))
        except FormatError as error:
            self.stop("given revocations can be used", LinkState.BROKEN, error.message, "")

    def stop(self, name: str, state: LinkState, why: str, where: str) -> None:
        self.links.append(ChainLink(CHAIN, name, state, why, where))
        raise _StopError

    def image(
        self,
        name: str,
        image: SignedImage | None,
        trusted: Sequence[x509.Certificate],
        *,
        needs_sbat: bool = False,
    ) -> None:
        """One link: an image that `trusted` certificates sign, that no dbx and no SBAT level revokes."""
        if image is None:
            self.stop(name, LinkState.MISSING, "the file is not there", "")
            return
        if not image.is_signed:
            self.stop(name, LinkState.MISSING, "the file carries no signature", image.name)
        if image.digests.get("sha256", "") in self.forbidden.image_digests:
            self.stop(name, LinkState.BROKEN, "dbx forbids this very file", image.name)
        try:
            checks = check_signatures(
                image.certificate_table,
                image.digests,
                trusted,
                forbidden=self.forbidden,
                as_of=self.firmware.as_of,
            )
            revoked = self._sbat_problem(image, needs_sbat=needs_sbat)
        except FormatError as error:
            self.stop(name, LinkState.BROKEN, error.message, image.name)
            return
        refused = next((one for one in checks if one.is_forbidden), None)
        good = next((one for one in checks if not one.problem), None)
        if refused is not None:
            self.stop(name, LinkState.BROKEN, refused.problem, image.name)
        if good is None:
            reasons = "; ".join(one.problem for one in checks) or "the file carries no signature"
            self.stop(name, LinkState.BROKEN, reasons, image.name)
            return
        if revoked:
            self.stop(name, LinkState.BROKEN, revoked, image.name)
        why = f"{good.digest_algorithm} by {good.signer}"
        if good.note:
            why += f" (dates, which firmware does not judge: {good.note})"
        if image.gaps:
            why += f" ({sum(end - start for start, end in image.gaps)} bytes between sections are not covered)"
        digest = image.digests[good.digest_algorithm]
        self.links.append(ChainLink(CHAIN, name, LinkState.VERIFIED, why, image.name, digest, digest))

    def _sbat_problem(self, image: SignedImage, *, needs_sbat: bool) -> str:
        if self.level is None:
            return ""
        section = image.sections.get(".sbat")
        if section is None:
            return "SBAT: the file has no .sbat section, shim does not load it" if needs_sbat else ""
        problem = sbat_revocation(parse_sbat(section), self.level)
        return f"revoked by SBAT: {problem}" if problem else ""

    def vendor_certificates(self, shim: SignedImage) -> list[x509.Certificate]:
        """The certificates in shim, and what it forbids on its own."""
        name = "shim carries a vendor certificate"
        section = shim.sections.get(".vendor_cert")
        if section is None:
            self.stop(name, LinkState.MISSING, "no .vendor_cert section", shim.name)
            return []
        try:
            certificates, forbidden = parse_vendor_certificates(section)
            loaded = [one for raw in certificates for one in load_anchor_certificates(raw)]
        except FormatError as error:
            self.stop(name, LinkState.BROKEN, error.message, shim.name)
            return []
        self.forbidden = SignatureDatabase(
            self.forbidden.image_digests | forbidden.image_digests,
            (*self.forbidden.certificates, *forbidden.certificates),
            self.forbidden.certificate_digests | forbidden.certificate_digests,
        )
        if not loaded:
            self.stop(name, LinkState.MISSING, "the section is empty: this shim trusts db only", shim.name)
        why = "; ".join(subject_of(one) for one in loaded)
        self.links.append(ChainLink(CHAIN, name, LinkState.VERIFIED, why, shim.name))
        return loaded

    def grub_keys(self, grub: SignedImage) -> tuple[Certificate, ...]:
        name = "grub carries an OpenPGP key"
        section = grub.sections.get(".pubkey")
        if section is None or not any(section):
            self.stop(name, LinkState.MISSING, "no key in .pubkey: this grub checks no signature", grub.name)
            return ()
        try:
            keys = parse_certificates(section)
        except FormatError as error:
            self.stop(name, LinkState.BROKEN, error.message, grub.name)
            return ()
        why = ", ".join(key.fingerprint for key in keys)
        self.links.append(ChainLink(CHAIN, name, LinkState.VERIFIED, why, grub.name))
        return keys


def grub_boot_chain(firmware: Firmware, boot: GrubBoot) -> tuple[ChainLink, ...]:
    """Links from db to grub.cfg and the kernel; ends at the first that does not hold."""
    builder = _Builder(firmware)
    try:
        builder.prepare()
        builder.image("db certificate signs shim", boot.shim, builder.db)
        assert boot.shim is not None
        vendor = builder.vendor_certificates(boot.shim)
        trusted = [*vendor, *builder.db]
        builder.image("shim accepts grub", boot.grub, trusted, needs_sbat=True)
        assert boot.grub is not None
        keys = builder.grub_keys(boot.grub)
        link = text_link(CHAIN, keys, boot.grub_cfg, boot.grub_cfg_signature, as_of=firmware.as_of)
        builder.links.append(link)
        if link.state is LinkState.VERIFIED:
            builder.image("shim accepts the kernel", boot.kernel, trusted)
    except _StopError:
        pass
    return tuple(builder.links)


def unified_kernel_chain(firmware: Firmware, image: SignedImage | None) -> tuple[ChainLink, ...]:
    """Links from db to a unified kernel image and the command line in it."""
    builder = _Builder(firmware)
    try:
        builder.prepare()
        builder.image("db certificate signs the unified kernel image", image, builder.db)
        assert image is not None
        name = "unified kernel image carries its command line"
        if PROFILES in image.sections:
            why = f"its profiles bring their own {image.sections[PROFILES].decode('ascii', 'replace')[:80]}"
            builder.stop(name, LinkState.NOT_CHECKABLE, why, image.name)
        if not image.sections.get(".cmdline", b"").strip(b"\0\n "):
            builder.stop(name, LinkState.MISSING, "no .cmdline section: whoever boots it chooses one", image.name)
        builder.links.append(ChainLink(CHAIN, name, LinkState.VERIFIED, "the signature covers .cmdline", image.name))
    except _StopError:
        pass
    return tuple(builder.links)
