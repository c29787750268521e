"""Which partitions hold files that nobody can list, and why."""

from __future__ import annotations

from collections.abc import Sequence

from rocketaudit.model.disk import FILE_SYSTEMS, Content, Partition
from rocketaudit.model.gap import Gap

_ENCRYPTED = frozenset({Content.LUKS1, Content.LUKS2})
# what needs no reading: nothing there, hashes that the verity check reads itself, boot code
_NOTHING_TO_WALK = frozenset({Content.BLANK, Content.VERITY_HASH, Content.VERITY_SIGNATURE, Content.UKI, Content.SWAP})
_NO_TREE = frozenset({"bios-boot", "reserved-a", "reserved-b"})


def gaps_of(described: Sequence[Partition]) -> tuple[Gap, ...]:
    """Partitions whose files nobody can list, and why."""
    gaps = []
    for partition in described:
        if partition.content in FILE_SYSTEMS or partition.content in _NOTHING_TO_WALK:
            continue
        if partition.scope in _NO_TREE and partition.content is Content.UNKNOWN:
            continue
        if partition.content in _ENCRYPTED:
            reason = f"{partition.content}: encrypted, cannot be read without its key"
        else:
            reason = partition.detail or f"{partition.content} is not read"
        gaps.append(Gap(partition.scope, "", reason))
    return tuple(gaps)
