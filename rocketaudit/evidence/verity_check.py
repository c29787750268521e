"""Checks the verity tree of every bank in worker processes, and names what lies in bad blocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from hashlib import sha256
from typing import TYPE_CHECKING, overload

from rocketaudit.errors import FormatError
from rocketaudit.evidence.identity import prepare_worker
from rocketaudit.evidence.schedule import WorkerFailure, run_tasks
from rocketaudit.evidence.verity import VerityJob
from rocketaudit.formats.verity_judge import TreeCheckBuilder, check_one_block, find_slack
from rocketaudit.formats.verity_tree import RangeCheck
from rocketaudit.formats.verity_tree import check_range as check_tree_range
from rocketaudit.model.bank_verity import BankVerity, BlockOwner
from rocketaudit.model.progress import Progress
from rocketaudit.model.reader import stored_extents
from rocketaudit.model.records import dataclass
from rocketaudit.model.verity import Slack, TreeCheck
from rocketaudit.source.protocol import Source

if TYPE_CHECKING:
    from rocketaudit.evidence.walking import Walked

TASK_SECONDS = 300.0
WINDOW = 256  # ranges that may be done before an earlier one is; they wait in memory


@dataclass(frozen=True, slots=True)
class SlackResult:
    """What lies in one stretch that no digest covers."""

    slack: Slack | None


Range = RangeCheck | SlackResult


@dataclass(frozen=True, slots=True)
class Task:
    """Hash blocks `first` to `last` (excluded) of a job's level 0; or (`stretch`) bytes that no digest covers."""

    job: int
    first: int
    last: int
    stretch: int | None = None


class Tasks(Sequence[Task]):
    """All tasks of all jobs, made when they are asked for: a large tree has millions."""

    def __init__(self, jobs: Sequence[VerityJob]) -> None:
        self.ranges = [job.ranges() for job in jobs]
        self.blocks = [
            0 if job.layout is None or not job.layout.levels else job.layout.levels[0].blocks for job in jobs
        ]
        self.stretches = [
            (number, stretch) for number, job in enumerate(jobs) for stretch in range(len(job.stretches()))
        ]

    def __len__(self) -> int:
        return sum(map(len, self.ranges)) + len(self.stretches)

    @overload
    def __getitem__(self, place: int) -> Task: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Task]: ...
    def __getitem__(self, place: int | slice) -> Task | Sequence[Task]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        for number, starts in enumerate(self.ranges):
            if place < len(starts):
                return Task(number, starts[place], min(starts[place] + starts.step, self.blocks[number]))
            place -= len(starts)
        job, stretch = self.stretches[place]
        return Task(job, 0, 0, stretch)


@dataclass(slots=True)
class CheckedTree:
    """One job's tree as far as it is checked; `unread` when the levels above the data's digests cannot be read."""

    builder: TreeCheckBuilder | None
    slack: list[Slack] = field(default_factory=list)
    unread: str | None = None

    def take(self, task: Task, outcome: Range | WorkerFailure) -> None:
        """Put one result where it belongs; what no worker could check stays unread."""
        try:
            if isinstance(outcome, SlackResult):
                self.slack += [] if outcome.slack is None else [outcome.slack]
            elif self.builder is None or self.unread is not None or task.stretch is not None:
                return
            elif isinstance(outcome, WorkerFailure):
                self.builder.add_unread(task.first, task.last, outcome.reason)
            else:
                self.builder.add(outcome)
        except FormatError as error:
            self.unread = f"the hash tree could not be read: {error}"


CheckedRanges = Mapping[int, CheckedTree]


def check_ranges(
    source: Source,
    jobs: Sequence[VerityJob],
    *,
    workers: int,
    progress: Progress,
    meanwhile: Iterable[object] = (),
) -> CheckedRanges:
    """Recompute all trees, 8 MiB of data a task; `meanwhile` is what this process does while its workers do that."""
    tasks = Tasks(jobs)
    checked = {number: CheckedTree(_builder_of(job)) for number, job in enumerate(jobs)}

    def work(_: None, task: Task) -> Range:
        return check_range(jobs[task.job], task)

    progress.phase("Checking verity" if tasks else "Listing files", len(tasks))
    for place, outcome in run_tasks(
        tasks,
        work,
        start=prepare_worker(source),
        workers=workers,
        deadline=TASK_SECONDS,
        progress=progress.advance,
        meanwhile=meanwhile,
        window=WINDOW,
    ):
        task = tasks[place]
        checked[task.job].take(task, outcome)
    return checked


def _builder_of(job: VerityJob) -> TreeCheckBuilder | None:
    if job.layout is None or job.hashes is None or not job.layout.levels:
        return None
    return TreeCheckBuilder(job.layout, job.hashes)


def check_range(job: VerityJob, task: Task) -> Range:
    """One task; run in a worker. Of a stretch without digests: what is not zero there."""
    assert job.layout is not None and job.data is not None and job.hashes is not None
    if task.stretch is None:
        return check_tree_range(job.data, job.hashes, job.layout, task.first, task.last)
    what, start, end = job.stretches()[task.stretch]
    device, _, text = what.partition(":")
    reader = job.data if device == "data" else job.hashes
    extents = stored_extents(reader, start, end)
    found = [slack for begin, finish in extents if (slack := find_slack(reader, begin, finish, text)) is not None]
    return SlackResult(_joined(text, found) if found else None)


def _joined(what: str, found: Sequence[Slack]) -> Slack:
    """Several stretches as one."""
    digest = found[0].sha256 if len(found) == 1 else sha256("".join(one.sha256 for one in found).encode()).hexdigest()
    return Slack(what, found[0].first, found[-1].last, sum(one.count for one in found), digest)


def finish_jobs(jobs: Sequence[VerityJob], checked: CheckedRanges, walked: Sequence[Walked]) -> tuple[BankVerity, ...]:
    """The checks, bank by bank, with a name for what lies in every bad block."""
    return tuple(_finish(job, checked.get(number), walked) for number, job in enumerate(jobs))


def _finish(job: VerityJob, tree: CheckedTree | None, walked: Sequence[Walked]) -> BankVerity:
    check: TreeCheck | None = None
    unread = job.unread
    if tree is not None and tree.unread is not None:
        unread = tree.unread
    elif tree is not None and job.layout is not None and job.data is not None:
        try:
            slack = tuple(tree.slack)
            check = check_one_block(job.data, job.layout, slack) if tree.builder is None else tree.builder.finish(slack)
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


def _tree_of(job: VerityJob, walked: Sequence[Walked]) -> Walked | None:
    return next((one for one in walked if one.tree.scope == job.bank.scope), None)
