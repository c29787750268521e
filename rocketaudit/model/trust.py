"""Trust as facts: what the user vouches for, and link by link what that reaches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from enum import StrEnum

from rocketaudit.model.records import dataclass

ROOT_HASH_LINK = "signed root hash is that of"  # starts the name of the link that ends at the tree of a bank
IMAGE_LINK = "targets sign the image"
RELEASED = "bank-a"  # as which a release ships


class AnchorKind(StrEnum):
    """What a user can vouch for; nothing inside a target is ever one of these."""

    TUF_ROOT = "tuf-root"
    OPENPGP_KEY = "openpgp-key"
    DB_CERTIFICATE = "db-certificate"
    MANIFEST_KEY = "manifest-key"
    SIGNING_CERTIFICATE = "signing-certificate"


@dataclass(frozen=True, slots=True)
class Anchor:
    """Bytes that the user handed in, where from, and their SHA-256 so that a report can name them."""

    kind: AnchorKind
    name: str
    digest: str
    data: bytes = field(repr=False, default=b"")


class LinkState(StrEnum):
    """`broken` is an answer; `not_checkable` (an input is missing) and `missing` (nothing signs) are not passes."""

    VERIFIED = "verified"
    BROKEN = "broken"
    NOT_CHECKABLE = "not_checkable"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One step from an anchor towards the recomputed tree.

    `chain` groups the steps of one way down ("tuf", "openpgp", "secure-boot", "manifest", "pkcs7") and `name`
    says what vouches for what. `needed` is false for a step that only adds something, such as a rollback
    check without a state: it is shown, but a chain holds without it.
    """

    chain: str
    name: str
    state: LinkState
    why: str = ""
    where: str = ""
    expected: str = ""
    observed: str = ""
    needed: bool = True


def first_failure(links: Iterable[ChainLink]) -> ChainLink | None:
    """The first needed link that is not verified: where the chain breaks. None when it holds."""
    for link in links:
        if link.state is LinkState.BROKEN or (link.needed and link.state is not LinkState.VERIFIED):
            return link
    return None


def holds(links: Iterable[ChainLink]) -> bool:
    """Whether there is at least one link and every needed one is verified; an empty chain proves nothing."""
    steps = tuple(links)
    return any(link.needed for link in steps) and first_failure(steps) is None
