"""Names what lies in a bad block: the file, the directory, or the metadata of its file system."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from rocketaudit.errors import FormatError
from rocketaudit.evidence.walking import Walked
from rocketaudit.model.bank_verity import BlockOwner
from rocketaudit.model.disk import Partition
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.verity import BadBlock, TreeCheck

MAX_OWNERS = 2000
MAX_FILES_OF_HASH_BLOCK = 50


@dataclass(frozen=True, slots=True, order=True)
class _Span:
    start: int
    end: int
    path: str
    logical: int  # -1: metadata, and `path` says which


def find_owners(
    check: TreeCheck | None, one: Walked | None, root: Partition | None, tree: Partition | None
) -> tuple[tuple[BlockOwner, ...], tuple[str, ...]]:
    """(owners of the bad blocks, what could not be mapped); offsets are bytes in the image."""
    if check is None or not check.bad_blocks:
        return (), ()
    spans, problems = _map(one)
    starts = [span.start for span in spans]
    longest = max((span.end - span.start for span in spans), default=0)
    size = check.parameters.data_block_size
    owners: list[BlockOwner] = []
    for block in check.bad_blocks:
        if len(owners) >= MAX_OWNERS:
            problems.append(f"only the first {MAX_OWNERS} owners of bad blocks are named")
            break
        first, end = block.first_data_block * size, (block.first_data_block + block.data_blocks) * size
        base = root if block.level == "data" else tree
        offset = block.offset + (0 if base is None else base.start)
        owners.extend(_owners_of(block, offset, _overlapping(spans, starts, longest, first, end), first))
    return tuple(owners), tuple(problems)


def _owners_of(block: BadBlock, offset: int, spans: Iterator[_Span], first: int) -> Iterator[BlockOwner]:
    found = False
    seen: set[str] = set()
    for span in spans:
        if span.path in seen:
            continue
        seen.add(span.path)
        found = True
        if len(seen) > MAX_FILES_OF_HASH_BLOCK:
            yield BlockOwner(block.level, block.block, offset, block.length, what="and more files")
            return
        if span.logical < 0:
            yield BlockOwner(block.level, block.block, offset, block.length, what=span.path)
            continue
        inside = span.logical + max(0, first - span.start)
        what = "" if block.level == "data" else "loses its protection"
        yield BlockOwner(block.level, block.block, offset, block.length, span.path, inside, what)
    if not found:
        yield BlockOwner(block.level, block.block, offset, block.length, what="free space or unmapped metadata")


def _overlapping(spans: list[_Span], starts: list[int], longest: int, first: int, end: int) -> Iterator[_Span]:
    index = bisect_right(starts, first - longest - 1)
    while index < len(spans) and spans[index].start < end:
        if spans[index].end > first:
            yield spans[index]
        index += 1


def _map(one: Walked | None) -> tuple[list[_Span], list[str]]:
    """Every stretch of the file system that we can name, sorted by where it begins."""
    if one is None:
        return [], ["the file system could not be opened, so bad blocks are not mapped to files"]
    spans: list[_Span] = []
    problems: list[str] = []
    seen: set[int] = set()
    for record, node in zip(one.records, one.nodes, strict=True):
        if node.number in seen or node.type not in (FileType.REGULAR, FileType.DIRECTORY, FileType.SYMLINK):
            continue
        seen.add(node.number)
        try:
            for extent in one.tree.fs.extents(node):
                if extent.physical is not None and extent.stored:
                    end = extent.physical + extent.stored
                    spans.append(_Span(extent.physical, end, record.path, extent.logical))
        except FormatError as error:
            problems.append(f"{record.path}: {error}")
    try:
        spans += [_Span(r.start, r.start + r.length, r.what, -1) for r in one.tree.fs.regions()]
    except FormatError as error:
        problems.append(f"metadata: {error}")
    return sorted(spans), problems
