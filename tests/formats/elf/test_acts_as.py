"""Shells and interpreters under other names, and programs that only talk about them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rocketaudit.analysis.benchmark.judge import judge_rule
from rocketaudit.audit import Looking, look
from rocketaudit.formats.elf import read_elf
from rocketaudit.model.binary import ACTS_AS
from rocketaudit.model.verdict import Verdict
from tests.rules import all_rules, shipped
from tests.support import find_tool, needs_tools

REAL = {
    "bash": ["shell: bash"],
    "dash": ["shell: POSIX shell"],
    "busybox": ["shell: busybox", "interpreter: awk"],
    "perl": ["interpreter: perl"],
    "mawk": ["interpreter: awk"],
    "node": ["interpreter: node"],
}
ORDINARY = ("ls", "make", "git", "gcc", "find", "xargs", "ssh-keygen", "systemctl", "openssl", "env", "su", "script")


def acting(data: bytes) -> list[str]:
    return [signal.value for signal in read_elf(data).signals if signal.kind == ACTS_AS]


@pytest.mark.parametrize("name", REAL)
def test_real_program_is_known_by_its_content_and_its_byte(name: str) -> None:
    needs_tools(name)
    data = Path(find_tool(name) or "").resolve().read_bytes()
    assert acting(data) == REAL[name]
    for signal in read_elf(data).signals:
        if signal.kind == ACTS_AS:
            assert signal.offset is not None
            assert data[signal.offset : signal.offset + 64].strip(b"\0")


def test_python_is_known_as_a_program_or_by_its_library() -> None:
    program = Path(sys.executable).resolve().read_bytes()
    libraries = [path for path in Path(sys.base_prefix, "lib").glob("libpython3*.so.1.0") if path.is_file()]
    found = acting(program) + [value for path in libraries for value in acting(path.read_bytes())]
    assert "interpreter: python" in found


def test_stripping_and_dropping_sections_hide_nothing(tmp_path: Path) -> None:
    needs_tools("dash", "bash", "objcopy", "strip")
    for name in ("dash", "bash"):
        copy = tmp_path / name
        shutil.copy(Path(find_tool(name) or "").resolve(), copy)
        subprocess.run(["strip", "--strip-section-headers", copy], check=False, capture_output=True)
        data = bytearray(copy.read_bytes())
        data[40:48] = bytes(8)  # e_shoff
        data[58:64] = bytes(6)  # e_shentsize, e_shnum, e_shstrndx
        assert acting(bytes(data)) == REAL[name]


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_program_acts_as_nothing(name: str) -> None:
    path = find_tool(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    assert acting(Path(path).resolve().read_bytes()) == []


def test_program_that_lists_the_words_of_shells_is_none(tmp_path: Path) -> None:
    needs_tools("gcc")
    words = ["case", "elif", "esac", "getopts", "unalias", "umask", "fg", "BASH_VERSINFO", "SUBSEP", "LUA_INIT"]
    source = tmp_path / "words.c"
    table = ", ".join(f'"{word}"' for word in words)
    main = "int main(int n, char **a) { return execv(words[n], a); }"
    source.write_text(f"#include <unistd.h>\nconst char *const words[] = {{{table}}};\n{main}\n")
    subprocess.run(["gcc", "-o", tmp_path / "words", source], check=True)
    assert acting((tmp_path / "words").read_bytes()) == []


def test_renamed_shell_and_interpreter_turn_their_rules_on_a_real_tree(tmp_path: Path) -> None:
    needs_tools("bash", "perl")
    root = tmp_path / "root"
    folder = root / "usr/libexec/ordinary"
    folder.mkdir(parents=True)
    (root / "usr/lib").mkdir()
    (root / "usr/lib/os-release").write_text("ID=bottlerocket\n")

    def verdicts() -> tuple[Verdict, str, Verdict, str]:
        evidence = look(root, Looking(workers=1), shipped())
        shell, interpreter = (judge_rule(all_rules()[rule], evidence) for rule in ("no-shell", "no-interpreter"))
        return shell.verdict, shell.why, interpreter.verdict, interpreter.why

    assert verdicts()[::2] == (Verdict.PASS, Verdict.PASS)
    shutil.copy(Path(find_tool("bash") or "").resolve(), folder / "telemetry")
    shell, why, interpreter, _ = verdicts()
    assert (shell, interpreter) == (Verdict.FAIL, Verdict.PASS)
    assert why == "found 1: shell under another name: /usr/libexec/ordinary/telemetry (bash)"
    (folder / "telemetry").unlink()
    shutil.copy(Path(find_tool("perl") or "").resolve(), folder / "helper")
    os.chmod(folder / "helper", 0o644)  # the loader starts it all the same
    shell, _, interpreter, why = verdicts()
    assert (shell, interpreter) == (Verdict.PASS, Verdict.FAIL)
    assert "/usr/libexec/ordinary/helper (perl)" in why
    (folder / "helper").unlink()
    (folder / "broken").write_bytes(b"\x7fELF" + b"\xff" * 60)
    os.chmod(folder / "broken", 0o755)
    assert verdicts()[::2] == (Verdict.UNKNOWN, Verdict.UNKNOWN)
