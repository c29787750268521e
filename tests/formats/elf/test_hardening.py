"""Hardening of programs built with and without each option, and against checksec."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from bench.accuracy import stripped
from rocketaudit.formats.elf import read_elf
from rocketaudit.model.binary import Canary, Fortify, Hardening, Nx, Pie, Relro
from tests.formats.elf.programs import ASSEMBLER, C_HELLO, RECIPES, Recipe, program, program_path
from tests.support import find_tool, needs_tools

STRONG = ("-O2", "-D_FORTIFY_SOURCE=2", "-fstack-protector-all", "-fPIE", "-pie", "-Wl,-z,relro,-z,now")
WEAK = ("-O2", "-U_FORTIFY_SOURCE", "-fno-stack-protector", "-no-pie", "-Wl,-z,norelro", "-Wl,-z,execstack")
VARIANTS: dict[str, Recipe] = {
    "strong": Recipe(".c", C_HELLO, STRONG),
    "weak": Recipe(".c", C_HELLO, WEAK),
    "partial": Recipe(".c", C_HELLO, ("-O2", "-Wl,-z,relro,-z,lazy")),
    "rpath": Recipe(".c", C_HELLO, ("-O2", "-Wl,--disable-new-dtags,-rpath,/opt/x:lib:$ORIGIN/y::/tmp/z")),
    "runpath": Recipe(".c", C_HELLO, ("-O2", "-Wl,--enable-new-dtags,-rpath,/opt/x")),
    "cet": Recipe(".c", C_HELLO, ("-O2", "-fcf-protection=full", "-Wl,-z,ibt,-z,shstk")),
    "textrel": Recipe(".s", ".globl f\n.text\nf: movabs $f,%rax\n ret\n", ("-shared", "-nostdlib", "-Wl,-z,notext")),
    "wx": Recipe(".s", ASSEMBLER, ("-nostdlib", "-static", "-Wl,-N")),
    "asan": Recipe(".c", C_HELLO, ("-O1", "-fsanitize=address")),
    "debug": Recipe(".c", C_HELLO, ("-O2", "-g")),
    "bare-build-id": Recipe(".c", C_HELLO, ("-O2", "-s", "-Wl,--build-id=sha1")),
}


def hard(name: str) -> Hardening:
    return read_elf(program(name, VARIANTS.get(name))).hardening


def test_a_hardened_program_has_everything() -> None:
    found = hard("strong")
    assert (found.relro, found.bind_now, found.pie, found.nx) == (Relro.FULL, True, Pie.PIE, Nx.YES)
    assert (found.canary, found.fortify) == (Canary.YES, Fortify.YES)
    assert found.fortified >= 1
    assert (found.textrel, found.execstack, found.wx_segments, found.risky_paths) == (False, False, 0, ())


def test_a_weak_program_has_nothing() -> None:
    found = hard("weak")
    assert (found.relro, found.bind_now, found.pie, found.nx) == (Relro.NONE, False, Pie.EXEC, Nx.NO)
    assert (found.canary, found.fortify, found.execstack) == (Canary.NO, Fortify.NO, True)


def test_lazy_binding_makes_relro_partial() -> None:
    assert hard("partial").relro is Relro.PARTIAL


def test_relative_empty_and_writable_elements_of_rpath_are_risky() -> None:
    found = hard("rpath")
    assert found.rpath == "/opt/x:lib:$ORIGIN/y::/tmp/z"
    assert found.runpath is None
    assert found.risky_paths == ("lib", "", "/tmp/z")
    assert hard("runpath").runpath == "/opt/x"
    assert hard("runpath").risky_paths == ()


def test_indirect_branch_tracking_is_said_only_for_machines_that_have_it() -> None:
    found = hard("cet")
    assert (found.bti, found.pac) == (None, None)
    assert found.ibt is not None


def test_text_relocations_and_writable_code_are_seen() -> None:
    assert hard("textrel").textrel
    assert hard("wx").wx_segments == 1


def test_sanitizers_symbols_and_debug_information_are_seen() -> None:
    assert hard("asan").sanitizers == ("asan",)
    assert (hard("debug").debug_info, hard("debug").stripped) == (True, False)
    assert hard("bare-build-id").stripped
    build_id = read_elf(program("bare-build-id", VARIANTS["bare-build-id"])).build_id
    assert build_id is not None
    assert len(build_id) == 40


@pytest.mark.parametrize(
    ("name", "pie"), [("c-static", Pie.EXEC), ("c-static-pie", Pie.STATIC_PIE), ("c-shared", Pie.DSO)]
)
def test_static_programs_and_libraries_are_told_apart(name: str, pie: Pie) -> None:
    found = hard(name)
    assert found.pie is pie
    assert found.static is (pie is not Pie.DSO)


@pytest.mark.parametrize("name", ["rust", "go"])
def test_a_canary_is_not_asked_of_rust_and_go(name: str) -> None:
    found = hard(name)
    assert (found.canary, found.fortify) == (Canary.NOT_APPLICABLE, Fortify.NOT_APPLICABLE)
    assert found.relro in Relro


def test_a_static_program_without_names_is_likely_or_unknown_but_never_no() -> None:
    found = read_elf(stripped(program("c-static"))).hardening
    assert found.canary in (Canary.LIKELY, Canary.UNKNOWN)
    assert found.fortify is Fortify.UNKNOWN
    assert read_elf(stripped(program("c-static")), search=False).hardening.canary is Canary.UNKNOWN


def checksec(path: Path) -> dict[str, str]:
    tool = find_tool("checksec")
    done = subprocess.run([str(tool), "--format=json", f"--file={path}"], capture_output=True, text=True, check=False)
    (found,) = json.loads(done.stdout).values()
    return dict(found)


# where the two differ on purpose: PT_GNU_STACK absent, and what checksec cannot name for a relocatable file
COMPARED = [*VARIANTS, "c-static", "c-static-pie", "c-shared", "c++", "rust", "rust-static", "go", "go-bottlerocket"]


@pytest.mark.parametrize("name", COMPARED)
def test_we_agree_with_checksec(name: str) -> None:
    needs_tools("checksec")
    path = program_path(name, VARIANTS.get(name) or RECIPES[name])
    ours, theirs = read_elf(path.read_bytes()).hardening, checksec(path)
    assert theirs["relro"] == {"none": "no"}.get(ours.relro, ours.relro.value)
    assert theirs["nx"] == ("yes" if ours.nx is Nx.YES else "no")
    assert theirs["pie"] == {"exec": "no", "static-pie": "yes", "pie": "yes"}.get(ours.pie, ours.pie.value)
    assert theirs["canary"] == ("yes" if ours.canary is Canary.YES else "no")
    assert theirs["rpath"] == ("no" if ours.rpath is None else "yes")
    assert theirs["runpath"] == ("no" if ours.runpath is None else "yes")
