"""Evidence of the banks alone: their trees, and which release each holds. Files are walked only to name bad blocks."""

from __future__ import annotations

from collections.abc import Callable

from rocketaudit.evidence import os_release, updates
from rocketaudit.evidence.identity import checked_disk, identified, prepare_worker
from rocketaudit.evidence.schedule import WorkerFailure, run_tasks
from rocketaudit.evidence.verity import RangeResult, VerityJob, check_range, finish_jobs, plan_jobs
from rocketaudit.evidence.walking import walk_tree
from rocketaudit.model.evidence import Coverage, Evidence, SignedBlob, Wants
from rocketaudit.model.fact import Fact
from rocketaudit.model.progress import Progress
from rocketaudit.model.reader import Reader
from rocketaudit.source.protocol import Source

TASK_SECONDS = 300.0


def collect_banks(source: Source, *, workers: int, progress: Progress) -> Evidence:
    """The checks of every bank's tree and os-release of each; a range that no worker could check is unread."""
    reader: Reader | None = getattr(source, "reader", None)
    jobs = plan_jobs(source.disk, reader, source.target.name)
    ranges, lost = _check(source, jobs, workers, progress)
    verity = finish_jobs(jobs, ranges, lost, ())
    if any(bank.check is not None and bank.check.bad_blocks for bank in verity):
        progress.phase("Naming the files of bad blocks", 0)
        verity = finish_jobs(jobs, ranges, lost, [walk_tree(tree, source.budget) for tree in source.trees])
    seen = [*os_release.STATIC.collect(source, Wants()), *updates.STATIC.collect(source, Wants())]
    return Evidence(
        target=identified(source, seen),
        judged=source.judged,
        facts=tuple(item for item in seen if isinstance(item, Fact)),
        disk=checked_disk(source),
        verity=verity,
        covered=tuple(item for item in seen if isinstance(item, Coverage)),
        gaps=source.gaps,
        blobs=tuple(item for item in seen if isinstance(item, SignedBlob)),
    )


def _check(
    source: Source, jobs: list[VerityJob], workers: int, progress: Progress
) -> tuple[dict[int, list[RangeResult]], dict[int, list[tuple[int, int, str]]]]:
    """(results, ranges that failed with the reason), both by the number of the job."""
    tasks = [(number, first, last) for number, job in enumerate(jobs) for first, last in job.ranges()]
    ranges: dict[int, list[RangeResult]] = {}
    lost: dict[int, list[tuple[int, int, str]]] = {}

    def work(_: None, task: tuple[int, int, int]) -> RangeResult:
        number, first, last = task
        return check_range(jobs[number], first, last)

    start: Callable[[], None] = prepare_worker(source)
    progress.phase("Checking verity", len(tasks))
    for place, outcome in run_tasks(
        tasks, work, start=start, workers=workers, deadline=TASK_SECONDS, progress=progress.advance
    ):
        number, first, last = tasks[place]
        if isinstance(outcome, WorkerFailure):
            lost.setdefault(number, []).append((first, last, outcome.reason))
        else:
            ranges.setdefault(number, []).append(outcome)
    return ranges, lost
