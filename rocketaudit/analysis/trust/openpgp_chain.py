"""From an OpenPGP key down to a text that a detached signature covers: grub.cfg as GRUB checks it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rocketaudit.errors import FormatError, MissingLibraryError, TrustError
from rocketaudit.formats.openpgp import verify_detached
from rocketaudit.formats.openpgp_certificate import Certificate, parse_certificates
from rocketaudit.model.trust import Anchor, ChainLink, LinkState

CHAIN = "openpgp"


def openpgp_chain(
    anchors: Sequence[Anchor], text: bytes | None, signature: bytes | None, *, as_of: datetime, where: str = "grub.cfg"
) -> tuple[ChainLink, ...]:
    """Links from the user's keys to a signed text; None stands for a file that is not there."""
    certificates: list[Certificate] = []
    for anchor in anchors:
        try:
            certificates.extend(parse_certificates(anchor.data))
        except FormatError as error:
            return (ChainLink(CHAIN, "given key can be used", LinkState.BROKEN, error.message, anchor.name),)
    return (text_link(CHAIN, certificates, text, signature, as_of=as_of, where=where),)


def text_link(
    chain: str,
    certificates: Sequence[Certificate],
    text: bytes | None,
    signature: bytes | None,
    *,
    as_of: datetime,
    where: str = "grub.cfg",
) -> ChainLink:
    """Whether one of the keys signed exactly this text."""
    name = f"key signs {where}"
    if text is None:
        return ChainLink(chain, name, LinkState.MISSING, f"{where} is not there", where)
    if signature is None:
        return ChainLink(chain, name, LinkState.MISSING, f"{where}.sig is not there", where)
    try:
        good = verify_detached(signature, text, certificates, as_of)
    except (TrustError, FormatError) as error:
        return ChainLink(chain, name, LinkState.BROKEN, error.message, where)
    except MissingLibraryError as error:
        return ChainLink(chain, name, LinkState.NOT_CHECKABLE, error.message, where)
    why = f"{good.hash} by {good.key} at {good.created.isoformat()}"
    return ChainLink(chain, name, LinkState.VERIFIED, why, where)
