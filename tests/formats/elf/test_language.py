"""Real programs, as compiled, as packaged and without section headers: the language stays the same."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from bench.accuracy import stripped
from rocketaudit.formats.elf import read_elf
from rocketaudit.formats.elf.language import Sign, classify
from rocketaudit.model.binary import Binary, Confidence, Language, Signal
from tests.formats.elf.programs import RECIPES, program, run, stripped_by_tools, with_section
from tests.support import needs_tools

TRUTH = {
    "c": "c", "c-static": "c", "c-static-pie": "c", "c-shared": "c", "c++": "c++", "c++-static": "c++",
    "c++-static-runtime": "c++", "c++-bare": "c++", "c++-bare-O0": "c++", "c++-bare-fixed": "c++",
    "c++-static-object": "c++", "rust": "rust", "rust-prefer-dynamic": "rust", "rust-static": "rust",
    "rust-abort": "rust", "rust-relr": "rust", "go": "go", "go-small": "go", "go-bottlerocket": "go",
}  # fmt: skip
TRAPS = [name for name in RECIPES if name.startswith("trap")]
FORMS = ("built", "packaged", "no sections", "packaged, no sections")


def in_form(name: str, form: str, folder: Path) -> bytes:
    data = program(name)
    if form.startswith("packaged"):
        data = stripped_by_tools(data, folder)
    return stripped(data) if form.endswith("no sections") else data


def kinds(binary: Binary) -> set[str]:
    return {signal.kind for signal in binary.signals}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TRUTH)
def test_the_language_is_found_however_little_is_left(name: str, form: str, tmp_path: Path) -> None:
    binary = read_elf(in_form(name, form, tmp_path))
    assert (binary.language, binary.error) == (TRUTH[name], None), binary.signals
    assert binary.contains[0] == TRUTH[name]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TRAPS)
def test_text_that_mentions_other_languages_is_no_evidence_of_them(name: str, form: str, tmp_path: Path) -> None:
    binary = read_elf(in_form(name, form, tmp_path))
    assert binary.language is Language.C, binary.signals
    assert binary.contains == ("c",)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["c-calls-rust", "c-calls-rust-abort"])
def test_rust_inside_a_c_program_is_contained(name: str, form: str, tmp_path: Path) -> None:
    assert "rust" in read_elf(in_form(name, form, tmp_path)).contains


@pytest.mark.parametrize("name", ["rust-bare", "rust-bare-fixed"])
def test_rust_without_its_library_is_found_by_a_panic_location(name: str, tmp_path: Path) -> None:
    binary = read_elf(in_form(name, "packaged, no sections", tmp_path))
    assert "rust" in binary.contains, binary.signals
    assert Sign.RUST_LOCATION in kinds(binary)


@pytest.mark.parametrize("form", FORMS)
def test_assembler_is_unknown_rather_than_guessed(form: str, tmp_path: Path) -> None:
    binary = read_elf(in_form("assembler", form, tmp_path))
    assert (binary.language, binary.contains, binary.confidence) == (Language.UNKNOWN, (), Confidence.LOW)


@pytest.mark.parametrize("name", ["c++-bare", "c++-static-object"])
def test_cpp_without_names_is_never_said_with_high_confidence(name: str, tmp_path: Path) -> None:
    assert read_elf(in_form(name, "packaged", tmp_path)).confidence is not Confidence.HIGH


def test_without_search_rust_is_not_called_c(tmp_path: Path) -> None:
    binary = read_elf(in_form("rust", "packaged", tmp_path), search=False)
    assert binary.language is Language.UNKNOWN
    assert not binary.searched


def test_bottlerocket_rust_and_go_need_no_search(tmp_path: Path) -> None:
    rust = read_elf(in_form("rust-prefer-dynamic", "packaged", tmp_path), search=False)
    go = read_elf(program("go-bottlerocket"), search=False)
    assert (rust.language, rust.confidence) == (Language.RUST, Confidence.HIGH)
    assert (go.language, go.confidence) == (Language.GO, Confidence.HIGH)


def test_every_signal_names_a_place_inside_the_file() -> None:
    for name in ("rust", "go", "c++", "c"):
        data = program(name)
        for signal in read_elf(data).signals:
            assert signal.offset is None or 0 <= signal.offset < len(data)
    data = program("rust-static")
    place = next(s for s in read_elf(stripped(data)).signals if s.kind == Sign.RUST_RUNTIME)
    assert place.offset is not None
    assert data[place.offset :].startswith(place.value.encode())


def test_mini_debug_info_names_what_was_stripped(tmp_path: Path) -> None:
    needs_tools("objcopy", "strip")
    (tmp_path / "whole").write_bytes(program("rust"))
    run(["objcopy", "--only-keep-debug", "whole", "names"], tmp_path)
    packed = lzma.compress((tmp_path / "names").read_bytes())
    bare = stripped_by_tools(program("rust"), tmp_path)
    binary = read_elf(with_section(bare, ".gnu_debugdata", packed, tmp_path))
    assert binary.hardening.mini_debug_info
    assert Sign.RUST_NAMES in kinds(binary)
    assert {method for _, _, method in binary.shares} == {"mini-debug-info"}


def test_the_share_by_unwind_tables_is_a_lower_bound(tmp_path: Path) -> None:
    whole = {language: share for language, share, _ in read_elf(program("rust")).shares}
    bare = read_elf(in_form("rust", "packaged", tmp_path)).shares
    assert {method for _, _, method in bare} == {"unwind"}
    share = {language: value for language, value, _ in bare}["rust"]
    assert 0.4 < share <= whole["rust"] + 0.01


def test_the_verdict_is_a_function_of_the_signals() -> None:
    signals = (Signal(Sign.RUST_PATH, "core/src/option.rs", 5), Signal(Sign.RUST_RUNTIME, "x", 9))
    assert classify(signals).language is Language.UNKNOWN
    backed = (*signals, Signal(Sign.LOCAL_PERSONALITY, "", 1), Signal(Sign.UNWINDER, "1", 2))
    assert classify(backed).language is Language.RUST
    assert classify((*backed, Signal(Sign.STATIC, ""))).language is Language.UNKNOWN
    assert classify(()).confidence is Confidence.LOW


def test_a_library_that_is_linked_and_not_used_is_no_proof_but_a_doubt() -> None:
    """g++ links it always, some that build C do too: of 2,500 files, 3 of C++ and one of C use nothing of it."""
    signals = (Signal(Sign.CPP_LIBRARY, "libstdc++.so.6", 1), Signal(Sign.C_LIBRARY, "libc.so.6", 2))
    verdict = classify(signals)
    assert (verdict.language, verdict.confidence) == (Language.C, Confidence.LOW)
    verdict = classify((*signals, Signal(Sign.C_NAMES, "997 in symbols", 3)))
    assert (verdict.language, verdict.confidence) == (Language.C, Confidence.MEDIUM)


@pytest.mark.parametrize("name", ["c", "rust", "go-small"])
def test_a_packed_program_is_packed_and_nothing_else(name: str) -> None:
    data = bytearray(stripped(program(name)))
    data[200:204] = b"UPX!"
    binary = read_elf(bytes(data))
    assert (binary.language, binary.contains, binary.hardening.packed) == (Language.PACKED, (), True)
