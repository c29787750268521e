"""Comparing release versions as a link of a chain."""

from __future__ import annotations

from rocketaudit.formats.release_version import release_numbers
from rocketaudit.model.trust import ChainLink, LinkState


def version_link(chain: str, version: str, min_version: str) -> ChainLink:
    """Whether a release is not older than the policy allows; one that cannot be compared does not pass."""
    name = "release is not older than the policy allows"
    found, wanted = release_numbers(version), release_numbers(min_version)
    if found is None or wanted is None:
        why = "the versions cannot be compared"
        return ChainLink(chain, name, LinkState.NOT_CHECKABLE, why, "", f"at least {min_version}", version)
    state = LinkState.VERIFIED if found >= wanted else LinkState.BROKEN
    why = "" if state is LinkState.VERIFIED else "an old release, validly signed"
    return ChainLink(chain, name, state, why, "", f"at least {min_version}", version)
