"""The last link of every chain: parameters from a signed text against the tree that was recomputed from the bytes."""

from __future__ import annotations

from rocketaudit.model.trust import ROOT_HASH_LINK, ChainLink, LinkState
from rocketaudit.model.verity import TreeCheck, TreeVerdict, VerityParameters

COMPARED = (
    "root_hash",
    "salt",
    "algorithm",
    "hash_type",
    "data_block_size",
    "hash_block_size",
    "data_blocks",
    "hash_start_block",
)


def tree_link(chain: str, scope: str, signed: VerityParameters, check: TreeCheck | None) -> ChainLink:
    """Whether the bytes of a bank give the root hash that was signed, by the parameters that were signed."""
    name = f"{ROOT_HASH_LINK} {scope}"
    if check is None:
        return ChainLink(chain, name, LinkState.NOT_CHECKABLE, "the tree was not recomputed", scope)
    different = differences(signed, check.parameters)
    if different:
        return _differ(chain, name, scope, different)
    observed = check.recomputed_root_hash or ""
    match check.verdict:
        case TreeVerdict.VERIFIED:
            return ChainLink(chain, name, LinkState.VERIFIED, "", scope, signed.root_hash, observed)
        case TreeVerdict.CORRUPT:
            why = f"{check.bad_blocks_total} blocks do not fit the tree"
            return ChainLink(chain, name, LinkState.BROKEN, why, scope, signed.root_hash, observed)
        case TreeVerdict.UNREAD:
            why = "parts of the bank could not be read"
            return ChainLink(chain, name, LinkState.NOT_CHECKABLE, why, scope, signed.root_hash, observed)


def differences(signed: VerityParameters, other: VerityParameters) -> tuple[tuple[str, str, str], ...]:
    """(field, signed value, other value) of everything that fixes the tree and is not equal."""
    pairs = ((name, str(getattr(signed, name)).lower(), str(getattr(other, name)).lower()) for name in COMPARED)
    return tuple(pair for pair in pairs if pair[1] != pair[2])


def _differ(chain: str, name: str, scope: str, different: tuple[tuple[str, str, str], ...]) -> ChainLink:
    fields = ", ".join(field for field, _, _ in different)
    field, expected, observed = different[0]
    why = f"{fields} differ{'s' if len(different) == 1 else ''}"
    return ChainLink(chain, name, LinkState.BROKEN, why, scope, f"{field} {expected}", f"{field} {observed}")
