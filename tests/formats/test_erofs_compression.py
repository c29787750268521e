from __future__ import annotations

import struct
import time
import tracemalloc

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import BudgetError, FormatError, UnsupportedError
from rocketaudit.formats.erofs import Erofs, open_erofs
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import BadNode, Extent, Node
from rocketaudit.model.reader import BytesReader
from tests.formats import erofs_builder
from tests.formats.erofs_builder import (
    BLOCK,
    CHUNKED,
    DEFLATE,
    FULL,
    INLINE,
    LZ4,
    LZMA,
    META_BLOCKS,
    PLAIN,
    ZSTD,
    Builder,
    compress,
    full_index,
    map_header,
    padded,
)
from tests.formats.tree_checks import content, exercise

TEXT = b"".join(b"line %d of a text that repeats itself\n" % number for number in range(260))[:10_000]
HEAD_PLAIN, HEAD_1, NONHEAD, HEAD_2 = range(4)
ALGORITHMS = pytest.mark.parametrize("algorithm", [LZ4, LZMA, DEFLATE, ZSTD], ids=["lz4", "lzma", "deflate", "zstd"])
METABOX = 1 << 63


def opened(builder: Builder, budget: Budget | None = None) -> Erofs:
    return open_erofs(BytesReader(memoryview(builder.image())), budget or Budget())


def the_file(fs: Erofs, name: bytes = b"file") -> Node:
    node = dict(fs.entries(fs.root()))[name]
    assert isinstance(node, Node), node
    return node


def whole(builder: Builder, name: bytes = b"file") -> bytes:
    fs = opened(builder)
    return content(fs, the_file(fs, name))


def compressed(builder: Builder, algorithm: int, data: bytes = TEXT, name: bytes | None = b"file") -> int:
    """A file that is one extent of one pcluster of one block."""
    stored = padded(compress(algorithm, data))
    assert len(stored) == BLOCK
    first = builder.block(stored)
    rest = [(NONHEAD, 0, distance) for distance in range(1, -(-len(data) // BLOCK))]
    body = full_index(map_header(algorithms=algorithm), (HEAD_1, 0, first), *rest)
    return builder.inode(FULL, len(data), body, name=name)


@ALGORITHMS
def test_every_algorithm_decodes_to_its_text(algorithm: int) -> None:
    builder = Builder()
    compressed(builder, algorithm)
    assert whole(builder) == TEXT


@ALGORITHMS
def test_damaged_data_of_every_algorithm_is_a_format_error_that_names_inode_and_byte(algorithm: int) -> None:
    builder = Builder()
    compressed(builder, algorithm)
    builder.data[BLOCK - 200 : BLOCK] = b"\xa5" * 200
    fs = opened(builder)
    with pytest.raises(FormatError, match=r"EROFS inode \d+, byte 0: EROFS \w+ data .*\(byte 36864\)"):
        content(fs, the_file(fs))


def test_big_pclusters_of_the_second_algorithm_take_as_many_blocks_as_the_index_says() -> None:
    noise = b"".join(struct.pack("<Q", number * 0x9E3779B97F4A7C15 & (1 << 64) - 1) for number in range(4000))
    builder = Builder(incompat=3)
    stored = padded(compress(ZSTD, noise))
    blocks = len(stored) // BLOCK
    assert blocks > 2
    first = builder.block(stored)
    count = -(-len(noise) // BLOCK)
    entries = [(HEAD_2, 0, first), (NONHEAD, 0, 0x800 | blocks), *((NONHEAD, 0, n) for n in range(2, count))]
    header = map_header(advise=0x04, algorithms=LZ4 | ZSTD << 4)
    builder.inode(FULL, len(noise), full_index(header, *entries), name=b"file")
    fs = opened(builder)
    assert content(fs, the_file(fs)) == noise
    assert list(fs.extents(the_file(fs))) == [Extent(0, len(noise), first * BLOCK, blocks * BLOCK)]


def test_extents_start_anywhere_in_an_lcluster_and_plain_ones_may_be_rotated() -> None:
    plain = bytes(range(256)) * 16
    for advise in (0, 0x10):
        builder = Builder()
        head = TEXT[:5000]
        first = builder.block(padded(compress(LZ4, head)))
        # interlaced: byte n of the file lies at n modulo the block
        skip = 5000 % BLOCK
        second = builder.block(plain[-skip:] + plain[:-skip] if advise else plain)
        third = builder.block(padded(compress(LZ4, TEXT[:900])))
        index = full_index(
            map_header(advise=advise), (HEAD_1, 0, first), (HEAD_PLAIN, skip, second), (HEAD_1, skip, third)
        )
        builder.inode(FULL, 5000 + len(plain) + 900, index, name=b"file")
        assert whole(builder) == head + plain + TEXT[:900]


@ALGORITHMS
def test_a_tail_packed_behind_its_index_is_read_from_there(algorithm: int) -> None:
    builder = Builder(incompat=0x11)
    stored = compress(algorithm, TEXT)
    index = full_index(
        map_header(low=len(stored) << 16, advise=0x08, algorithms=algorithm),
        (HEAD_1, 0, 0),
        (NONHEAD, 0, 1),
        (NONHEAD, 0, 2),
    )
    nid = builder.inode(FULL, len(TEXT), index + stored, name=b"file")
    fs = opened(builder)
    assert content(fs, the_file(fs)) == TEXT
    place = BLOCK + 32 * nid + 64 + len(index)
    assert list(fs.extents(the_file(fs))) == [Extent(0, len(TEXT), place, len(stored))]


def fragments(builder: Builder) -> None:
    """A packed inode of two extents; "whole" lies across both, "tail" ends in the second."""
    first = builder.block(padded(compress(ZSTD, TEXT[:BLOCK])))
    second = builder.block(padded(compress(ZSTD, TEXT[BLOCK:])))
    packed_index = full_index(map_header(algorithms=ZSTD), (HEAD_1, 0, first), (HEAD_1, 0, second), (NONHEAD, 0, 1))
    builder.packed = builder.inode(FULL, len(TEXT), packed_index)
    whole_header = struct.pack("<Q", 1 << 63 | 4000)
    builder.inode(FULL, 300, whole_header, name=b"whole")
    own = builder.block(padded(compress(LZ4, TEXT[:BLOCK])))
    tail_index = full_index(map_header(low=5000, advise=0x20), (HEAD_1, 0, own), (HEAD_1, 0, 0))
    builder.inode(FULL, BLOCK + 700, tail_index, name=b"tail")


def test_fragments_come_from_the_packed_inode_and_name_the_blocks_they_lie_in() -> None:
    builder = Builder(incompat=0x21)
    fragments(builder)
    fs = opened(builder)
    assert content(fs, the_file(fs, b"whole")) == TEXT[4000:4300]
    assert content(fs, the_file(fs, b"tail")) == TEXT[:BLOCK] + TEXT[5000:5700]
    packed = 1 + META_BLOCKS
    assert list(fs.extents(the_file(fs, b"whole"))) == [
        Extent(0, 96, packed * BLOCK, BLOCK),
        Extent(96, 204, (packed + 1) * BLOCK, BLOCK),
    ]


def test_a_fragment_past_the_packed_inode_or_inside_it_is_refused() -> None:
    builder = Builder(incompat=0x21)
    builder.packed = builder.inode(FULL, 500, struct.pack("<Q", 1 << 63 | 7), name=b"packed")
    builder.inode(FULL, 300, struct.pack("<Q", 1 << 63 | 400), name=b"past")
    fs = opened(builder)
    with pytest.raises(FormatError, match="inside the packed inode"):
        content(fs, the_file(fs, b"packed"))
    with pytest.raises(FormatError, match="past the packed 500 bytes"):
        content(fs, the_file(fs, b"past"))
    builder.packed = 0
    fs = opened(builder)
    with pytest.raises(FormatError, match="no packed inode"):
        content(fs, the_file(fs, b"past"))


@ALGORITHMS
def test_a_deduplicated_extent_takes_only_the_start_of_what_its_block_decodes_to(algorithm: int) -> None:
    builder = Builder(incompat=0x21)
    first = builder.block(padded(compress(algorithm, TEXT)))
    index = full_index(map_header(algorithms=algorithm), (HEAD_1 | 0x8000, 0, first))
    builder.inode(FULL, 1234, index, name=b"file")
    assert whole(builder) == TEXT[:1234]


@pytest.mark.parametrize("size", [4, 8, 16, 32])
def test_extent_records_of_every_size_are_read(size: int) -> None:
    builder = Builder(incompat=0x81)
    parts = [TEXT[:BLOCK], TEXT[BLOCK : 2 * BLOCK], TEXT[2 * BLOCK :]]
    stored = [padded(compress(ZSTD, part)) for part in parts]
    first = builder.block(stored[0])
    for part in stored[1:]:
        builder.block(part)
    record_bits = {4: 0, 8: 1, 16: 2, 32: 3}[size] << 1
    word = (ZSTD + 1) << 28 | BLOCK
    records = b""
    for number in range(3):
        place, logical = (first + number) * BLOCK, number * BLOCK
        row = struct.pack("<IIIIII8x", word, place, 0, logical, 0, 0)
        records += row[:size]
    if size == 4:
        records = struct.pack("<Q", first * BLOCK) + records
    header = map_header(low=3 if size > 8 else 0, advise=1 | record_bits)
    at = 64 + 8
    nid = len(builder.metadata) // 32 + (len(builder.metadata) % 32 > 0)
    gap = -(32 * nid + at) % size
    builder.inode(FULL, len(TEXT), header + bytes(gap) + records, name=b"file")
    assert whole(builder) == TEXT


def test_extent_records_know_holes_fragments_and_plain_bytes() -> None:
    builder = Builder(incompat=0xA1)
    fragments(builder)
    plain = builder.block(TEXT[:BLOCK])
    rows = struct.pack("<IIII", BLOCK, plain * BLOCK, 0, 0)
    rows += struct.pack("<IIII", 0, 0, 0, BLOCK)
    rows += struct.pack("<IIII", 77, 0, 0, 3 * BLOCK)
    nid = len(builder.metadata) // 32 + (len(builder.metadata) % 32 > 0)
    gap = -(32 * nid + 72) % 16
    header = map_header(low=3, advise=1 | 2 << 1 | 0x20)
    builder.inode(FULL, 3 * BLOCK + 100, header + bytes(gap) + rows, name=b"file")
    assert whole(builder) == TEXT[:BLOCK] + bytes(2 * BLOCK) + TEXT[77:177]


def test_inodes_in_the_metabox_are_read_even_when_it_is_compressed() -> None:
    builder = Builder(incompat=0x181)
    data = builder.block(TEXT)
    inner = Builder()
    inner.inode(PLAIN, len(TEXT), union=data)
    inner.inode(INLINE, 5, b"short")
    boxed = bytes(inner.metadata)
    builder.metabox = compressed(builder, ZSTD, boxed, name=None)
    builder.names[b"file"] = METABOX | 1
    builder.names[b"short"] = METABOX | 3
    builder.names[b"outside"] = METABOX | 4000
    fs = opened(builder)
    assert content(fs, the_file(fs)) == TEXT
    assert content(fs, the_file(fs, b"short")) == b"short"
    assert list(fs.extents(the_file(fs, b"short"))) == [Extent(0, 5, None, 0)]
    bad = dict(fs.entries(fs.root()))[b"outside"]
    assert isinstance(bad, BadNode)
    assert "metabox" in bad.reason


def test_48_bit_images_have_wide_blocks_a_wide_root_and_holes() -> None:
    builder = Builder(incompat=0x81, root_wide=1)
    builder.inode(PLAIN, 70_000, union=0xFFFFFFFF, high=0xFFFF, name=b"hole")
    builder.inode(PLAIN, 5000, union=1, high=3, name=b"far")
    fs = opened(builder)
    assert content(fs, the_file(fs, b"hole")) == bytes(70_000)
    with pytest.raises(FormatError, match=str((3 << 32 | 1) * BLOCK)):
        content(fs, the_file(fs, b"far"))


def test_data_on_an_extra_device_is_refused_by_name() -> None:
    builder = Builder(incompat=0x4)
    here = builder.block(TEXT[:BLOCK])
    table = struct.pack("<HHI", 0, 0, here) + struct.pack("<HHI", 0, 2, 7)
    builder.inode(CHUNKED, 2 * BLOCK, table, union=0x20, name=b"file")
    fs = opened(builder)
    with pytest.raises(UnsupportedError, match="extra device 2"):
        content(fs, the_file(fs))
    assert fs.read(the_file(fs), 0, BLOCK) == TEXT[:BLOCK]


def test_an_algorithm_nobody_knows_is_refused_by_number() -> None:
    builder = Builder()
    compressed(builder, LZ4)
    builder.inode(FULL, 100, full_index(map_header(algorithms=9), (HEAD_1, 0, 1)), name=b"nine")
    fs = opened(builder)
    with pytest.raises(UnsupportedError, match="algorithm 9"):
        content(fs, the_file(fs, b"nine"))


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([(NONHEAD, 0, 1), (HEAD_1, 0, 9), (HEAD_1, 0, 9)], "points 1 back"),
        ([(HEAD_1, 0, 9), (NONHEAD, 0, 2), (NONHEAD, 0, 1)], "points 2 back"),
        ([(HEAD_1, 0, 9), (NONHEAD, 0, 0), (NONHEAD, 0, 1)], "points 0 back"),
        ([(HEAD_1, 9, 9), (NONHEAD, 0, 1), (NONHEAD, 0, 1)], "extent starts at byte 9"),
        ([(HEAD_1, 0, 9), (HEAD_1, 4096, 9), (NONHEAD, 0, 1)], "extent starts at byte 8192"),
        ([(HEAD_1, 0, 9), (NONHEAD, 0, 1), (NONHEAD, 0, 0x802)], "counts 2 blocks of no extent"),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(entries: list[tuple[int, int, int]], words: str) -> None:
    builder = Builder(incompat=3)
    builder.inode(FULL, 10_000, full_index(map_header(advise=2), *entries), name=b"file")
    fs = opened(builder)
    with pytest.raises(FormatError, match=words):
        content(fs, the_file(fs))


@pytest.mark.parametrize("layout", [PLAIN, FULL, INLINE, erofs_builder.COMPACT, CHUNKED])
def test_a_file_that_claims_exbibytes_costs_nothing(layout: int) -> None:
    builder = Builder()
    builder.inode(layout, (1 << 63) - 1, bytes(64), name=b"file")
    started = time.monotonic()
    tracemalloc.start()
    outcome = exercise(builder.image(), open_erofs)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.gaps
    assert time.monotonic() - started < 2
    assert peak < 64 << 20


def test_a_zstd_bomb_gives_no_more_than_its_extent() -> None:
    builder = Builder(incompat=3)
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 28))[: 2 * BLOCK]
    first = builder.block(padded(bomb))
    index = full_index(map_header(advise=2, algorithms=ZSTD), (HEAD_1, 0, first), (NONHEAD, 0, 0x802))
    builder.inode(FULL, 8000, index, name=b"file")
    tracemalloc.start()
    outcome = exercise(builder.image(), open_erofs)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.nodes == 2
    assert peak < 32 << 20


def test_one_block_used_by_many_files_counts_each_time() -> None:
    builder = Builder()
    compressed(builder, LZ4, name=b"first")
    nid = builder.names[b"first"]
    for number in range(200):
        builder.names[b"link-%03d" % number] = nid
    budget = Budget(max_bytes=50 * len(TEXT))
    fs = opened(builder, budget)
    contents = (list(fs.chunks(node)) for _name, node in fs.entries(fs.root()) if isinstance(node, Node))
    with pytest.raises(BudgetError):
        list(contents)


@pytest.mark.parametrize("zeros", [0, 1, 5, 40])
def test_lz4_without_0padding_may_end_in_zeros(zeros: int) -> None:
    text = TEXT[:5000] + bytes(zeros)
    builder = Builder(incompat=0)
    first = builder.block(compress(LZ4, text))
    index = full_index(map_header(), (HEAD_1, 0, first), (NONHEAD, 0, 1))
    builder.inode(FULL, len(text), index, name=b"file")
    assert whole(builder) == text


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9_999))
def test_lz4_without_0padding_may_decode_to_more_than_its_extent(length: int) -> None:
    builder = Builder(incompat=0)
    first = builder.block(compress(LZ4, TEXT))
    entries = [(HEAD_1, 0, first), (NONHEAD, 0, 1), (NONHEAD, 0, 2)][: -(-length // BLOCK)]
    builder.inode(FULL, length, full_index(map_header(), *entries), name=b"file")
    assert whole(builder) == TEXT[:length]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(BLOCK, 3 * BLOCK), st.binary(min_size=1, max_size=8)), max_size=6))
def test_mutated_newer_layouts_parse_or_raise_format_error(patches: list[tuple[int, bytes]]) -> None:
    builder = Builder(incompat=0xA1)
    fragments(builder)
    compressed(builder, LZMA, name=b"lzma")
    compressed(builder, DEFLATE, name=b"deflate")
    image = bytearray(builder.image())
    for at, patch in patches:
        image[at % 900 + BLOCK : at % 900 + BLOCK + len(patch)] = patch
    exercise(image, open_erofs, max_bytes=1 << 26)
