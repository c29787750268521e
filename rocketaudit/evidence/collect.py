"""From an opened source to evidence: walk, read every byte once, check the trees, ask the collectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from rocketaudit.errors import FormatError, SourceError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.identity import begin_content_check, checked_disk, identified, prepare_worker
from rocketaudit.evidence.language_packages import language_facts
from rocketaudit.evidence.schedule import WorkerFailure, run_tasks
from rocketaudit.evidence.shared_budget import SharedBudget
from rocketaudit.evidence.verity import plan_jobs
from rocketaudit.evidence.verity_check import check_ranges, finish_jobs
from rocketaudit.evidence.walking import Walked, walk_in_steps
from rocketaudit.model.bank_verity import BankVerity, Statement
from rocketaudit.model.binary import Binary
from rocketaudit.model.evidence import Coverage, Evidence, Gap, SignedBlob, Wants
from rocketaudit.model.fact import Fact, Key
from rocketaudit.model.files import FileRecord
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.package import Package
from rocketaudit.model.progress import Progress
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass
from rocketaudit.model.target import TargetKind, Tool
from rocketaudit.source.protocol import Source

if TYPE_CHECKING:
    from rocketaudit.evidence.reading import FileRead

BATCH_BYTES = 8 << 20
BATCH_FILES = 400
LARGE = 8 << 20
TASK_SECONDS = 300.0

S = TypeVar("S", Fact, Package, SignedBlob, Coverage, Gap)


@dataclass(frozen=True, slots=True)
class FileBatch:
    """Unique regular files `first` up to `last` of one walked tree, in the order they lie on the disk."""

    tree: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class InputDigest:
    """The SHA-256 of the input file as given."""


Task = FileBatch | InputDigest
Outcome: TypeAlias = "list[FileRead] | str"


@dataclass(slots=True)
class _Reads:
    """What reading gave, by (index of the tree, inode)."""

    files: dict[tuple[int, int], FileRead]
    digest: str | None = None


def collect(
    source: Source,
    wants: Wants,
    *,
    collectors: Iterable[Collector],
    workers: int,
    progress: Progress,
    tool: Tool,
    when: str,
    host: str = "",
    later: Sequence[Callable[[], object]] = (),
    keys: Callable[[], tuple[Key, ...]] | None = None,
) -> Evidence:
    """Everything that `wants` asks of `source`; what could not be read is in the evidence as unread or as a gap.

    `later` is called, one after the other, while the workers are busy: what the caller needs afterwards. `keys` is
    asked then for the keys that are wanted.
    """
    content = begin_content_check(source, workers)
    reader: Reader | None = getattr(source, "reader", None)
    jobs = plan_jobs(source.disk, reader, source.target.name, _running(source)) if wants.verity else []
    walked = [Walked(tree) for tree in source.trees]
    asked: list[Wants] = []

    def meanwhile() -> Iterator[None]:
        asked.append(wants if keys is None else replace(wants, keys=keys()))
        yield
        for name in ("rocketaudit.evidence.reading", "asn1crypto.x509"):  # all about programs, which no tree needs
            import_module(name)
        for one in walked:
            yield from walk_in_steps(one, source.budget)

    checked = check_ranges(source, jobs, workers=workers, progress=progress, meanwhile=meanwhile())
    (wants,) = asked
    verity = finish_jobs(jobs, checked, walked)
    take_verity: Callable[[Sequence[BankVerity]], None] | None = getattr(source, "take_verity", None)
    if take_verity is not None:
        take_verity(verity)
    seen: list[Seen] = []
    steps = chain(map(seen.append, _ask(collectors, source, wants)), (step() for step in later))
    reads = _read_files(source, walked, wants, workers, progress, steps)
    files, binaries = _assemble(walked, reads)
    seen.extend(language_facts(walked, reads.files))
    return Evidence(
        target=replace(identified(source, seen), digest=f"sha256:{reads.digest}" if reads.digest else None),
        judged=source.judged,
        facts=_of(Fact, seen),
        files=tuple(files),
        binaries=tuple(binaries),
        packages=_of(Package, seen),
        disk=checked_disk(source, content),
        verity=verity,
        blobs=_of(SignedBlob, seen),
        covered=_of(Coverage, seen),
        walked=tuple(one.tree.scope for one in walked if one.complete),
        gaps=source.gaps + tuple(gap for one in walked for gap in one.gaps) + _of(Gap, seen),
        collected_by=tool,
        when=when,
        host=host,
        sha512=wants.sha512,
    )


def _running(source: Source) -> Mapping[str, tuple[Statement, ...]]:
    """What a running kernel states of its root, by scope."""
    if source.target.kind is not TargetKind.NODE:
        return {}
    from rocketaudit.evidence.running_verity import running_statements  # and all that reads a node

    return running_statements(source)


def _read_files(
    source: Source,
    walked: list[Walked],
    wants: Wants,
    workers: int,
    progress: Progress,
    meanwhile: Iterator[object],
) -> _Reads:
    reads = _Reads({})
    digester: Callable[[], str] | None = getattr(source, "sha256", None)
    order = [_by_place(one) for one in walked]
    tasks: list[Task] = [task for index, picked in enumerate(order) for task in _batches(index, walked[index], picked)]
    if not (wants.digests or wants.binaries):
        tasks = []
    if wants.target_digest and digester is not None:
        tasks.insert(0, InputDigest())

    def work(_: None, task: Task) -> Outcome:
        if isinstance(task, InputDigest):
            return "" if digester is None else digester()
        from rocketaudit.evidence.reading import read_or_say_why  # loaded while trees were checked

        one = walked[task.tree]
        picked = order[task.tree][task.first : task.last]
        scope, fs = one.tree.scope, one.tree.fs
        return [read_or_say_why(fs, one.nodes[i], scope, one.records[i].path, wants) for i in picked]

    progress.phase("Reading files", len(tasks))
    prepare, shared = prepare_worker(source), SharedBudget(source.budget)

    def start() -> None:
        prepare()
        shared.join()

    try:
        for number, outcome in run_tasks(
            tasks,
            work,
            start=start,
            workers=workers,
            deadline=TASK_SECONDS,
            progress=progress.advance,
            meanwhile=meanwhile,
        ):
            _keep(reads, tasks[number], outcome, walked, order)
    finally:
        shared.close()
    from rocketaudit.evidence.reading import give_room_back

    give_room_back()
    return reads


def _by_place(one: Walked) -> list[int]:
    """Indices of the first name of every regular file, in the order of the disk, but large ones first.

    A large one takes the most memory, and what is known of the others then does not lie beside it yet.
    """
    first: dict[int, int] = {}
    for index, node in enumerate(one.nodes):
        if node.type is FileType.REGULAR:
            first.setdefault(node.number, index)
    return sorted(first.values(), key=lambda index: (one.nodes[index].size < LARGE, one.nodes[index].order))


def _batches(tree: int, one: Walked, picked: list[int]) -> Iterable[FileBatch]:
    start = size = 0
    for position, index in enumerate(picked):
        size += one.nodes[index].size
        if size >= BATCH_BYTES or position - start + 1 >= BATCH_FILES:
            yield FileBatch(tree, start, position + 1)
            start, size = position + 1, 0
    if start < len(picked):
        yield FileBatch(tree, start, len(picked))


def _keep(
    reads: _Reads, task: Task, outcome: Outcome | WorkerFailure, walked: list[Walked], order: list[list[int]]
) -> None:
    if isinstance(task, InputDigest):
        reads.digest = outcome if isinstance(outcome, str) and outcome else None
        return
    nodes = walked[task.tree].nodes
    picked = order[task.tree][task.first : task.last]
    if isinstance(outcome, list):
        for index, read in zip(picked, outcome, strict=True):
            reads.files[task.tree, nodes[index].number] = read
        return
    from rocketaudit.evidence.reading import FileRead

    reason = outcome.reason if isinstance(outcome, WorkerFailure) else "no answer"
    for index in picked:
        reads.files[task.tree, nodes[index].number] = FileRead(unread=f"a worker failed on its batch: {reason}")


def _assemble(walked: list[Walked], reads: _Reads) -> tuple[list[FileRecord], list[Binary]]:
    files: list[FileRecord] = []
    binaries: list[Binary] = []
    for index, one in enumerate(walked):
        for record, node in zip(one.records, one.nodes, strict=True):
            read = reads.files.get((index, node.number)) if node.type is FileType.REGULAR else None
            if read is None:
                files.append(record)
                continue
            files.append(with_content(record, read))
            if read.binary is not None:
                same = read.binary.path == record.path
                binaries.append(read.binary if same else replace(read.binary, path=record.path))
    return files, binaries


def with_content(record: FileRecord, read: FileRead) -> FileRecord:
    """The record of a walk with what reading its file gave; `replace` takes three times as long, thousands of times."""
    one = record
    return FileRecord(
        one.scope, one.path, one.type, one.mode, one.uid, one.gid, one.size, one.mtime, one.nlink, one.inode,
        one.target, one.rdev, one.xattrs, one.selinux, one.capability,
        read.sha256, read.sha512, read.content, read.interpreter, read.unread or one.unread,
    )  # fmt: skip


def _ask(collectors: Iterable[Collector], source: Source, wants: Wants) -> Iterable[Seen]:
    for collector in collectors:
        try:
            yield from collector.collect(source, wants)
        except (FormatError, SourceError, OSError) as error:
            yield Gap(source.judged, "", f"collector {collector.name}: {error}")


def _of(kind: type[S], seen: list[Seen]) -> tuple[S, ...]:
    return tuple(item for item in seen if isinstance(item, kind))
