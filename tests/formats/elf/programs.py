"""Small programs in several languages, compiled once and cached: each built as distributions and Bottlerocket do."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.images.compile import find_compiler
from tests.support import CACHE, needs_tools

C_HELLO = '#include <stdio.h>\nint main(int c,char**v){char b[64];sprintf(b,"%s %d",v[0],c);puts(b);return 0;}\n'
# every text that Rust, Go and C++ are known by, in a program of C
C_TRAP = r"""
#include <stdio.h>
const char *texts[] = {
 "/rustc/0123456789abcdef0123456789abcdef01234567/library/core/src/option.rs", "library/std/src/panicking.rs",
 "library/alloc/src/vec/mod.rs", "called `Option::unwrap()` on a `None` value", "__rust_begin_short_backtrace",
 "RUST_BACKTRACE", "fatal runtime error: ", "index out of bounds: the len is ", "rust_eh_personality", "rustc",
 "core.trustctime", "runtime.gopanic", "\xff Go buildinf:", "N10__cxxabiv1", "St9exception", "basic_string::",
};
int main(int c, char **v) { puts(texts[c % 16]); return v == 0; }
"""
C_CALLS_RUST = (
    "#include <stdio.h>\nunsigned long work(unsigned long);\n"
    'int main(int c,char**v){printf("%lu %s\\n",work(c+3),v[0]);return 0;}\n'
)
RUST_LIBRARY = """
#[no_mangle] pub extern "C" fn work(x: usize) -> usize {
    let v: Vec<usize> = (0..x).collect(); v.iter().map(|a| a * 2).sum::<usize>() + v[x / 2]
}
"""
RUST_HELLO = """
fn main() {
    let words: Vec<String> = std::env::args().collect();
    let n: usize = words.get(1).map(|word| word.parse().unwrap()).unwrap_or(3);
    let v: Vec<usize> = (0..n).collect();
    println!("{:?} {}", v, words[0]);
}
"""
RUST_BARE = """
#![no_std]
#![no_main]
#[panic_handler] fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }
#[no_mangle] pub extern "C" fn entry(i: usize) -> usize { let x = [1usize, 2, 3]; x[i] }
#[no_mangle] pub extern "C" fn _start() -> ! {
    let i = unsafe { core::ptr::read_volatile(&7usize) };
    entry(i);
    loop {}
}
"""
CPP_HELLO = (
    "#include <iostream>\n#include <vector>\n#include <string>\n"
    "int main(int c,char**v){std::vector<std::string> w(v,v+c);for(auto&s:w)std::cout<<s<<'\\n';}\n"
)
CPP_VIRTUAL = """
#include <new>
#include <cstdio>
#include <cstdlib>
struct Shape { virtual int area() const { return 0; } virtual int sides() const { return 1; } };
struct Square : Shape { int s; Square(int x) : s(x) {}
  int area() const override { return s * s; } int sides() const override { return 4; } };
struct Strip : Shape { int b, h; Strip(int x, int y) : b(x), h(y) {}
  int area() const override { return b * h; } int sides() const override { return 3; } };
extern "C" __attribute__((noinline)) int total(Shape** v, int n)
{ int t = 0; for (int i = 0; i < n; i++) t += v[i]->area() * v[i]->sides(); return t; }
int main(int c, char**) { void* p = malloc(64); Square* s = new ((Square*)p) Square(c); Strip t(c, 3);
  Shape* a[2] = {s, &t}; printf("%d\\n", total(a, 2)); }
"""
CPP_STATIC_OBJECT = """
#include <cstdio>
namespace q { class Counter { int v; public: Counter(int x) : v(x) {} ~Counter() { std::printf("%d\\n", v); }
  int next() { return ++v; } }; }
static q::Counter counter(7);
int main(int c, char**) { int t = 0; for (int i = 0; i < c; i++) t += counter.next(); std::printf("%d\\n", t); }
"""
GO_HELLO = 'package main\nimport ("fmt"; "os")\nfunc main() { fmt.Println(len(os.Args)) }\n'
ASSEMBLER = ".globl _start\n_start: mov $60,%eax\n xor %edi,%edi\n syscall\n"

BARE_LINK = "-Clink-args=-nostdlib -Wl,--defsym=rust_eh_personality=0"
BARE_CPP = ("-fno-rtti", "-fno-exceptions", "-nodefaultlibs", "-Wl,--start-group", "-lc", "-lgcc", "-Wl,--end-group")
STATIC_CPP = ("-static", "-fno-rtti", "-fno-exceptions", "-nodefaultlibs", "-Wl,--start-group", "-lc", "-lgcc")
STATIC_CPP += ("-lgcc_eh", "-Wl,--end-group")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One source and how it is compiled; `library` is Rust source that becomes a static library first."""

    suffix: str
    source: str
    flags: tuple[str, ...] = ()
    library: str = ""
    library_flags: tuple[str, ...] = ()


RECIPES: dict[str, Recipe] = {
    "c": Recipe(".c", C_HELLO, ("-O2",)),
    "c-static": Recipe(".c", C_HELLO, ("-O2", "-static")),
    "c-static-pie": Recipe(".c", C_HELLO, ("-O2", "-static-pie")),
    "c-shared": Recipe(".c", C_HELLO, ("-O2", "-shared", "-fPIC")),
    "trap": Recipe(".c", C_TRAP, ("-O2",)),
    "trap-static": Recipe(".c", C_TRAP, ("-O2", "-static")),
    "trap-static-pie": Recipe(".c", C_TRAP, ("-O2", "-static-pie")),
    "trap-unwind": Recipe(".c", C_TRAP, ("-O2", "-fexceptions", "-Wl,--no-as-needed", "-lgcc_s")),
    "c++": Recipe(".cc", CPP_HELLO, ("-O2",)),
    "c++-static": Recipe(".cc", CPP_HELLO, ("-O2", "-static")),
    "c++-static-runtime": Recipe(".cc", CPP_HELLO, ("-O2", "-static-libstdc++", "-static-libgcc")),
    "c++-bare": Recipe(".cc", CPP_VIRTUAL, ("-O2", *BARE_CPP)),
    "c++-bare-O0": Recipe(".cc", CPP_VIRTUAL, ("-O0", *BARE_CPP)),
    "c++-bare-fixed": Recipe(".cc", CPP_VIRTUAL, ("-O2", "-no-pie", *BARE_CPP)),
    "c++-static-object": Recipe(".cc", CPP_STATIC_OBJECT, ("-O2", *BARE_CPP)),
    "rust": Recipe(".rs", RUST_HELLO, ("-O",)),
    "rust-prefer-dynamic": Recipe(".rs", RUST_HELLO, ("-O", "-Cprefer-dynamic")),
    "rust-static": Recipe(".rs", RUST_HELLO, ("-O", "-Ctarget-feature=+crt-static")),
    "rust-abort": Recipe(".rs", RUST_HELLO, ("-O", "-Cpanic=abort", "-Clto")),
    "rust-relr": Recipe(".rs", RUST_HELLO, ("-O", "-Clink-arg=-Wl,-z,pack-relative-relocs")),
    "rust-bare": Recipe(".rs", RUST_BARE, ("-O", "-Cpanic=abort", "-Clink-arg=-nostartfiles", BARE_LINK)),
    "rust-bare-fixed": Recipe(
        ".rs",
        RUST_BARE,
        ("-O", "-Cpanic=abort", "-Crelocation-model=static", "-Clink-arg=-nostartfiles", BARE_LINK + " -static"),
    ),
    "c-calls-rust": Recipe(".c", C_CALLS_RUST, ("-O2", "-lgcc_s", "-lm"), RUST_LIBRARY, ("-O",)),
    "c-calls-rust-abort": Recipe(".c", C_CALLS_RUST, ("-O2", "-lgcc_s", "-lm"), RUST_LIBRARY, ("-O", "-Cpanic=abort")),
    "go": Recipe(".go", GO_HELLO, ("-buildvcs=false",)),
    "go-small": Recipe(".go", GO_HELLO, ("-buildvcs=false", "-ldflags=-s -w", "-trimpath")),
    "go-bottlerocket": Recipe(
        ".go", GO_HELLO, ("-buildvcs=false", "-buildmode=pie", "-ldflags=-linkmode=external -s -w")
    ),
    "assembler": Recipe(".s", ASSEMBLER, ("-nostdlib", "-static")),
}
_LANGUAGES = {".c": "c", ".cc": "c++", ".rs": "rust", ".go": "go", ".s": "c"}


def program(name: str, recipe: Recipe | None = None) -> bytes:
    """The bytes of a program, or a skip that names the compiler that is missing."""
    return program_path(name, recipe).read_bytes()


def program_path(name: str, recipe: Recipe | None = None) -> Path:
    recipe = recipe or RECIPES[name]
    language = _LANGUAGES[recipe.suffix]
    compiler = find_compiler(language)
    if compiler is None:
        pytest.skip(f"no compiler for {language}")
    digest = hashlib.sha256(repr((recipe, compiler)).encode()).hexdigest()[:16]
    built = CACHE / "elf" / f"{name}-{digest}"
    if not built.exists():
        built.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=built.parent) as folder:
            made = _compile(compiler, recipe, Path(folder))
            os.replace(made, built)
    return built


def _compile(compiler: str, recipe: Recipe, folder: Path) -> Path:
    source = folder / f"main{recipe.suffix}"
    source.write_text(recipe.source)
    made = folder / "program"
    inputs = [str(source)]
    if recipe.library:
        rustc = find_compiler("rust")
        if rustc is None:
            pytest.skip("no compiler for rust")
        (folder / "part.rs").write_text(recipe.library)
        archive = str(folder / "libpart.a")
        run([rustc, *recipe.library_flags, "--crate-type=staticlib", "-o", archive, str(folder / "part.rs")], folder)
        inputs.append(archive)
    if recipe.suffix == ".go":
        (folder / "go.mod").write_text("module example.test/hello\n\ngo 1.20\n")
        run([compiler, "build", *recipe.flags, "-o", str(made), "."], folder)
    elif recipe.suffix == ".rs":
        run([compiler, *recipe.flags, "-o", str(made), source.name], folder)
    else:
        run([compiler, "-o", str(made), *inputs, *recipe.flags], folder)
    return made


def run(command: list[str], folder: Path) -> None:
    home = folder / "home"
    environment = os.environ | {
        "GOCACHE": str(CACHE / "go-cache"), "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOPATH": str(home),
        "GOENV": "off", "LC_ALL": "C",
    }  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stderr[-2000:]}"


def stripped_by_tools(data: bytes, folder: Path) -> bytes:
    """As packages are stripped: no symbols, no .comment, no notes."""
    needs_tools("strip")
    path, out = folder / "in", folder / "out"
    path.write_bytes(data)
    run(["strip", "-s", "-R", ".comment", "-R", ".note.*", "-o", str(out), str(path)], folder)
    return out.read_bytes()


def with_section(data: bytes, name: str, content: bytes, folder: Path) -> bytes:
    """The program with one more section."""
    needs_tools("objcopy")
    (folder / "in").write_bytes(data)
    (folder / "content").write_bytes(content)
    added = f"{name}={folder / 'content'}"
    run(["objcopy", "--add-section", added, str(folder / "in"), str(folder / "out")], folder)
    return (folder / "out").read_bytes()
