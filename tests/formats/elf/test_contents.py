"""What is inside: crates, Go modules, package notes, kernel modules and kernel images."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from bench.accuracy import stripped
from rocketaudit.errors import FormatError
from rocketaudit.formats.elf import read_elf
from rocketaudit.formats.elf.kernel_image import read_kernel_image
from rocketaudit.formats.elf.kernel_module import SIGNATURE_MARK, module_signature
from rocketaudit.model.binary import BinaryKind, GoModule, Language
from tests.formats.elf.programs import C_HELLO, RECIPES, Recipe, program, run, stripped_by_tools, with_section
from tests.support import needs_tools

REGISTRY = "/home/u/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/left-pad-1.2.3/src/"
PATHS_RUST = """
mod inner {{ #[path = "{folder}/deep.rs"] pub mod deep; }}
fn main() {{ println!("{{}}", inner::deep::at(std::env::args().count())); }}
"""


def test_crates_are_recovered_from_panic_locations(tmp_path: Path) -> None:
    source = "#[inline(never)] pub fn at(i: usize) -> usize { let v: Vec<usize> = (0..i).collect(); v[i * 3] }\n"
    (tmp_path / "deep.rs").write_text(source)
    recipe = Recipe(".rs", PATHS_RUST.format(folder=tmp_path), ("-O", f"--remap-path-prefix={tmp_path}/={REGISTRY}"))
    data = stripped(stripped_by_tools(program("rust-paths", recipe), tmp_path))
    crates = {(crate.name, crate.version): crate.source for crate in read_elf(data).crates}
    assert crates["left-pad", "1.2.3"] == "crates.io"
    assert {source for crate, source in crates.items() if crate[0] != "left-pad"} <= {"std"}


def audited(folder: Path, content: bytes) -> bytes:
    return with_section(program("rust"), ".dep-v0", content, folder)


def test_audited_crates_are_read_as_stated(tmp_path: Path) -> None:
    packages = [
        {"name": "app", "version": "0.1.0", "source": "local", "root": True, "dependencies": [1]},
        {"name": "libc", "version": "0.2.1", "source": "crates.io", "kind": "build"},
    ]
    stated = zlib.compress(json.dumps({"packages": packages}).encode())
    crates = read_elf(audited(tmp_path, stated)).crates
    assert [(c.name, c.version, c.source, c.kind, c.root, c.evidence) for c in crates] == [
        ("app", "0.1.0", "local", "runtime", True, "dep-v0"),
        ("libc", "0.2.1", "crates.io", "build", False, "dep-v0"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        zlib.compress(bytes(100 << 20)),
        zlib.compress(b"[" * 200_000),
        zlib.compress(b'{"packages": [1]}'),
        zlib.compress(b'{"packages": {}}'),
        zlib.compress(b"{}")[:-3],
        b"no zlib",
        zlib.compress(b'{"packages": [' + b'{"name":"a","version":"1"},' * 20_000 + b'{"name":"b","version":"1"}]}'),
    ],
    ids=["bomb", "deep", "numbers", "object", "cut", "garbage", "many"],
)
def test_damaged_audit_data_is_named_and_the_rest_is_read(content: bytes, tmp_path: Path) -> None:
    binary = read_elf(audited(tmp_path, content))
    assert binary.error is not None
    assert ".dep-v0" in binary.error
    assert (binary.language, binary.crates) == (Language.RUST, ())


def test_mini_debug_info_that_unpacks_to_too_much_is_named(tmp_path: Path) -> None:
    import lzma

    bomb = lzma.compress(bytes(80 << 20), preset=0)
    binary = read_elf(with_section(program("c"), ".gnu_debugdata", bomb, tmp_path))
    assert binary.error is not None
    assert "64 MiB" in binary.error
    assert binary.language is Language.C


def test_go_build_information_is_read_with_and_without_sections() -> None:
    for data in (program("go"), stripped(program("go-small")), program("go-bottlerocket")):
        binary = read_elf(data)
        assert binary.go_version is not None
        assert binary.go_version.startswith("go1.")
        assert binary.go_main == "example.test/hello"


def build_info(text: str, version: str = "go1.22.5") -> bytes:
    """A blob as the linker writes it since Go 1.18."""
    frame = b"0123456789abcdef"
    modules = frame + text.encode() + frame
    head = b"\xff Go buildinf:" + bytes([8, 2]) + bytes(16)
    return head + bytes([len(version)]) + version.encode() + leb(len(modules)) + modules


def leb(number: int) -> bytes:
    out = b""
    while number >= 0x80:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


MODULES = (
    "path\texample.test/cmd\nmod\texample.test\tv1.0.0\t\ndep\tgithub.com/a/b\tv1.2.3\th1:abc=\n"
    "dep\tgithub.com/c/d\tv0.1.0\n=>\tgithub.com/e/f\tv0.2.0\th1:def=\nbuild\t-compiler=gc\n"
)


def go_with(content: bytes, folder: Path) -> bytes:
    """A C program with Go's section added, and Go's note that makes it Go."""
    return with_section(program("c"), ".go.buildinfo", content, folder)


def test_go_modules_and_replacements_are_listed(tmp_path: Path) -> None:
    binary = read_elf(go_with(build_info(MODULES), tmp_path))
    assert (binary.go_version, binary.go_main) == ("go1.22.5", "example.test/cmd")
    assert binary.go_modules == (
        GoModule("github.com/a/b", "v1.2.3", None, "h1:abc="),
        GoModule("github.com/c/d", "v0.1.0", "github.com/e/f@v0.2.0", "h1:def="),
    )
    assert binary.go_module == GoModule("example.test", "v1.0.0", None, None)


@pytest.mark.parametrize("cut", [16, 31, 33, 60])
def test_cut_go_build_information_is_named(cut: int, tmp_path: Path) -> None:
    content = bytearray(build_info(MODULES)[:cut])
    if cut > 32:
        content[32:33] = b"\xff\xff\xff\xff\x7f"
    binary = read_elf(go_with(bytes(content), tmp_path))
    assert binary.language is Language.GO
    assert binary.go_version is None or binary.error is not None


def test_modules_are_found_by_paths_where_build_information_is_gone() -> None:
    trap = RECIPES["trap"]
    paths = '"/home/u/go/pkg/mod/github.com/!burnt!sushi/toml@v1.3.2/parse.go", "golang.org/x/sys@v0.5.0/unix/x.go",'
    recipe = replace(trap, source=trap.source.replace("{\n", "{\n " + paths, 1))
    from rocketaudit.formats.elf.go_buildinfo import modules_by_paths
    from rocketaudit.formats.elf.header import parse_header
    from rocketaudit.formats.elf.language_signals import search_ranges

    elf = parse_header(program("go-paths", recipe))
    assert [(m.path, m.version) for m in modules_by_paths(elf, search_ranges(elf))] == [
        ("github.com/BurntSushi/toml", "v1.3.2"),
        ("golang.org/x/sys", "v0.5.0"),
    ]


def test_package_note_is_read_and_a_damaged_one_named(tmp_path: Path) -> None:
    stated = '{"type":"rpm","name":"hello","version":"1.0-1","osCpe":"cpe:/o:x","x":1}'
    note = struct.pack("<III", 4, len(stated), 0xCAFE1A7E) + b"FDO\0" + stated.encode()
    recipe = Recipe(".c", C_HELLO + note_in_c(note), ("-O2",))
    found = read_elf(program("noted", recipe)).package_note
    assert found is not None
    assert (found.type, found.name, found.version, found.os_cpe) == ("rpm", "hello", "1.0-1", "cpe:/o:x")
    damaged = Recipe(".c", C_HELLO + note_in_c(note.replace(b'{"type', b'["type')), ("-O2",))
    assert "package note" in (read_elf(program("noted-badly", damaged)).error or "")


def note_in_c(note: bytes) -> str:
    numbers = ",".join(map(str, note))
    return f'__attribute__((section(".note.package"), aligned(4), used)) const unsigned char note[] = {{{numbers}}};\n'


MODULE = """
__attribute__((section(".modinfo"), used)) static const char info[] =
 "name=hello\\0version=1.2\\0license=GPL\\0depends=a,b\\0intree=Y\\0retpoline=Y\\0vermagic=6.12.1 SMP mod_unload \\0";
__attribute__((section(".gnu.linkonce.this_module"), used)) char this_module[64];
int init_module(void) { return 0; }
"""


def test_a_kernel_module_says_what_it_is_and_who_signed_it(tmp_path: Path) -> None:
    needs_tools("openssl")
    data = program("module", Recipe(".c", MODULE, ("-c", "-O2")))
    plain = read_elf(data)
    assert (plain.kind, plain.language) == (BinaryKind.KERNEL_MODULE, Language.C)
    assert plain.module_info is not None
    assert (plain.module_info.version, plain.module_info.license) == ("1.2", "GPL")
    assert (plain.module_info.depends, plain.module_info.intree) == (("a", "b"), True)
    assert plain.module_info.vermagic == "6.12.1 SMP mod_unload "
    assert plain.module_info.signature is None
    (tmp_path / "m.ko").write_bytes(data)
    new_key = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Build key", "-days", "2"]
    run([*new_key, "-keyout", "k.pem", "-out", "c.pem"], tmp_path)
    sign = ["openssl", "cms", "-sign", "-binary", "-noattr", "-nocerts", "-outform", "DER", "-md", "sha512"]
    run([*sign, "-signer", "c.pem", "-inkey", "k.pem", "-in", "m.ko", "-out", "sig"], tmp_path)
    signature = (tmp_path / "sig").read_bytes()
    signed = data + signature + struct.pack(">BBBBB3xI", 0, 0, 2, 0, 0, len(signature)) + SIGNATURE_MARK
    info = read_elf(signed).module_info
    assert info is not None
    assert info.signature is not None
    assert (info.signature.signer, info.signature.hash, info.signature.length) == (
        "Build key",
        "sha512",
        len(signature),
    )


def test_a_module_signature_that_does_not_fit_is_refused() -> None:
    trailer = struct.pack(">BBBBB3xI", 0, 0, 2, 0, 0, 5000) + SIGNATURE_MARK
    with pytest.raises(FormatError, match="does not fit"):
        module_signature(bytes(100) + trailer)
    assert module_signature(SIGNATURE_MARK) is None


BANNER = b"Linux version 6.12.37 (b@h) (gcc (GCC) 14.2.0, GNU ld (GNU Binutils) 2.43) #1 SMP\0"


def test_a_kernel_image_says_how_it_was_built() -> None:
    config = b"CONFIG_MODULE_SIG=y\n"
    kernel = b"code" + BANNER + b"IKCFG_ST" + gzip.compress(config) + b"IKCFG_ED"
    image = bytearray(0x1000)
    image[0x1F1], image[0x202:0x206] = 1, b"HdrS"
    payload = gzip.compress(kernel)
    struct.pack_into("<H", image, 0x206, 0x20F)
    struct.pack_into("<II", image, 0x248, 0x1000 - 1024, len(payload))
    found = read_kernel_image(bytes(image) + payload)
    assert (found.format, found.compression, found.version) == ("bzImage", "gzip", "6.12.37")
    assert found.compiler == "gcc (GCC) 14.2.0, GNU ld (GNU Binutils) 2.43"
    assert found.config == config.decode()
    damaged = read_kernel_image(bytes(image) + payload[:20] + bytes(len(payload) - 20))
    assert damaged.version is None
    assert damaged.problems
    with pytest.raises(FormatError):
        read_kernel_image(b"\x7fELF")
