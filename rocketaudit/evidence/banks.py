"""Evidence of the banks alone: their trees, and which release each holds. Files are walked only to name bad blocks."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rocketaudit.evidence.verity import plan_jobs
from rocketaudit.evidence.verity_check import check_ranges, finish_jobs
from rocketaudit.model.progress import Progress
from rocketaudit.model.reader import Reader
from rocketaudit.source.protocol import Source

if TYPE_CHECKING:
    from rocketaudit.evidence.collector import Seen
    from rocketaudit.model.evidence import Evidence


def collect_banks(source: Source, *, workers: int, progress: Progress, needed_later: Sequence[str] = ()) -> Evidence:
    """The checks of every bank's tree and os-release of each; a range that no worker could check is unread.

    `needed_later` are modules of the caller's, loaded while the workers are busy.
    """
    from rocketaudit.evidence.identity import begin_content_check, checked_disk, identified

    content = begin_content_check(source, workers)
    reader: Reader | None = getattr(source, "reader", None)
    jobs = plan_jobs(source.disk, reader, source.target.name)
    seen: list[Seen] = []

    def meanwhile() -> Iterator[None]:
        yield from map(seen.append, _releases(source))
        for module in needed_later:
            importlib.import_module(module)
            yield

    checked = check_ranges(source, jobs, workers=workers, progress=progress, meanwhile=meanwhile())
    verity = finish_jobs(jobs, checked, ())
    if any(bank.check is not None and bank.check.bad_blocks for bank in verity):
        from rocketaudit.evidence.walking import walk_tree

        progress.phase("Naming the files of bad blocks", 0)
        verity = finish_jobs(jobs, checked, [walk_tree(tree, source.budget) for tree in source.trees])
    from rocketaudit.model.evidence import Coverage, Evidence, SignedBlob
    from rocketaudit.model.fact import Fact

    return Evidence(
        target=identified(source, seen),
        judged=source.judged,
        facts=tuple(item for item in seen if isinstance(item, Fact)),
        disk=checked_disk(source, content),
        verity=verity,
        covered=tuple(item for item in seen if isinstance(item, Coverage)),
        gaps=source.gaps,
        blobs=tuple(item for item in seen if isinstance(item, SignedBlob)),
    )


def _releases(source: Source) -> Iterator[Seen]:
    from rocketaudit.evidence import os_release, updates
    from rocketaudit.model.evidence import Wants

    yield from os_release.STATIC.collect(source, Wants())
    yield from updates.STATIC.collect(source, Wants())
