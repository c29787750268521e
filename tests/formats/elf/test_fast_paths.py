"""What is read in one sweep is what reading one by one gives: texts with a dot, symbols, unwind tables, ranges."""

from __future__ import annotations

import random
import re
import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from rocketaudit.formats.elf import acts_as, eh_frame, hardening, language_signals
from rocketaudit.formats.elf.haystack import Haystack
from rocketaudit.formats.elf.header import parse_header
from rocketaudit.formats.elf.mangling import Mangling, mangling
from rocketaudit.formats.elf.runtimes import RUNTIMES
from rocketaudit.formats.elf.searchable import NEEDLES, RUST_FILE, Text
from rocketaudit.formats.elf.symbols import CHUNK, OF_RUNTIMES, TELLING, dynamic_symbols, static_symbols
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
    asked = {*language_signals._KNOWN_NAMES, *hardening._CANARIES, *hardening._SANITIZERS, *acts_as._ASKED}
    assert {name for name in asked if name[:4] not in TELLING} == set()


def test_names_of_runtimes_are_found_where_a_row_refers_to_them() -> None:
    for name in (
        b"caml_startup",
        b"hs_main",
        b"stg_ap_pp",
        b"__gnat_rcheck_CE",
        b"builtin.zig_backend",
        b"_gfortran_x",
    ):
        table = dynamic_symbols(parse_header(table_of([b"other", name, b"my" + name], b"FPC_INIT\0kDartVmSnapshot")))
        assert (table.of_runtimes, set(table.telling)) == ({name}, {name})
        assert language_signals._runtime_among(table.of_runtimes, table) is not None
    table = dynamic_symbols(parse_header(table_of([b"hs_mainly"])))
    assert language_signals._runtime_among(table.of_runtimes, table) is None


def test_every_name_of_a_runtime_starts_as_one_that_is_looked_for() -> None:
    """Each alternative of each pattern, groups behind its first letters left out."""
    leads = set()
    for runtime in RUNTIMES:
        whole = "" if runtime.defines is None else runtime.defines.pattern.decode()
        spelled = whole.replace("_D(?:3std|4core)", "_D3std|_D4core").replace("_?kDart", "_kDart|kDart")
        leads |= {text[:4].encode() for text in re.sub(r"\(\?:[^()]*\)", "", spelled).split("|") if text}
    assert leads == OF_RUNTIMES


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
    assert set(table.telling) == {text for text in named if text[:4] in TELLING}
    assert all(table.text[place:].startswith(text + b"\0") for text, place in table.telling.items())
    spelled = Counter(mangling(text) for text in set(named))
    for kind in (Mangling.CPP, Mangling.RUST):
        assert table.spelled.get(kind, 0) == spelled[kind], kind


def table_of(names: list[bytes], unused: bytes = b"") -> bytes:
    """A shared object of 64 bits whose dynamic symbols have these names, and more text that no row refers to."""
    text = b"\0" + b"\0".join(names) + b"\0" + unused + b"\0"
    places = [text.index(b"\0" + name + b"\0") + 1 for name in names]
    rows = bytes(24) + b"".join(struct.pack("<IBBHQQ", place, 0x12, 0, 1, 0x1000, 16) for place in places)
    dynamic = struct.pack("<8Q", 5, 0x200 + len(rows), 10, len(text), 6, 0x200, 0, 0)
    size = 0x200 + len(rows) + len(text)
    segments = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, size, size, 4096)
    segments += struct.pack("<IIQQQQQQ", 2, 4, 0x100, 0x100, 0x100, len(dynamic), len(dynamic), 8)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    return (header + segments).ljust(0x100, b"\0") + dynamic.ljust(0x100, b"\0") + rows + text


def test_names_of_every_compiler_are_counted_without_cutting_them_out() -> None:
    names = [
        b"_ZN3fooE", b"_ZGVbN4v_sin", b"_ZGVZ4mainE1x", b"_ZN4core3fmt17h0123456789abcdefE", b"_RNvC3foo3bar", b"_Rest",
        b"_ZN4core3fmt17h0123456789abcdefE.llvm.77", b"_ZN4core3fmt17h0123456789abcdefE.0.llvm.6385",
        b"_ZN4core3fmt17h0123456789abcdefE.2321", b"_ZN17hasALongIdentifierE", b"plain", b"_ZN1a17h0123456789abcdeE",
    ]  # fmt: skip
    table = dynamic_symbols(parse_header(table_of(names)))
    expected = Counter(map(mangling, names))
    assert expected[Mangling.RUST] == 5 and expected[Mangling.CPP] == 4
    assert table.spelled == {kind: expected[kind] for kind in (Mangling.RUST, Mangling.CPP)}


def test_an_underscore_and_a_z_are_not_all_that_cpp_writes() -> None:
    names = [b"_ZoneDelegate", b"_Zulu", b"_Z", b"_ZN1aE", b"_ZaSRK1a", b"_Znwm", b"_ZngRK1a", b"_ZTV1a", b"_Z4mainv"]
    assert [name for name in names if mangling(name) is Mangling.NONE] == names[:3]


def test_a_name_that_no_row_refers_to_is_text() -> None:
    table = dynamic_symbols(parse_header(table_of([b"plain"], b"__rust_alloc\0_ZN3fooE\0_RNvC3foo3bar")))
    assert (table.telling, table.spelled) == ({}, {})


def test_names_behind_the_first_rows_are_found() -> None:
    names = [b"name_%d" % number for number in range(2 * CHUNK)] + [b"__rust_alloc", b"_ZN3fooE"]
    table = dynamic_symbols(parse_header(table_of(names)))
    assert table.rows == 2 * CHUNK + 3
    assert set(table.telling) == {b"__rust_alloc"}
    assert table.spelled == {Mangling.RUST: 0, Mangling.CPP: 1}


def test_functions_are_counted_as_readelf_lists_them() -> None:
    rows = listed_by_readelf(program_path("c"), ".symtab")
    functions = static_symbols(parse_header(program("c"))).functions
    assert sum(count for count, _ in functions.values()) == sum(kind and not undef for _, undef, kind in rows)


@pytest.mark.parametrize("name", ["rust", "c++", "c", "rust-static", "c-calls-rust"])
def test_the_sorted_table_of_unwind_entries_says_what_a_walk_says(name: str) -> None:
    elf = parse_header(program(name))
    region = eh_frame.frame_region(elf)
    assert region is not None
    fast = eh_frame.sorted_runs(elf, region)
    walked = sorted(eh_frame.functions(elf, region), key=lambda function: function[0])
    assert fast == eh_frame.joined((slot, 1, size) for _, size, slot in walked)
    assert sum(count for _, count, _ in fast) == len(walked)


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
