"""Checks the verity tree of every bank in worker processes, and names what lies in bad blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from rocketaudit.errors import FormatError
from rocketaudit.evidence.identity import prepare_worker
from rocketaudit.evidence.schedule import WorkerFailure, run_tasks
from rocketaudit.evidence.verity import VerityJob
from rocketaudit.formats.verity import Layout
from rocketaudit.formats.verity_judge import TreeCheckBuilder, check_one_block, find_slack
from rocketaudit.formats.verity_tree import RangeCheck
from rocketaudit.formats.verity_tree import check_range as check_tree_range
from rocketaudit.model.bank_verity import BankVerity, BlockOwner
from rocketaudit.model.progress import Progress
from rocketaudit.model.reader import Reader, stored_extents
from rocketaudit.model.records import dataclass
from rocketaudit.model.verity import Slack, TreeCheck
from rocketaudit.source.protocol import Source

if TYPE_CHECKING:
    from rocketaudit.evidence.walking import Walked

TASK_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class SlackResult:
    """What lies in one stretch that no digest covers."""

    slack: Slack | None


Range = RangeCheck | SlackResult


@dataclass(slots=True)
class CheckedRanges:
    """What the ranges of the jobs gave, and (first, last, reason) of those that no worker could check; by job."""

    done: dict[int, list[Range]] = field(default_factory=dict)
    lost: dict[int, list[tuple[int, int, str]]] = field(default_factory=dict)


def check_ranges(
    source: Source,
    jobs: Sequence[VerityJob],
    *,
    workers: int,
    progress: Progress,
    meanwhile: Iterable[object] = (),
) -> CheckedRanges:
    """Recompute all trees, 8 MiB of data a task; `meanwhile` is what this process does while its workers do that."""
    tasks = [(number, first, last) for number, job in enumerate(jobs) for first, last in job.ranges()]
    checked = CheckedRanges()

    def work(_: None, task: tuple[int, int, int]) -> Range:
        number, first, last = task
        return check_range(jobs[number], first, last)

    progress.phase("Checking verity" if tasks else "Listing files", len(tasks))
    for place, outcome in run_tasks(
        tasks,
        work,
        start=prepare_worker(source),
        workers=workers,
        deadline=TASK_SECONDS,
        progress=progress.advance,
        meanwhile=meanwhile,
    ):
        number, first, last = tasks[place]
        if isinstance(outcome, WorkerFailure):
            checked.lost.setdefault(number, []).append((first, last, outcome.reason))
        else:
            checked.done.setdefault(number, []).append(outcome)
    return checked


def check_range(job: VerityJob, first: int, last: int) -> Range:
    """One task of `VerityJob.ranges`; run in a worker. Of a stretch without digests: what is not zero there."""
    assert job.layout is not None and job.data is not None and job.hashes is not None
    if first >= 0:
        return check_tree_range(job.data, job.hashes, job.layout, first, last)
    what, start, end = job.stretches()[-1 - first]
    device, _, text = what.partition(":")
    reader = job.data if device == "data" else job.hashes
    extents = stored_extents(reader, start, end)
    found = [slack for begin, finish in extents if (slack := find_slack(reader, begin, finish, text)) is not None]
    return SlackResult(Slack(text, found[0].first, found[-1].last, sum(s.count for s in found)) if found else None)


def finish_jobs(jobs: Sequence[VerityJob], checked: CheckedRanges, walked: Sequence[Walked]) -> tuple[BankVerity, ...]:
    """Put the ranges together, bank by bank, and name what lies in every bad block."""
    return tuple(
        _finish(job, checked.done.get(number, []), checked.lost.get(number, []), walked)
        for number, job in enumerate(jobs)
    )


def _finish(
    job: VerityJob, results: list[Range], lost: list[tuple[int, int, str]], walked: Sequence[Walked]
) -> BankVerity:
    check: TreeCheck | None = None
    unread = job.unread
    if job.layout is not None and job.data is not None and job.hashes is not None:
        try:
            check = _put_together(job.layout, job.data, job.hashes, results, lost)
        except FormatError as error:
            unread = f"the hash tree could not be read: {error}"
    owners: tuple[BlockOwner, ...] = ()
    unmapped: tuple[str, ...] = ()
    if check is not None and check.bad_blocks:
        from rocketaudit.evidence.block_owners import find_owners

        owners, unmapped = find_owners(check, _tree_of(job, walked), job.root, job.hash)
    return BankVerity(
        scope=job.bank.scope,
        populated=job.bank.populated,
        statements=tuple(job.statements),
        check=check,
        owners=owners,
        unread=unread,
        data_partition="" if job.root is None else job.root.name,
        hash_partition="" if job.hash is None else job.hash.name,
        slack=unmapped,
        tree_matches=job.tree_matches,
        stored_root=job.stored_root,
        data_start=0 if job.root is None else job.root.start,
        hash_start=0 if job.hash is None else job.hash.start,
    )


def _put_together(
    layout: Layout,
    data: Reader,
    hashes: Reader,
    results: list[Range],
    lost: list[tuple[int, int, str]],
) -> TreeCheck:
    slack = tuple(r.slack for r in results if isinstance(r, SlackResult) and r.slack is not None)
    if not layout.levels:
        return check_one_block(data, layout, slack)
    builder = TreeCheckBuilder(layout, hashes)
    for result in results:
        if isinstance(result, RangeCheck):
            builder.add(result)
    for first, last, reason in lost:
        if first >= 0:
            builder.add_unread(first, last, reason)
    return builder.finish(slack)


def _tree_of(job: VerityJob, walked: Sequence[Walked]) -> Walked | None:
    return next((one for one in walked if one.tree.scope == job.bank.scope), None)
