"""Whether what a target holds is not older than is allowed: a validly signed old release is a downgrade."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rocketaudit.analysis.trust.version import version_link
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.model.trust import ChainLink, LinkState

CHAIN = "release"
_VERSION = Key("os_release", ("VERSION_ID",))


def release_links(evidence: Evidence, min_version: str) -> Iterator[ChainLink]:
    """One link for every populated bank, or for the target as a whole where it has no banks."""
    banks = [bank.scope for bank in evidence.disk.banks if bank.populated] if evidence.disk is not None else []
    for scope in banks or [evidence.judged]:
        fact = evidence.get(_VERSION, Plane.STATIC, scope)
        version = str(fact.value) if fact.state is State.PRESENT else ""
        if not version and scope == evidence.judged:
            version = evidence.target.version
        link = version_link(CHAIN, version, min_version)
        yield replace(link, name=f"{scope}: {link.name}", where=scope)


def unmet_release(evidence: Evidence, min_version: str | None) -> tuple[str, ...]:
    """What a policy's `min_version` finds wrong; a version that is not known meets no demand."""
    if min_version is None:
        return ()
    links = [link for link in release_links(evidence, min_version) if link.state is not LinkState.VERIFIED]
    return tuple(f"{one.where}: release {one.observed or 'unknown'}; {one.expected} is demanded" for one in links)
