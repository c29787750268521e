"""Where the ELF files come from: named files one by one, folders and images through the same walk as a scan."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from pathlib import Path

from rocketaudit.analysis.linking import Link, links
from rocketaudit.audit import TOOL
from rocketaudit.cli.elf_kernels import Kernel, kernels_of, read_kernel
from rocketaudit.cli.limits import bounds_of
from rocketaudit.cli.progress import shown_progress
from rocketaudit.errors import FormatError, SourceError
from rocketaudit.evidence.collect import collect
from rocketaudit.evidence.reading import MAX_ELF
from rocketaudit.formats.elf import Named, read_elf
from rocketaudit.formats.vmlinuz import is_vmlinuz
from rocketaudit.model import bytepath
from rocketaudit.model.binary import Binary
from rocketaudit.model.evidence import Evidence, Gap, Wants
from rocketaudit.model.records import dataclass
from rocketaudit.source.opening import open_target
from rocketaudit.source.protocol import Source

FILE_SCOPE = "file"


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read: processes (None: one per CPU), where images are expanded, the user's bounds."""

    workers: int | None = None
    tmp_dir: Path | None = None
    limits: Sequence[str] | None = None
    quiet: bool = True
    search: bool = True
    explain: str | None = None  # the path or name of the file whose tables are wanted too

    def is_explained(self, path: str) -> bool:
        return self.explain is not None and (path == self.explain or path.endswith("/" + self.explain.lstrip("/")))


@dataclass(frozen=True, slots=True)
class Placed:
    """What the file system says of a program, and where the libraries that it needs are in there."""

    mode: int
    uid: int
    gid: int
    setuid: bool
    setgid: bool
    capabilities: tuple[str, ...]
    selinux: str | None
    libraries: tuple[Link, ...]


# by scope and path, as the binaries have them; empty for files that were named one by one
Places = dict[tuple[str, str], Placed]


@dataclass(slots=True)
class Found:
    """Everything that the targets hold, and what could not be read."""

    binaries: list[Binary] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    places: Places = field(default_factory=dict)
    kernels: list[Kernel] = field(default_factory=list)
    structures: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # of explained files

    def take(self, one: Binary | Kernel | Gap) -> None:
        if isinstance(one, Binary):
            self.binaries.append(one)
        elif isinstance(one, Kernel):
            self.kernels.append(one)
        else:
            self.gaps.append(one)


def read_targets(targets: Iterable[str], reading: Reading) -> Found:
    """Every ELF file and kernel image of the targets; SourceError for a target that is not there."""
    found = Found()
    for target in targets:
        head = b"" if os.path.isdir(target) else head_of(target)
        if head.startswith(b"\x7fELF") or is_vmlinuz(head):
            one = read_file(target, search=reading.search)
            found.take(one)
            if isinstance(one, Binary) and reading.is_explained(one.path):
                found.structures[one.scope, one.path] = _tables(bytes_of(target))
        else:
            read_tree(Path(target), reading, found)
    return found


def head_of(path: str) -> bytes:
    """The first 4 KiB of a regular file; SourceError when it cannot be opened."""
    descriptor = open_regular(path)
    try:
        return os.pread(descriptor, 4096, 0)
    finally:
        os.close(descriptor)


def open_regular(path: str) -> int:
    """A descriptor of a regular file: links of the name that the user gave are resolved once, nothing else is opened.

    SourceError for what is missing or not a regular file; opening never blocks on a pipe or a device.
    """
    real = os.path.realpath(path)
    try:
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = "a link" if error.errno == errno.ELOOP else error.strerror
        raise SourceError(f"{path}: {reason}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceError(f"{path} is no regular file")
    return descriptor


def read_file(path: str, *, search: bool = True) -> Binary | Kernel | Gap:
    """One ELF file or kernel image, or why it could not be read."""
    name = bytepath.encode(os.fsencode(path))
    descriptor = open_regular(path)
    try:
        size = os.fstat(descriptor).st_size
        if size > MAX_ELF:
            return Gap(FILE_SCOPE, name, f"{size} bytes: programs over {MAX_ELF} are not looked into")
        data = _whole(descriptor, size)
        if is_vmlinuz(data[:4096]):
            return read_kernel(data, FILE_SCOPE, name)
        digest = hashlib.sha256(data).hexdigest()
        return read_elf(data, Named(FILE_SCOPE, name, digest), search=search)
    except FormatError as error:
        return Gap(FILE_SCOPE, name, error.message)
    except OSError as error:
        return Gap(FILE_SCOPE, name, error.strerror or "cannot be read")
    finally:
        os.close(descriptor)


def bytes_of(path: str) -> bytes:
    """A file of at most MAX_ELF bytes that was read before."""
    descriptor = open_regular(path)
    try:
        return _whole(descriptor, min(os.fstat(descriptor).st_size, MAX_ELF))
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _whole(descriptor: int, size: int) -> bytes:
    """All bytes; read, not mapped, since a mapped file that shrinks kills the reader."""
    parts: list[bytes] = []
    at = 0
    while at < size and (part := os.pread(descriptor, min(size - at, 1 << 30), at)):
        parts.append(part)
        at += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_tree(target: Path, reading: Reading, found: Found) -> None:
    """What a folder (with the folder before the paths) or all file systems of an image hold."""
    budget = bounds_of(reading.limits).budget()
    with shown_progress(quiet=reading.quiet) as progress:
        source = open_target(target, budget=budget, tmp_dir=reading.tmp_dir, progress=progress)
        try:
            evidence = collect(
                source,
                Wants(verity=False, search=reading.search),
                collectors=(),
                workers=reading.workers or len(os.sched_getaffinity(0)),
                progress=progress,
                tool=TOOL,
                when="",
            )
            kernels = list(kernels_of(source, evidence))
            base = bytepath.encode(os.fsencode(target)).rstrip("/") if target.is_dir() else ""
            _explain(source, evidence, base, reading, found)
        finally:
            source.close()
    for one in (*evidence.binaries, *evidence.gaps, *kernels):
        found.take(replace(one, path=base + one.path))
    for binary in evidence.binaries:
        if (placed := _placed(evidence, binary)) is not None:
            found.places[binary.scope, base + binary.path] = placed


def _explain(source: Source, evidence: Evidence, base: str, reading: Reading, found: Found) -> None:
    """Read the explained files of the trees again, for their tables."""
    trees = {tree.scope: tree for tree in source.trees}
    for binary in evidence.binaries:
        if reading.is_explained(base + binary.path) and binary.scope in trees:
            try:
                data = bytes(trees[binary.scope].read(binary.path, MAX_ELF))
            except (FormatError, SourceError, OSError, ValueError) as error:
                found.structures[binary.scope, base + binary.path] = [f"Tables: unread: {error}"]
            else:
                found.structures[binary.scope, base + binary.path] = _tables(data)


def _tables(data: bytes) -> list[str]:
    from rocketaudit.cli.elf_structure import structure  # slow to load, and only `--explain` wants it

    return structure(data)


def _placed(evidence: Evidence, binary: Binary) -> Placed | None:
    record = evidence.file(binary.path, binary.scope)
    if record is None:
        return None
    return Placed(
        record.mode,
        record.uid,
        record.gid,
        record.is_setuid,
        record.is_setgid,
        () if record.capability is None else record.capability.permitted,
        record.selinux,
        tuple(links(evidence, binary)),
    )
