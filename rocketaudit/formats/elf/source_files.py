"""The source files that a symbol table names (STT_FILE): which compiler was called, as long as nothing was stripped.

Compilers write one such symbol for each translation unit; link time optimisation drops them. The C runtime's own
objects (crtstuff.c and the like) are in programs of every language and say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rocketaudit.formats.elf.language import Sign
from rocketaudit.formats.elf.symbols import SymbolTable
from rocketaudit.model.binary import Signal

STT_FILE = b"\x04"  # st_info of a local symbol that names a source file
MAX_ROWS = 1 << 16  # local symbols come first
MAX_FILES = 4096
MAX_NAME = 4096
_ROWS = {64: (24, 4), 32: (16, 12)}  # elf(5): bytes of a symbol, offset of st_info; st_name comes first in both

# rustc names its units CRATE.HASH-cgu.N
_RUST_UNIT = re.compile(rb"-cgu\.\d+\Z")
_OF_EVERY_PROGRAM = re.compile(
    rb"(?:crtstuff|elf-init|initfini|init|static-reloc|libgcc2|emutls|unwind-.*|cpuinfo|crtfastmath|abi-note)\.[cS]\Z"
)
_SUFFIXES: dict[bytes, tuple[Sign, str]] = {
    b"c": (Sign.C_FILES, ""),
    **dict.fromkeys((b"cc", b"cpp", b"cxx", b"c++", b"C", b"cp"), (Sign.CPP_FILES, "")),
    **dict.fromkeys((b"s", b"S", b"asm", b"nasm"), (Sign.OTHER_FILES, "assembler: ")),
    **dict.fromkeys((b"f", b"f90", b"F90", b"f95", b"for"), (Sign.OTHER_FILES, "fortran: ")),
    b"adb": (Sign.OTHER_FILES, "ada: "),
    b"d": (Sign.OTHER_FILES, "d: "),
}


def source_files(table: SymbolTable) -> Iterator[Signal]:
    """One signal for each language whose files are named; `value` is the first name and how many there are."""
    found: dict[tuple[Sign, str], list[str]] = {}
    for name in _names(table):
        if _OF_EVERY_PROGRAM.match(name.rsplit(b"/", 1)[-1]):
            continue
        kind = _SUFFIXES.get(name.rpartition(b".")[2]) if b"." in name else None
        if kind is None and _RUST_UNIT.search(name):
            kind = Sign.RUST_UNITS, ""
        if kind is not None:
            found.setdefault(kind, []).append(name[-80:].decode("latin-1"))
    for (sign, language), names in found.items():
        if sign is Sign.OTHER_FILES and any(other is not sign for other, _ in found):
            continue  # parts of a program in another language
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield Signal(sign, f"{language}{names[0]}{more}", table.offset)


def _names(table: SymbolTable) -> Iterator[bytes]:
    """The source files in the first rows of the table, whatever part of it is read for other questions."""
    if table.elf is None:
        return
    size, info = _ROWS[table.elf.bits]
    raw = bytes(table.elf.piece(table.offset, min(table.rows, MAX_ROWS) * size))
    kinds, at = raw[info::size], -1
    for _ in range(MAX_FILES):
        at = kinds.find(STT_FILE, at + 1)
        if at < 0:
            return
        place = int.from_bytes(raw[at * size : at * size + 4], "little" if table.elf.order == "<" else "big")
        yield table.text[place : place + MAX_NAME].partition(b"\0")[0]
