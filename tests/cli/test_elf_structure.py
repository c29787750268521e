"""Tables of one explained file: what pyelftools raises stays inside, and nothing takes long."""

from __future__ import annotations

import time

import pytest

from bench.fuzz_elf import mutants, vectors
from rocketaudit.cli import elf_structure
from rocketaudit.cli.elf_structure import MAX_ROWS, MAX_SIZE, structure
from tests.formats.elf.programs import program
from tests.support import shared_data


def test_damaged_files_give_lines_whatever_pyelftools_raises() -> None:
    seeds = [data for data in vectors(shared_data("elf")) if len(data) < 64 << 10]
    said = [structure(data) for data in (*seeds[::8], *mutants(seeds, 100, seed=3))]
    assert any("cannot be read on" in line for lines in said for line in lines)
    assert all(len(line) <= elf_structure.MAX_TEXT + 2 for lines in said for line in lines)


def test_tables_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elf_structure, "MAX_ROWS", 3)
    assert structure(program("c")).count("  ...") >= 2
    assert MAX_ROWS == 100


def test_a_large_file_is_not_read() -> None:
    assert structure(bytes(MAX_SIZE + 1)) == [f"Tables: not read of a file of {MAX_SIZE + 1} bytes"]


def test_names_without_an_end_do_not_take_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elf_structure, "SECONDS", 0.1)
    data = bytearray(program("c"))
    table = int.from_bytes(data[40:48], "little")
    names = int.from_bytes(data[62:64], "little")
    data[table + 64 * names + 24 : table + 64 * names + 32] = len(data).to_bytes(8, "little")
    start = time.process_time()
    lines = structure(bytes(data) + b"x" * (4 << 20))
    assert time.process_time() - start < 20
    assert any("too long" in line for line in lines)
