"""Hostile files: a Binary or a FormatError with an offset, within bounds, and nothing else."""

from __future__ import annotations

import mmap
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.fuzz_elf import check, mutants, vectors
from rocketaudit.errors import FormatError, TruncatedError
from rocketaudit.formats.elf import read_elf
from rocketaudit.formats.elf.haystack import Haystack
from rocketaudit.formats.elf.header import parse_header
from rocketaudit.formats.elf.symbols import dynamic_symbols
from tests.formats.elf.programs import program
from tests.support import shared_data


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_bytes_after_the_magic_are_read_or_refused(tail: bytes) -> None:
    for head in (b"", b"\x7fELF\x02\x01\x01", b"\x7fELF\x01\x02\x01"):
        assert check(head + tail)[0] in ("read", "partly", "refused")


@pytest.mark.parametrize(
    ("data", "offset"),
    [(b"", 0), (b"MZ", 0), (b"\x7fELF", 4), (b"\x7fELF\x03" + bytes(60), 4), (b"\x7fELF\x02\x09" + bytes(60), 5)],
)
def test_a_header_that_cannot_be_used_is_refused_with_its_byte(data: bytes, offset: int) -> None:
    with pytest.raises(FormatError) as refused:
        read_elf(data)
    assert refused.value.offset == offset


def test_a_64_bit_header_that_ends_early_is_truncated() -> None:
    with pytest.raises(TruncatedError):
        read_elf(b"\x7fELF\x02\x01\x01" + bytes(50))


def test_damaged_vectors_give_a_binary_or_a_format_error() -> None:
    seeds = [data for data in vectors(shared_data("elf")) if len(data) < 1 << 20]
    assert len(seeds) > 200
    said = [check(data) for data in mutants(seeds, 1500, seed=5)]
    assert {what for what, _ in said} == {"read", "partly", "refused"}
    assert max(seconds for _, seconds in said) < 5


def test_every_vector_is_read_whole() -> None:
    for data in vectors(shared_data("elf")):
        assert read_elf(data).size == len(data)


@pytest.mark.parametrize("name", ["rust", "c++", "go-small"])
def test_programs_cut_anywhere_are_read_or_refused(name: str) -> None:
    data = program(name)
    for end in range(0, len(data), max(1, len(data) // 60)):
        said, seconds = check(data[:end])
        assert said in ("read", "partly", "refused")
        assert seconds < 5


def header(*, sections: int = 0, section_at: int = 0, first_size: int = 0) -> bytes:
    """A 64-bit header of an executable with a section table and nothing else."""
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    fields = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 0, section_at, 0, 64, 56, 0, 64, sections, 1)
    first = struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, first_size, 0, 0, 0, 0)
    return ident + fields + first


def test_65535_sections_are_read_in_bounded_time() -> None:
    rows = struct.pack("<IIQQQQIIQQ", 1, 3, 0, 0, 64, 1 << 40, 0, 0, 0, 0) * 65_535
    data = header(section_at=64, first_size=65_535) + rows
    start = time.process_time()
    binary = read_elf(data)
    assert time.process_time() - start < 3
    assert binary.hardening.section_headers


def test_an_announced_table_that_does_not_fit_is_named() -> None:
    binary = read_elf(header(sections=60_000, section_at=64))
    assert binary.error is not None
    assert "60000 section rows announced" in binary.error


def test_tables_that_point_past_64_bits_do_not_overflow() -> None:
    data = bytearray(program("c"))
    struct.pack_into("<Q", data, 32, (1 << 64) - 8)
    struct.pack_into("<Q", data, 40, (1 << 64) - 8)
    assert read_elf(bytes(data)).error is not None


def test_a_hash_chain_without_an_end_is_bounded() -> None:
    data = bytearray(program("c++"))
    elf = parse_header(bytes(data))
    start = elf.file_offset(elf.tags[0x6FFFFEF5])
    assert start is not None
    struct.pack_into("<QHHH", data, 40, 0, 0, 0, 0)
    struct.pack_into("<I", data, start, 1 << 30)
    assert dynamic_symbols(parse_header(bytes(data))).rows >= 0
    read_elf(bytes(data))


def test_names_that_overlap_do_not_fill_the_memory() -> None:
    """Each of 20,000 rows names another place of 64 KiB without an end: 642 MiB of names, out of 545 KB."""
    count = 20_000
    for size, section in ((65_000, 0), (5_000_000, 0), (65_000, 1)):
        data = overlapping(size, count, section=section)
        tracemalloc.start()
        try:
            said = read_elf(data).error
        except FormatError as error:
            said = error.message
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 128 << 20
        assert said is None if section else "names of symbols overlap" in str(said)


def overlapping(size: int, count: int, *, section: int) -> bytes:
    """A shared object with `count` symbols, each named by what follows its own place in `size` bytes of one letter."""
    text = b"\0" + b"a" * (size - 2) + b"\0"
    places = [1 + number * (size - 3) // count for number in range(count)]
    rows = bytes(24) + b"".join(struct.pack("<IBBHQQ", place, 0x12, 0, section, 0, 0) for place in places)
    dynamic = struct.pack("<8Q", 5, 0x200 + len(rows), 10, len(text), 6, 0x200, 0, 0).ljust(0x100, b"\0")
    whole = 0x200 + len(rows) + len(text)
    segments = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, whole, whole, 4096)
    segments += struct.pack("<IIQQQQQQ", 2, 4, 0x100, 0x100, 0x100, 64, 64, 8)
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    return (head + segments).ljust(0x100, b"\0") + dynamic + rows + text


def test_a_map_is_searched_in_place_and_a_part_of_it_copied(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"head" + b"x" * 5000 + b"needle" + b"tail")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        whole = memoryview(mapped)
        hay = Haystack(whole)
        assert hay.find(b"needle", ((0, 100), (100, 6000))) == 5004
        assert hay.find(b"needle", ((0, 5005),)) == -1
        part = whole[4:]
        assert Haystack(part).find(b"needle", ((0, 6000),)) == 5000
        part.release()
        whole.release()


def test_a_file_at_the_beginning_of_memory_is_searched_in_place() -> None:
    """As a scan gathers programs: behind the file lies what the one before it left."""
    memory = bytearray(b"x" * 5000 + b"needle" + b"tail" + b"needle of an older file")
    view = memoryview(memory)[:5010].toreadonly()
    hay = Haystack(view, memory)
    assert hay.find(b"needle", ((0, 5010),)) == 5000
    assert hay.find(b"older", ((0, 5010),)) == -1
    assert not hay._copies
    data = program("rust")
    memory = bytearray(data) + bytearray(program("go"))
    assert read_elf(memoryview(memory)[: len(data)].toreadonly(), memory=memory) == read_elf(data)


@pytest.mark.parametrize("name", ["rust", "c++", "go", "c"])
def test_reading_takes_little_more_memory_than_the_file(name: str) -> None:
    memory = bytearray(program(name))
    whole = memoryview(memory).toreadonly()
    read_elf(whole, memory=memory)
    tracemalloc.start()
    try:
        read_elf(whole, memory=memory)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 << 20


def test_the_answer_does_not_depend_on_the_kind_of_buffer() -> None:
    data = program("rust")
    assert read_elf(data) == read_elf(memoryview(data)) == read_elf(bytearray(data))
