"""From a pipeline's own key down to the banks of an image: a signed manifest, or a signature over a root hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime

from rocketaudit.analysis.trust.tree_link import differences
from rocketaudit.analysis.trust.version import version_link
from rocketaudit.errors import FormatError, TrustError
from rocketaudit.formats.dsse import PublicKey, load_public_key, parse_envelope, verify_envelope
from rocketaudit.formats.pkcs7 import verify_root_hash
from rocketaudit.formats.verity_manifest import PAYLOAD_TYPE, VerityManifest, parse_manifest
from rocketaudit.formats.x509_path import load_anchor_certificates
from rocketaudit.model.records import dataclass
from rocketaudit.model.trust import Anchor, ChainLink, LinkState
from rocketaudit.model.verity import VerityParameters

CHAIN = "manifest"
PKCS7_CHAIN = "pkcs7"


@dataclass(frozen=True, slots=True)
class ImageClaims:
    """What an image states about itself; "" where it states nothing. `banks` are the populated ones, by scope.

    `file_digests` are SHA-256 in hex of the image file by name, where it is a file that was read whole.
    """

    variant: str
    version: str
    build: str
    arch: str
    banks: Mapping[str, VerityParameters]
    file_digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ManifestChain:
    """The links, and the manifest when a given key signed it."""

    links: tuple[ChainLink, ...]
    manifest: VerityManifest | None


def manifest_chain(
    anchors: Sequence[Anchor],
    raw: bytes,
    image: ImageClaims,
    *,
    as_of: datetime,
    min_version: str | None = None,
) -> ManifestChain:
    """Links from the user's keys to what each bank of the image states; every signed field must be equal.

    Add a `tree_link` for each bank of the manifest: only it ties the parameters to the bytes.
    """
    keys: list[PublicKey] = []
    for anchor in anchors:
        try:
            keys.append(load_public_key(anchor.data))
        except FormatError as error:
            link = ChainLink(CHAIN, "given key can be used", LinkState.BROKEN, error.message, anchor.name)
            return ManifestChain((link,), None)
    name = "key signs manifest"
    try:
        envelope = parse_envelope(raw)
        if envelope.payload_type != PAYLOAD_TYPE:
            raise TrustError(f"payload of type {envelope.payload_type[:80]!r}, {PAYLOAD_TYPE} expected")
        signers = verify_envelope(envelope, keys)
        manifest = parse_manifest(envelope.payload)
    except (TrustError, FormatError) as error:
        return ManifestChain((ChainLink(CHAIN, name, LinkState.BROKEN, error.message),), None)
    links = [ChainLink(CHAIN, name, LinkState.VERIFIED, f"by {', '.join(signers)}")]
    links.extend(_validity(manifest, as_of))
    if min_version is not None:
        links.append(version_link(CHAIN, manifest.version, min_version))
    links.extend(_release(manifest, image))
    links.extend(_banks(manifest, image))
    links.extend(_files(manifest, image))
    return ManifestChain(tuple(links), manifest)


def _validity(manifest: VerityManifest, as_of: datetime) -> Iterator[ChainLink]:
    if manifest.not_after is None:
        return
    name = "manifest is still valid"
    expected = f"until {manifest.not_after.isoformat()}"
    state = LinkState.BROKEN if manifest.not_after <= as_of else LinkState.VERIFIED
    why = "expired" if state is LinkState.BROKEN else ""
    yield ChainLink(CHAIN, name, state, why, "", expected, f"as of {as_of.isoformat()}")


def _release(manifest: VerityManifest, image: ImageClaims) -> Iterator[ChainLink]:
    for name, expected in manifest.release.items():
        observed = str(getattr(image, name))
        step = f"{name} is the signed one"
        if not observed and expected:
            why = f"the image does not state its {name}"
            yield ChainLink(CHAIN, step, LinkState.NOT_CHECKABLE, why, "", expected, "")
        elif observed != expected:
            yield ChainLink(CHAIN, step, LinkState.BROKEN, f"{name} differs", "", expected, observed)
        else:
            yield ChainLink(CHAIN, step, LinkState.VERIFIED, "", "", expected, observed)


def _banks(manifest: VerityManifest, image: ImageClaims) -> Iterator[ChainLink]:
    for scope, signed in sorted(manifest.banks.items()):
        step = f"{scope} states the signed parameters"
        stated = image.banks.get(scope)
        if stated is None:
            yield ChainLink(CHAIN, step, LinkState.BROKEN, "the image has no such bank", scope, signed.root_hash, "")
            continue
        different = [*differences(signed, stated)]
        if sorted(signed.options) != sorted(stated.options):
            different.append(("options", " ".join(signed.options), " ".join(stated.options)))
        if different:
            what, expected, observed = different[0]
            why = f"{', '.join(one[0] for one in different)} not as signed"
            found = f"{what} {observed}"
            yield ChainLink(CHAIN, step, LinkState.BROKEN, why, scope, f"{what} {expected}", found)
        else:
            yield ChainLink(CHAIN, step, LinkState.VERIFIED, "", scope, signed.root_hash, stated.root_hash)
    for scope in sorted(image.banks.keys() - manifest.banks.keys()):
        step = f"{scope} is signed"
        why = "the manifest says nothing about this bank"
        yield ChainLink(CHAIN, step, LinkState.BROKEN, why, scope, "", image.banks[scope].root_hash)


def _files(manifest: VerityManifest, image: ImageClaims) -> Iterator[ChainLink]:
    """The whole file, when it was read: more than the banks, but a copy in another container is the same release."""
    signed = {subject.sha256: subject.name for subject in manifest.subjects}
    names = {subject.name: subject.sha256 for subject in manifest.subjects}
    for path, digest in sorted(image.file_digests.items()):
        step = "image file is the signed one"
        name = path.rpartition("/")[2]
        if digest in signed:
            yield ChainLink(CHAIN, step, LinkState.VERIFIED, signed[digest], path, digest, digest)
        elif name in names:
            yield ChainLink(CHAIN, step, LinkState.BROKEN, f"{name} has other content", path, names[name], digest)
        else:
            why = "no subject has this name or digest; the banks are judged by their parameters"
            yield ChainLink(CHAIN, step, LinkState.NOT_CHECKABLE, why, path, "", digest, needed=False)


def pkcs7_chain(
    anchors: Sequence[Anchor], signature: bytes | None, root_hash: str, *, as_of: datetime, where: str = ""
) -> tuple[ChainLink, ...]:
    """Links from the user's certificates to a root hash; add a `tree_link` for the bank that states it."""
    name = "certificate signs root hash"
    if signature is None:
        return (ChainLink(PKCS7_CHAIN, name, LinkState.MISSING, "no signature was given", where),)
    try:
        certificates = [one for anchor in anchors for one in load_anchor_certificates(anchor.data)]
        signer = verify_root_hash(signature, root_hash, certificates, as_of)
    except (TrustError, FormatError) as error:
        return (ChainLink(PKCS7_CHAIN, name, LinkState.BROKEN, error.message, where),)
    return (ChainLink(PKCS7_CHAIN, name, LinkState.VERIFIED, f"by {signer}", where, root_hash, root_hash),)
