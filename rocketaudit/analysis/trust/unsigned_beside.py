"""What starts with a signed boot without being signed itself: a chain that ignores it says more than it knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rocketaudit.analysis.trust.secure_boot_chain import CHAIN
from rocketaudit.model.disk import BootEntry, BootKind
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.trust import ChainLink, LinkState

KERNELS = ("/vmlinuz", "/boot/vmlinuz")
# where systemd's stub looks for what it adds to a unified kernel image (systemd-stub(7))
_ADDED = re.compile(r"(?:.*\.efi\.extra\.d/|/loader/(?:addons|credentials|extensions)/).+", re.IGNORECASE)


def unsigned_beside(evidence: Evidence, entries: Sequence[BootEntry], scopes: Sequence[str]) -> Iterator[ChainLink]:
    """A link for every loader entry, initrd and addition to a unified kernel that no signature of the chain covers."""
    for entry in entries:
        if entry.kind is BootKind.LOADER_ENTRY:
            why = "nothing signs the options of a loader entry"
            yield ChainLink(CHAIN, "command line is signed", LinkState.MISSING, why, entry.path)
        if entry.kind is BootKind.GRUB and entry.kernel_path not in KERNELS:
            why = f"{entry.kernel_path[:80] or 'no kernel'} is started, of which no signature was collected"
            yield ChainLink(CHAIN, "the kernel that starts was judged", LinkState.NOT_CHECKABLE, why, entry.path)
        if entry.runs_first:
            yield ChainLink(CHAIN, "initrd is signed", LinkState.MISSING, entry.runs_first, entry.path)
    unified = {entry.scope for entry in entries if entry.kind is BootKind.UKI}
    for scope in scopes:
        if scope in unified and (scope not in evidence.walked or any(gap.scope == scope for gap in evidence.gaps)):
            why = "not all files beside it could be listed"
            yield ChainLink(CHAIN, "nothing is added to what is signed", LinkState.NOT_CHECKABLE, why, scope)
        for record in evidence.scope_files(scope):
            if record.type is FileType.REGULAR and _ADDED.fullmatch(record.path):
                why = "it is added to the unified kernel image when that starts, and was not judged"
                yield ChainLink(CHAIN, "nothing is added to what is signed", LinkState.MISSING, why, record.path)
