"""Where we and checksec differ, and that it is for the reason that the comparison names."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.accuracy import stripped
from bench.checksec_agreement import FIELDS, compare
from rocketaudit.formats.elf import read_elf
from tests.formats.elf.programs import C_HELLO, Recipe, program
from tests.support import needs_tools

GUARDED = Recipe(".c", C_HELLO, ("-O2", "-fstack-protector-all"))


@pytest.mark.parametrize("name", ["c", "c-static", "c-shared", "c++", "rust-static", "go-small", "assembler"])
@pytest.mark.parametrize("bare", [False, True], ids=["whole", "without sections"])
def test_nothing_differs(name: str, bare: bool, tmp_path: Path) -> None:
    needs_tools("checksec")
    path = tmp_path / "program"
    path.write_bytes(stripped(program(name)) if bare else program(name))
    assert compare(path) == []


def test_a_canary_is_seen_without_section_headers_where_checksec_sees_none(tmp_path: Path) -> None:
    needs_tools("checksec")
    whole, bare = tmp_path / "whole", tmp_path / "bare"
    whole.write_bytes(program("c-guarded", GUARDED))
    bare.write_bytes(stripped(program("c-guarded", GUARDED)))
    assert compare(whole) == []
    ((field, ours, theirs, why),) = compare(bare)
    assert (field, ours, theirs) == ("canary", "yes", "no")
    assert why is not None
    assert "readelf lists no symbols" in why
    assert field in FIELDS


def test_a_search_path_without_text_is_one_for_us_alone_and_no_risk(tmp_path: Path) -> None:
    needs_tools("checksec")
    flags = ("-O2", "-Wl,--enable-new-dtags", "-Wl,-rpath,/nowhere/at/all")
    path = tmp_path / "program"
    path.write_bytes(program("c-runpath", Recipe(".c", C_HELLO, flags)).replace(b"/nowhere/at/all", bytes(15)))
    ((field, ours, theirs, why),) = compare(path)
    assert (field, ours, theirs) == ("runpath", "yes", "no")
    assert why is not None
    assert read_elf(path.read_bytes()).hardening.risky_paths == ()
