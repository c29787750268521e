"""What is read in one sweep is what reading one by one gives: texts with a dot, symbols, unwind tables, ranges."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest

from rocketaudit.formats.elf import hardening, language_signals, unwind
from rocketaudit.formats.elf.haystack import Haystack
from rocketaudit.formats.elf.header import parse_header
from rocketaudit.formats.elf.runtimes import RUNTIMES
from rocketaudit.formats.elf.searchable import NEEDLES, RUST_FILE, Text
from rocketaudit.formats.elf.symbols import MANGLED, TELLING, dynamic_symbols, static_symbols
from tests.formats.elf.programs import program, program_path
from tests.support import needs_tools


def test_texts_with_a_dot_are_found_together_as_one_by_one() -> None:
    rng = random.Random(7)
    parts = [*NEEDLES, *(needle[:-1] for needle in NEEDLES), b".", b"core.exception.rs", b"..rs", b"\0"]
    for _ in range(300):
        data = b"".join(rng.choices(parts, k=rng.randrange(12)))
        middle = rng.randrange(len(data) + 1)
        for ranges in (((0, len(data)),), ((0, middle), (middle, len(data)))):
            text = Text(Haystack(data), ranges)
            for needle in NEEDLES:
                assert text.find(needle) == Haystack(data).find(needle, ranges), (data, ranges, needle)
            assert list(text.rust_files()) == list(Haystack(data).find_all(RUST_FILE, ranges, 400))


def test_only_so_many_rust_files_are_noted_and_texts_behind_them_are_found() -> None:
    data = b"a.rs" * 1000 + b"runtime.gopanic"
    text = Text(Haystack(data), ((0, len(data)),))
    assert len(text.rust_files()) == 400
    assert text.find(b"runtime.gopanic") == 4000


def test_every_name_that_is_asked_for_is_a_telling_one() -> None:
    asked = {*language_signals._KNOWN_NAMES, *hardening._CANARIES, *hardening._SANITIZERS}
    assert {name for name in asked if name[:4] not in TELLING} == set()
    assert language_signals._RUNTIME_STARTS <= TELLING


def listed_by_readelf(path: Path, table: str) -> list[tuple[str, bool, bool]]:
    """(name, undefined, function) of every named row, versions cut off."""
    needs_tools("readelf")
    command = ["readelf", "--wide", "--syms" if table == ".symtab" else "--dyn-syms", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"LC_ALL": "C"})
    text = done.stdout.split(f"Symbol table '{table}'")[1].split("Symbol table '")[0]
    rows = re.findall(r"^ *\d+: \S+ +\S+ (\S+) +\S+ +\S+ +(\S+) (\S+)", text, re.MULTILINE)
    return [(name.split("@")[0], index == "UND", kind == "FUNC") for kind, index, name in rows]


@pytest.mark.parametrize("name", ["c", "c++", "rust", "go-bottlerocket", "c-shared"])
def test_symbols_are_those_that_readelf_lists(name: str) -> None:
    rows = listed_by_readelf(program_path(name), ".dynsym")
    table = dynamic_symbols(parse_header(program(name)))
    assert {text.decode() for text in table.undefined} == {text for text, undefined, _ in rows if undefined}
    named = [text.encode() for text, _, _ in rows]
    assert table.telling == {text for text in named if text[:4] in TELLING}
    assert table.mangled == {text for text in named if text[:2] in MANGLED}


def test_functions_are_counted_as_readelf_lists_them() -> None:
    rows = listed_by_readelf(program_path("c"), ".symtab")
    functions = static_symbols(parse_header(program("c"))).functions
    assert sum(count for count, _ in functions.values()) == sum(kind and not undef for _, undef, kind in rows)


@pytest.mark.parametrize("name", ["rust", "c++", "c", "rust-static", "c-calls-rust"])
def test_the_sorted_table_of_unwind_entries_says_what_a_walk_says(name: str) -> None:
    elf = parse_header(program(name))
    region = unwind.frame_region(elf)
    assert region is not None
    fast = unwind._sorted_functions(elf, region)
    walked = sorted(unwind._functions(elf, region), key=lambda function: function[0])
    assert fast is not None
    assert list(zip(*fast, strict=True)) == [(slot, size) for _, size, slot in walked]


def test_what_needs_no_search_is_left_out() -> None:
    data = program("rust")
    elf = parse_header(data)
    ranges = language_signals.search_ranges(elf)
    for name in (".rodata", ".data.rel.ro", ".dynstr"):
        section = elf.section(name)
        assert section is not None
        assert any(start <= section.offset and section.offset + section.size <= end for start, end in ranges), name
    for name in (".text", ".eh_frame", ".rela.dyn"):
        section = elf.section(name)
        assert section is not None
        assert not any(start < section.offset + section.size and section.offset < end for start, end in ranges), name


def test_runtimes_that_cannot_run_are_not_searched_for() -> None:
    """The gate asks for functions of the system only, which a statically linked runtime must import."""
    gated = [runtime for runtime in RUNTIMES if runtime.imports]
    assert {runtime.name for runtime in RUNTIMES if runtime.texts} - {runtime.name for runtime in gated} == {
        "pascal",
        "nim",
    }
