"""FAT12, FAT16 and FAT32 with long names, read only (Microsoft's FAT specification 1.03).

The EFI system partition of 5 MiB is FAT12. FAT has no owners or modes: 0:0 and 0755 (0555 when read-only),
as Linux mounts it by default.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from rocketaudit.errors import BudgetError, FormatError, TruncatedError
from rocketaudit.formats.fat.boot_sector import is_fat, parse_boot_sector
from rocketaudit.formats.fat.directory import (
    ATTRIBUTE_DIRECTORY,
    ATTRIBUTE_LABEL,
    ATTRIBUTE_READ_ONLY,
    DirectoryEntry,
    LongName,
    check_name,
    parse_entries,
)
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import BadNode, Extent, FileType, Node, Region
from rocketaudit.model.reader import Reader, stored_bytes

__all__ = ["Fat", "is_fat", "open_fat"]

_PIECE = 4 << 20
_LARGEST_DIRECTORY = 2 << 20  # 65,536 entries, the specification's limit
_FOLDER_NUMBERS = 1 << 40  # folders are numbered by cluster, so that a loop meets the same number again
_NO_DATA = 1 << 62
_FAT_PAGE = 64 << 10
_MOST_PAGES = 64
_MOST_COMPARED = 8 << 20


class Start(NamedTuple):
    """A node's own part: its first cluster and where its directory entry lies."""

    cluster: int
    at: int


def open_fat(reader: Reader, budget: Budget) -> Fat:
    """Open the file system that starts at byte 0 of the reader, or raise FormatError."""
    return Fat(reader, budget)


class Fat:
    """The FileSystem of FAT; `features` holds which of the three it is."""

    kind = "fat"

    def __init__(self, reader: Reader, budget: Budget) -> None:
        if reader.size < 512:
            raise TruncatedError(f"{reader.size} bytes are too few for a FAT boot sector", offset=0)
        boot = bytes(reader.read(0, 512))
        if boot[510:512] != b"\x55\xaa":
            raise FormatError("no FAT boot sector: the signature is missing", offset=510)
        self._reader = reader
        self._budget = budget
        budget.allow(stored_bytes(reader))
        self.geometry = geometry = parse_boot_sector(boot)
        self._pages: dict[int, bytes] = {}
        self._largest = max(budget.entry_bytes, 4 * reader.size)
        extended = 64 if geometry.bits == 32 else 36
        serial = struct.unpack_from("<I", boot, extended + 3)[0] if boot[extended + 2] in (0x28, 0x29) else 0
        self.uuid = f"{serial >> 16:04X}-{serial & 0xFFFF:04X}"
        stated = boot[extended + 7 : extended + 18] if boot[extended + 2] == 0x29 else b""
        self.label = stated.rstrip(b" \0").decode("cp437")
        self.features: tuple[str, ...] = (f"fat{geometry.bits}",)
        self.warnings = tuple(self._warnings(boot[extended + 1]))

    def _warnings(self, state: int) -> Iterator[str]:
        geometry = self.geometry
        if geometry.size > self._reader.size:
            yield f"truncated: {geometry.size - self._reader.size} bytes of the file system are missing"
        if state & 1:
            yield "not cleanly unmounted"
        if geometry.fats > 1 and geometry.fat_size * geometry.fats <= _MOST_COMPARED:
            try:
                first = bytes(self._reader.read(geometry.fat_at, geometry.fat_size))
                for copy in range(1, geometry.fats):
                    at = geometry.fat_at + copy * geometry.fat_size
                    if bytes(self._reader.read(at, geometry.fat_size)) != first:
                        yield f"allocation table {copy + 1} differs from the first"
            except TruncatedError:
                yield "allocation tables lie after the end of the image"

    def root(self) -> Node:
        cluster = self.geometry.root_cluster
        return self._node(DirectoryEntry(b"", ATTRIBUTE_DIRECTORY, cluster, 0, 0, self.geometry.root_at), is_root=True)

    def _node(self, entry: DirectoryEntry, *, is_root: bool = False) -> Node:
        is_folder = bool(entry.attributes & ATTRIBUTE_DIRECTORY)
        cluster = entry.cluster
        if cluster and not 2 <= cluster < self.geometry.clusters + 2:
            raise FormatError(f"starts at cluster {cluster} of {self.geometry.clusters}", offset=entry.at)
        if is_folder and not cluster and not is_root:
            raise FormatError("a folder that starts nowhere", offset=entry.at)
        return Node(
            number=_FOLDER_NUMBERS + cluster if is_folder else entry.at // 32,
            type=FileType.DIRECTORY if is_folder else FileType.REGULAR,
            mode=0o555 if entry.attributes & ATTRIBUTE_READ_ONLY else 0o755,
            uid=0,
            gid=0,
            size=0 if is_folder else entry.size,
            mtime=entry.mtime,
            mtime_ns=0,
            nlink=1,
            rdev=None,
            order=self._address(cluster) if cluster else _NO_DATA,
            handle=Start(cluster, entry.at),
        )

    def entries(self, directory: Node) -> Iterator[tuple[bytes, Node | BadNode]]:
        """Names (UTF-8) and nodes in on-disk order; an impossible name is raised after the last entry."""
        if directory.type is not FileType.DIRECTORY:
            raise FormatError(f"entry {directory.number} is not a folder")
        damage: FormatError | None = None
        for entry in self._raw_entries(directory):
            if entry.attributes & ATTRIBUTE_LABEL or entry.name in (b".", b".."):
                continue
            try:
                check_name(entry)
            except FormatError as error:
                damage = damage or error
                continue
            try:
                node: Node | BadNode = self._node(entry)
            except FormatError as error:
                node = BadNode(entry.at // 32, str(error))
            yield entry.name, node
        if damage:
            raise damage

    def _raw_entries(self, directory: Node) -> Iterator[DirectoryEntry]:
        long_name = LongName()
        for extent in self._folder_extents(directory):
            assert extent.physical is not None
            raw = bytes(self._reader.read(extent.physical, extent.length))
            self._budget.enter(len(raw) >> 8 or 1)
            for entry in parse_entries(raw, extent.physical, wide=self.geometry.bits == 32, earlier=long_name):
                if entry is None:
                    return
                yield entry

    def _folder_extents(self, directory: Node) -> Iterator[Extent]:
        start = _start_of(directory)
        if start.cluster == 0:
            size = self.geometry.root_size
            yield Extent(0, size, self.geometry.root_at, size)
            return
        seen: set[int | None] = set()
        length = 0
        for extent in self._runs(start, self.geometry.clusters + 1):
            length += extent.length
            if extent.physical in seen or length > max(_LARGEST_DIRECTORY, self.geometry.cluster_size):
                raise FormatError("a folder of more than 65,536 entries, or a loop", offset=start.at)
            seen.add(extent.physical)
            yield extent

    def chunks(self, node: Node) -> Iterator[bytes | memoryview]:
        """The file's bytes in pieces of at most 4 MiB; FormatError where its cluster chain ends early."""
        return self._read_pieces(node, 0, node.size)

    def read(self, node: Node, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0:
            raise ValueError(f"read of {length} bytes at {offset}")
        length = max(0, min(length, node.size - offset))
        if length > self._budget.entry_bytes:
            raise BudgetError(f"entry {node.number}: a read of {length} bytes")
        return b"".join(self._read_pieces(node, offset, offset + length))

    def _read_pieces(self, node: Node, start: int, end: int) -> Iterator[bytes | memoryview]:
        if start >= end:
            return
        for extent in self.extents(node):
            assert extent.physical is not None
            at = max(start, extent.logical)
            stop = min(end, extent.logical + extent.length)
            while at < stop:
                piece = min(stop - at, _PIECE)
                self._budget.check_time()
                self._budget.give(piece)  # chains of many files may be the same
                yield self._reader.read(extent.physical + at - extent.logical, piece)
                at += piece
            if stop >= end:
                return

    def target(self, node: Node) -> bytes:
        raise FormatError(f"entry {node.number}: FAT has no symbolic links")

    def xattrs(self, node: Node) -> tuple[tuple[bytes, bytes], ...]:
        _start_of(node)
        return ()

    def extents(self, node: Node) -> Iterator[Extent]:
        """Runs of clusters that follow each other on the disk; FormatError where the chain ends early."""
        if node.size > self._largest:
            raise BudgetError(f"entry {node.number} claims {node.size} bytes", offset=_start_of(node).at)
        given = 0
        if node.size > self.geometry.clusters * self.geometry.cluster_size:
            raise FormatError(f"a file of {node.size} bytes has no room", offset=_start_of(node).at)
        if node.size:
            start = _start_of(node)
            for run in self._runs(start, -(-node.size // self.geometry.cluster_size)):
                length = min(run.length, node.size - given)
                yield Extent(given, length, run.physical, length)
                given += length
            if given < node.size:
                raise FormatError(f"cluster chain ends after {given} of {node.size} bytes", offset=start.at)

    def _address(self, cluster: int) -> int:
        return self.geometry.data_at + (cluster - 2) * self.geometry.cluster_size

    def _runs(self, start: Start, most: int) -> Iterator[Extent]:
        """At most `most` clusters of a chain, consecutive ones as one extent of at most 4 MiB or one cluster."""
        geometry = self.geometry
        size = geometry.cluster_size
        per_run = max(1, _PIECE // size)
        cluster, logical = start.cluster, 0
        while cluster and most > 0:
            first, count = cluster, 1
            cluster = self._next(cluster, start)
            while count < min(per_run, most) and cluster == first + count:
                cluster = self._next(cluster, start)
                count += 1
            most -= count
            yield Extent(logical, count * size, self._address(first), count * size)
            logical += count * size
            self._budget.check_time()

    def _next(self, cluster: int, start: Start) -> int:
        """The cluster after this one, or 0 at the end of the chain."""
        bits = self.geometry.bits
        at = cluster * bits // 8
        raw = int.from_bytes(self._fat_bytes(at, 2 if bits < 32 else 4), "little")
        if bits == 12:
            raw = raw >> 4 if cluster & 1 else raw & 0xFFF
        elif bits == 32:
            raw &= 0x0FFFFFFF
        if raw >= (0x0FFFFFF8 if bits == 32 else (1 << bits) - 8):
            return 0
        if not 2 <= raw < self.geometry.clusters + 2:
            raise FormatError(f"cluster {cluster} is followed by {raw}", offset=start.at)
        return raw

    def _fat_bytes(self, at: int, count: int) -> bytes:
        page, within = divmod(at, _FAT_PAGE)
        found = self._pages.get(page)
        if found is None:
            geometry = self.geometry
            offset = page * _FAT_PAGE
            # one byte more than a page, because entries of 12 bits cross its end
            length = min(_FAT_PAGE + 1, geometry.fat_size - offset)
            found = bytes(self._reader.read(geometry.fat_at + offset, length))
            if len(self._pages) >= _MOST_PAGES:
                del self._pages[next(iter(self._pages))]
            self._pages[page] = found
        return found[within : within + count]

    def regions(self) -> Iterator[Region]:
        """Boot sectors, allocation tables and folders; a folder that cannot be read is left out."""
        geometry = self.geometry
        yield Region(0, geometry.fat_at, "boot sectors")
        for number in range(geometry.fats):
            at = geometry.fat_at + number * geometry.fat_size
            yield Region(at, geometry.fat_size, f"allocation table {number + 1}")
        waiting: list[tuple[str, Node]] = [("/", self.root())]
        seen: set[int] = set()
        while waiting:
            path, folder = waiting.pop()
            if folder.number in seen:
                continue
            seen.add(folder.number)
            try:
                for extent in self._folder_extents(folder):
                    assert extent.physical is not None
                    yield Region(extent.physical, extent.length, f"directory {path}")
                for name, node in self.entries(folder):
                    if isinstance(node, Node) and node.type is FileType.DIRECTORY:
                        waiting.append((f"{path.rstrip('/')}/{name.decode('utf-8', 'replace')}", node))
            except BudgetError:
                raise
            except FormatError:
                continue


def _start_of(node: Node) -> Start:
    if not isinstance(node.handle, Start):
        raise TypeError(f"node {node.number} is not of a FAT file system")
    return node.handle
