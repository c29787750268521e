"""What leaves nearly nothing behind is never answered wrongly with confidence: assembler, C-like C++, Zig, Dart."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bench.accuracy import stripped
from rocketaudit.formats.elf import read_elf
from rocketaudit.formats.elf.haystack import Haystack
from rocketaudit.formats.elf.language import Sign
from rocketaudit.formats.elf.language_text import runtime_text
from rocketaudit.formats.elf.runtimes import RUNTIMES
from rocketaudit.formats.elf.searchable import Text
from rocketaudit.model.binary import Binary, Confidence, Language
from tests.formats.elf.programs import Recipe, program, stripped_by_tools
from tests.support import CACHE, needs_tools

_LOOPS = "\n".join(f"f{n}: mov $9,%ecx\n1: add %ecx,%eax\n xor $0x55,%eax\n loop 1b\n ret" for n in range(200))
ASSEMBLER_WITH_C = Recipe(
    ".s",
    f".globl main\nmain: push %rbx\n lea text(%rip),%rdi\n call puts@PLT\n xor %eax,%eax\n pop %rbx\n ret\n{_LOOPS}\n"
    '.section .rodata\ntext: .asciz "hello"\n.section .note.GNU-stack,"",@progbits\n',
    ("-pie",),
)
CPP_LIKE_C = Recipe(
    ".cc",
    "#include <stdio.h>\nnamespace n { int twice(int a) { return 2 * a; } }\n"
    'int main(int c, char**) { printf("%d\\n", n::twice(c)); return 0; }\n',
    ("-O2", "-fno-exceptions", "-Wl,--no-as-needed"),
)
ZIG = """
const std = @import("std");
pub fn main() !void {
    var sum: u64 = 0;
    const many = try std.heap.page_allocator.alloc(u64, 100);
    defer std.heap.page_allocator.free(many);
    for (many, 0..) |*one, k| one.* = k * k;
    for (many) |one| sum +%= one;
    std.debug.print("sum {d}\\n", .{sum});
}
"""
C_PART = '#include <stdio.h>\nint main(int c, char **v) { printf("%s %d\\n", v[0], c); return 0; }\n'


def forms(data: bytes, folder: Path) -> list[Binary]:
    return [read_elf(data), read_elf(stripped_by_tools(data, folder)), read_elf(stripped(data))]


def test_assembler_that_uses_a_c_library_is_doubted(tmp_path: Path) -> None:
    for binary in forms(program("assembler-with-c", ASSEMBLER_WITH_C), tmp_path)[1:]:
        assert binary.confidence is Confidence.LOW, binary.signals
    binary = read_elf(stripped_by_tools(program("assembler-with-c", ASSEMBLER_WITH_C), tmp_path))
    assert Sign.UNCOVERED_CODE in {signal.kind for signal in binary.signals}


@pytest.mark.parametrize("name", ["c", "c-shared"])
def test_code_of_a_c_compiler_has_unwind_entries(name: str, tmp_path: Path) -> None:
    for binary in forms(program(name), tmp_path):
        assert Sign.UNCOVERED_CODE not in {signal.kind for signal in binary.signals}
        assert binary.language is Language.C


def test_cpp_that_uses_nothing_of_its_library_is_not_called_c_with_confidence(tmp_path: Path) -> None:
    binary = read_elf(stripped_by_tools(program("c++-like-c", CPP_LIKE_C), tmp_path))
    assert binary.language is Language.CPP or binary.confidence is Confidence.LOW


TEXTS = [(runtime.name, texts) for runtime in RUNTIMES for texts in runtime.texts]


@pytest.mark.parametrize(("name", "texts"), TEXTS, ids=lambda one: one if isinstance(one, str) else "")
def test_a_runtime_is_known_by_all_of_its_texts_together(name: str, texts: tuple[bytes, ...]) -> None:
    """Static programs of Swift, Ada, Java and others hold little else that tells; each text alone is mere mention."""
    for missing in (None, *texts):
        data = b"\0".join([b"", *(text for text in texts if text != missing), b""]).ljust(512, b"\0")
        found = list(runtime_text(Text(Haystack(memoryview(data)), ((0, len(data)),)), frozenset()))
        expected = [] if missing else [name]
        if not missing or not any(set(others) <= set(texts) - {missing} for _, others in TEXTS):
            assert [signal.value.split(":")[0] for signal in found] == expected


def zig(words: list[str], source: str, suffix: str) -> bytes:
    """What the Zig compiler of PyPI makes of a source; it is fetched into a place of its own, once."""
    home = CACHE / "zig"
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True, capture_output=True)
        command = [python, "-m", "pip", "install", "-q", "ziglang==0.17.1"]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            python.unlink()
            pytest.skip("the Zig compiler could not be fetched")
    built = home / hashlib.sha256(repr((words, source)).encode()).hexdigest()[:16]
    if not built.exists():
        path = home / f"main{suffix}"
        path.write_text(source)
        caches = {"ZIG_GLOBAL_CACHE_DIR": str(home / "cache"), "ZIG_LOCAL_CACHE_DIR": str(home / "cache")}
        command = [
            python,
            "-m",
            "ziglang",
            *words,
            path.name,
            f"-femit-bin={built}" if words[0] != "cc" else f"-o{built}",
        ]
        subprocess.run(command, cwd=home, env={**os.environ, **caches}, check=True, capture_output=True)
    return built.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("linked", [[], ["-lc"], ["-target", "aarch64-linux-musl"]], ids=["static", "libc", "aarch64"])
@pytest.mark.parametrize("mode", ["Debug", "ReleaseSafe", "ReleaseFast", "ReleaseSmall"])
def test_zig_is_found_in_every_mode(mode: str, linked: list[str], tmp_path: Path) -> None:
    data = zig(["build-exe", "-O", mode, "-fstrip", *linked], ZIG, ".zig")
    for binary in (read_elf(data), read_elf(stripped(data))):
        assert binary.runtime == "zig", binary.signals


@pytest.mark.slow
@pytest.mark.parametrize("linked", [[], ["-lc"]], ids=["alone", "libc"])
@pytest.mark.parametrize("mode", ["ReleaseSafe", "ReleaseFast", "ReleaseSmall"])
def test_a_zig_library_without_its_runtime_is_not_guessed_with_confidence(mode: str, linked: list[str]) -> None:
    source = "export fn add(a: i32, b: i32) i32 { return a +% b; }\n"
    binary = read_elf(zig(["build-lib", "-dynamic", "-O", mode, "-fstrip", *linked], source, ".zig"))
    assert binary.runtime == "zig" or binary.confidence is Confidence.LOW, binary.signals


@pytest.mark.slow
@pytest.mark.parametrize("target", ["x86_64-linux-musl", "s390x-linux-musl", "x86_64-linux-gnu"])
def test_c_that_the_zig_compiler_made_is_c(target: str) -> None:
    binary = read_elf(zig(["cc", "-target", target, "-O2", "-s"], C_PART, ".c"))
    assert binary.language in (Language.C, Language.UNKNOWN), binary.signals


def dart(package: str) -> Path:
    """The folder of a program that the Dart compiler made ahead of time, as npm ships it: its runtime and its code."""
    home = CACHE / "dart" / package.replace("@", "-")
    if not home.exists():
        needs_tools("npm", "tar")
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as folder:
            command = ["npm", "pack", "--silent", package, "--pack-destination", folder]
            if subprocess.run(command, check=False, capture_output=True).returncode:
                pytest.skip(f"{package} could not be fetched")
            archive = next(Path(folder).glob("*.tgz"))
            subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True)
            (Path(folder) / "package").rename(home)
    return home / "dart-sass" / "src"


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["x64", "arm64", "arm", "musl-x64"])
def test_what_the_dart_compiler_made_is_dart(machine: str) -> None:
    folder = dart(f"sass-embedded-linux-{machine}@1.105.0")
    for name, contains in (("sass.snapshot", ("dart",)), ("dart", ("dart", "c++"))):
        data = (folder / name).read_bytes()
        for binary in (read_elf(data), read_elf(stripped(data))):
            assert (binary.language, binary.runtime) == (Language.OTHER, "dart"), binary.signals
            assert binary.contains == contains
