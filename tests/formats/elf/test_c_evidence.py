"""C is said with confidence only where something speaks for C: what leaves no trace looks the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.accuracy import stripped
from rocketaudit.cli.elf_text import explained
from rocketaudit.formats.elf import read_elf
from rocketaudit.formats.elf.haystack import Haystack
from rocketaudit.formats.elf.language import Sign
from rocketaudit.formats.elf.language_text import cpp_function_text, cpp_text
from rocketaudit.formats.elf.searchable import Text
from rocketaudit.model.binary import Binary, BinaryKind, Confidence, Language
from tests.formats.elf.programs import BARE_CPP, Recipe, program, run, stripped_by_tools
from tests.support import needs_tools

TEMPLATES = """
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
template <class T> class Many { T *at; int n; public: Many() : at(nullptr), n(0) {} ~Many() { free(at); }
  void add(const T &one) { at = (T *)realloc(at, (n + 1) * sizeof(T)); at[n++] = one; } int count() const { return n; }
  T &operator[](int i) { return at[i]; } };
int main(int c, char **v) { Many<double> m; for (int i = 0; i < c; i++) m.add(isspace(v[i][0]) ? 1.5 : i);
  for (int i = 0; i < m.count(); i++) printf("%g\\n", m[i]); }
"""
PLUGIN = """
#include <stdlib.h>
#include <string.h>
namespace { class Amplifier { float gain; public: Amplifier(float g) : gain(g) {}
  void run(float *data, unsigned n) { for (unsigned i = 0; i < n; i++) data[i] *= gain; } }; }
extern "C" void *create(float g)
{ void *p = malloc(sizeof(Amplifier)); Amplifier a(g); return memcpy(p, &a, sizeof a); }
extern "C" void run(void *p, float *data, unsigned n) { static_cast<Amplifier *>(p)->run(data, n); }
extern "C" void destroy(void *p) { free(p); }
"""
RUST_WITH_C = r"""
#![no_std]
#![no_main]
extern "C" { fn printf(f: *const u8, ...) -> i32; fn malloc(n: usize) -> *mut u8; fn free(p: *mut u8); }
#[panic_handler] fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }
#[no_mangle] pub extern "C" fn main(c: i32, _v: *const *const u8) -> i32 {
    unsafe {
        let p = malloc(16);
        let mut i = 0;
        while i < 16 { *p.add(i) = (i as u8) ^ (c as u8); i += 1; }
        printf(b"%d\n\0".as_ptr(), *p.add(3) as i32);
        free(p);
    }
    0
}
"""
RUST_LIBRARY = """
#![no_std]
#[panic_handler] fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }
#[no_mangle] pub extern "C" fn sum(p: *const u32, n: usize) -> u32 {
    let mut s = 0u32;
    let mut i = 0;
    while i < n { s = s.wrapping_add(unsafe { *p.add(i) }); i += 1; }
    s
}
"""
ON_THE_STACK = """
#include <cstdio>
struct Shape { virtual int area() = 0; virtual const char *name() const { return "shape"; } };
struct Square : Shape { int s; Square(int x) : s(x) {} int area() override { return s * s; }
  const char *name() const override { return "square"; } };
struct Box : Shape { int s, t; Box(int x, int y) : s(x), t(y) {} int area() override { return s * t; } };
extern "C" void __cxa_pure_virtual() {}
int main(int c, char **) { Square a(c); Box b(c, 2); Shape *all[] = {&a, &b}; int t = 0;
  for (Shape *one : all) { t += one->area(); puts(one->name()); } printf("%d\\n", t); }
"""
RUST_MODULE = """
#![no_std]
#[panic_handler] fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }
extern "C" { fn _printk(f: *const u8, ...) -> i32; }
pub struct Table { pub n: [u32; 8] }
impl Table { #[inline(never)] pub fn pick(&self, i: usize) -> u32 { self.n[i] } }
#[link_section = ".modinfo"] #[used] static LICENSE: [u8; 12] = *b"license=GPL\\0";
#[link_section = ".gnu.linkonce.this_module"] #[used] static THIS: [u8; 64] = [0; 64];
#[no_mangle] pub extern "C" fn init_module() -> i32 {
    let table = Table { n: [1, 2, 3, 4, 5, 6, 7, 8] };
    unsafe { _printk(b"x\\0".as_ptr(), table.pick(init_module as usize)) }
}
"""
ASSERTING = """
#include <cassert>
#include <cstdio>
#line 1 "row"
namespace q { struct Row { int n; int at(int i) const { assert(i < n); return i * n; } }; }
int main(int c, char **) { q::Row row{c}; printf("%d\\n", row.at(0)); }
"""
# nothing of these is left but what C leaves: language of the source, recipe
TRACELESS = {
    "templates": ("c++", Recipe(".cc", TEMPLATES, ("-O2", *BARE_CPP))),
    "templates-O0": ("c++", Recipe(".cc", TEMPLATES, ("-O0", *BARE_CPP))),
    "templates-as-needed": ("c++", Recipe(".cc", TEMPLATES, ("-O2", "-fno-exceptions", "-Wl,--as-needed"))),
    "templates-static": ("c++", Recipe(".cc", TEMPLATES, ("-O2", "-fno-exceptions", "-fno-rtti", "-static"))),
    "plugin": ("c++", Recipe(".cc", PLUGIN, ("-O2", "-shared", "-fPIC", "-fvisibility=hidden", *BARE_CPP))),
    "rust-with-c": ("rust", Recipe(".rs", RUST_WITH_C, ("-O", "-Cpanic=abort", "-Clink-arg=-lc"))),
    "rust-library": ("rust", Recipe(".rs", RUST_LIBRARY, ("-O", "-Cpanic=abort", "--crate-type=cdylib"))),
}
GETTEXT = Recipe(
    ".c",
    "#include <libintl.h>\n#include <stdio.h>\n#include <stdlib.h>\n"
    'int main(int c, char **v) { puts(gettext("hello")); return atoi(v[c - 1]); }\n',
    ("-O2",),
)
_API = "\n".join(f"int api_{n}(int a) {{ return a * {n + 3}; }}" for n in range(12))
LIBRARY = Recipe(
    ".c", f'#include <stdio.h>\n{_API}\nvoid show(int a) {{ printf("%d\\n", a); }}\n', ("-O2", "-shared", "-fPIC")
)


def forms(data: bytes, folder: Path) -> list[Binary]:
    """Stripped as packages are, and without section headers."""
    bare = stripped_by_tools(data, folder)
    return [read_elf(bare), read_elf(stripped(bare))]


def kinds(binary: Binary) -> set[str]:
    return {signal.kind for signal in binary.signals}


@pytest.mark.parametrize("name", TRACELESS)
def test_what_leaves_no_trace_is_never_c_with_confidence(name: str, tmp_path: Path) -> None:
    language, recipe = TRACELESS[name]
    for binary in forms(program(name, recipe), tmp_path):
        assert binary.language == language or binary.confidence is Confidence.LOW, binary.signals


@pytest.mark.parametrize("name", TRACELESS)
def test_as_long_as_the_symbols_are_there_they_name_the_compiler(name: str) -> None:
    language, recipe = TRACELESS[name]
    assert read_elf(program(name, recipe)).language == language


def test_a_low_confidence_in_c_is_explained(tmp_path: Path) -> None:
    _, recipe = TRACELESS["templates"]
    binary = forms(program("templates", recipe), tmp_path)[0]
    assert any("only because nothing else shows" in line for line in explained(binary))
    assert not any("only because" in line for line in explained(read_elf(program("c"))))


@pytest.mark.parametrize(
    ("name", "recipe", "sign"), [("gettext", GETTEXT, Sign.C_HABITS), ("c-library", LIBRARY, Sign.C_EXPORTS)]
)
def test_what_only_c_leaves_raises_the_confidence(name: str, recipe: Recipe, sign: Sign, tmp_path: Path) -> None:
    for binary in forms(program(name, recipe), tmp_path):
        assert (binary.language, binary.confidence) == (Language.C, Confidence.MEDIUM), binary.signals
        assert sign in kinds(binary)


def test_gettext_of_cpp_is_no_macro(tmp_path: Path) -> None:
    recipe = Recipe(".cc", GETTEXT.source, ("-O2", "-fno-exceptions", *BARE_CPP))
    for binary in forms(program("gettext-c++", recipe), tmp_path):
        assert binary.confidence is Confidence.LOW, binary.signals
        assert Sign.C_HABITS not in kinds(binary)


def test_a_function_that_an_assertion_names_tells_cpp(tmp_path: Path) -> None:
    for binary in forms(program("asserting", Recipe(".cc", ASSERTING, ("-O2", *BARE_CPP))), tmp_path):
        assert (binary.language, binary.confidence) == (Language.CPP, Confidence.MEDIUM)
        shown = next(signal for signal in binary.signals if signal.kind == Sign.CPP_FUNCTION_TEXT)
        assert shown.value == "int q::Row::at(int) const"
    plain = Recipe(".c", '#include <assert.h>\n#include <stdio.h>\nstatic int at(int n) { assert(n < 9); return n; }\n'
                   'int main(int c, char **v) { printf("%d q::Row %s\\n", at(c), v[0]); }\n', ("-O2",))  # fmt: skip
    for binary in forms(program("asserting-c", plain), tmp_path):
        assert (binary.language, binary.confidence) == (Language.C, Confidence.HIGH)


@pytest.mark.parametrize("kind", ["pie", "no-pie", "static"])
def test_virtual_functions_of_objects_on_the_stack_tell_cpp(kind: str, tmp_path: Path) -> None:
    options = {"pie": BARE_CPP, "no-pie": ("-no-pie", *BARE_CPP), "static": ("-fno-rtti", "-fno-exceptions", "-static")}
    recipe = Recipe(".cc", ON_THE_STACK, ("-O2", *options[kind]))
    for binary in forms(program(f"stack-{kind}", recipe), tmp_path):
        assert (binary.language, binary.confidence) == (Language.CPP, Confidence.MEDIUM), binary.signals
        assert Sign.CPP_VTABLES in kinds(binary)


@pytest.mark.parametrize("suffix", [".c", ".cc"])
@pytest.mark.parametrize("mentioned", ["src/main.cpp", "src/main.c"])
def test_the_name_of_one_source_file_is_mere_mention(mentioned: str, suffix: str, tmp_path: Path) -> None:
    source = (
        f'#include <stdio.h>\nint main(int c, char **v) {{ FILE *f = fopen(c > 1 ? "{mentioned}" : v[0], "w");\n'
        ' if (!f) return 1; fputs("int main() {}", f); return fclose(f); }\n'
    )
    recipe = Recipe(suffix, source, ("-O2", *(BARE_CPP if suffix == ".cc" else ())))
    for binary in forms(program("scaffold", recipe), tmp_path):
        assert binary.confidence is Confidence.LOW, binary.signals


def test_c_with_its_symbols_names_its_files() -> None:
    binary = read_elf(program("c"))
    assert (binary.language, binary.confidence) == (Language.C, Confidence.HIGH)
    assert [s.value for s in binary.signals if s.kind == Sign.C_FILES] == ["main.c"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("int q::V::at(int) const", True), ("T& Vec<T>::operator[](int) [with T = int]", True),
        ("T &get() [T = int]", True), ("int size() const", True), ("q::V::~V()", True),
        ("int main(int, char **)", False), ("main", False), ("see printf(3)", False), ("[with T = int]", False),
        ("usage: %s (see std::vector)", False), ("a::b", False), ("f(", False), ("x)", False), ("() [a]", False),
    ],
)  # fmt: skip
def test_only_names_that_c_cannot_have_are_cpp(name: str, told: bool) -> None:
    data = b"\0" * 16 + name.encode() + bytes(16)
    found = list(cpp_function_text(Text(Haystack(memoryview(data)), ((0, len(data)),))))
    assert [signal.value for signal in found] == ([name] if told else [])


@pytest.mark.parametrize(
    "before", [b"N10__cxxabiv115__forced_unwindE\0", b"N10__cxxabiv119__foreign_exceptionE\0", b""]
)
def test_type_names_of_the_cpp_runtime_are_found_in_any_order(before: bytes) -> None:
    """GCC 14 puts the exception types before the type_info classes, GCC 12 behind them."""
    data = b"\0" * 16 + before + b"N10__cxxabiv117__class_type_infoE\0" + bytes(16)
    text = Text(Haystack(memoryview(data)), ((0, len(data)),))
    assert [signal.kind for signal in cpp_text(text, unwinds=False)] == [Sign.CPP_TYPES]


@pytest.mark.parametrize("strip", [[], ["--strip-debug"], ["--strip-unneeded", "-R", ".comment"]], ids=str)
def test_a_kernel_module_of_rust_is_not_c(strip: list[str], tmp_path: Path) -> None:
    """As modules are made: relocatable, with .modinfo; names that other modules may want are never stripped."""
    needs_tools("strip")
    recipe = Recipe(".rs", RUST_MODULE, ("-O", "-Cpanic=abort", "--crate-type=lib", "--emit=obj"))
    (tmp_path / "rust.ko").write_bytes(program("rust-module", recipe))
    if strip:
        run(["strip", *strip, "rust.ko"], tmp_path)
    binary = read_elf((tmp_path / "rust.ko").read_bytes())
    assert (binary.kind, binary.language) == (BinaryKind.KERNEL_MODULE, Language.RUST), binary.signals
