"""Chooses the parameters by which a bank's tree is recomputed: what binds the kernel, tried on a sample first."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from rocketaudit.errors import FormatError
from rocketaudit.formats.verity import Layout, layout_of, new_hash
from rocketaudit.formats.verity_tree import Digester
from rocketaudit.model.bank_verity import Statement
from rocketaudit.model.reader import Reader, knows_holes, stored_extents
from rocketaudit.model.verity import VerityParameters

if TYPE_CHECKING:
    from rocketaudit.evidence.verity import VerityJob

# a sparse image can claim any size: a partition beyond the first is checked when its tree is there at all, one beyond
# the second only where the reader tells holes
SPARSE, LARGE = 16 << 30, 1 << 40


def choose_layout(job: VerityJob) -> None:
    """Check by what binds the kernel, unless only the superblock's parameters reproduce the stored tree."""
    assert job.data is not None and job.hashes is not None
    stated_root = next((s.parameters.root_hash for s in job.statements if s.parameters.root_hash), "")
    matches: list[str] = []
    layouts: list[tuple[Statement, Layout, str | None]] = []
    failure: str | None = None
    for statement in job.statements:
        if not statement.parameters.algorithm:
            continue
        try:
            layout = layout_of(_with_root(statement.parameters, stated_root))
            layout.check_sizes(job.data.size, job.hashes.size)
            _check_is_stored(job.data, job.hashes, layout)
            matched, top = _sample(job.data, job.hashes, layout)
        except FormatError as error:
            failure = failure or f"{statement.source}: {error}"
            continue
        if not stated_root and top is not None:  # nobody states a root hash: the tree can only bear itself out
            layout = layout_of(replace(layout.parameters, root_hash=top))
        layouts.append((statement, layout, top))
        if matched:
            matches.append(statement.source)
    job.tree_matches = tuple(matches)
    if not layouts:
        job.unread = failure or "no place states a usable verity tree"
        return
    binding = [item for item in layouts if item[0].binds_kernel] or layouts
    matching = [item for item in layouts if item[0].source in matches]
    chosen = binding[0] if binding[0] in matching or not matching else matching[0]
    job.layout, job.stored_root = chosen[1], chosen[2]


def _check_is_stored(data: Reader, hashes: Reader, layout: Layout) -> None:
    """FormatError for a large partition whose tree lies in a hole: naming each block would take hours or days."""
    largest = max(data.size, hashes.size)
    if largest <= SPARSE:
        return
    if largest > LARGE and not (knows_holes(data) and knows_holes(hashes)):
        raise FormatError(f"a partition of {largest} bytes, at most {LARGE} are checked where holes cannot be told")
    size = layout.parameters.hash_block_size
    place = layout.parameters.hash_start_block * size
    end_of_all = (layout.tree_end, layout.tree_end)
    for begin, end in chain(stored_extents(hashes, place, layout.tree_end), (end_of_all,)):
        if begin - place >= size:
            raise FormatError(
                f"{layout.parameters.data_blocks} data blocks, but no tree for them is stored", offset=place
            )
        place = end


def _with_root(parameters: VerityParameters, root_hash: str) -> VerityParameters:
    if parameters.root_hash:
        return parameters
    size = new_hash(parameters.algorithm).digest_size
    fits = len(root_hash) == 2 * size
    return replace(parameters, root_hash=root_hash if fits else "00" * size)


def _sample(data: Reader, hashes: Reader, layout: Layout) -> tuple[bool, str | None]:
    """Whether a few leaves fit the stored tree by these parameters, and the digest of the stored top block."""
    digester = Digester(layout)
    size, slot = layout.parameters.data_block_size, layout.slot_size
    if not layout.levels:
        return digester.digest(data.read(0, size)) == layout.root_hash, None
    hash_size = layout.parameters.hash_block_size
    blocks = layout.parameters.data_blocks
    hits = 0
    for block in {0, 1, blocks // 3, blocks // 2, blocks - 1}:
        number, index = divmod(block, layout.per_block)
        stored = hashes.read(layout.offset_of(0, number) + index * slot, layout.digest_size)
        hits += digester.digest(data.read(block * size, size)) == bytes(stored)
    top = digester.digest(hashes.read(layout.offset_of(len(layout.levels) - 1, 0), hash_size))
    return hits * 2 > min(5, blocks), top.hex()
