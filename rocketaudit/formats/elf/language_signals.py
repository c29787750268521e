"""Gather the evidence for a file's language: tables first, bytes only for what the tables leave open."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rocketaudit.formats.elf.haystack import Ranges
from rocketaudit.formats.elf.header import (
    DT_INIT_ARRAYSZ,
    DT_NEEDED,
    ET_DYN,
    ET_EXEC,
    PF_X,
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHT_NOBITS,
    ElfFile,
)
from rocketaudit.formats.elf.language import Shares, Sign
from rocketaudit.formats.elf.mangling import Mangling
from rocketaudit.formats.elf.runtimes import RUNTIMES
from rocketaudit.formats.elf.source_files import source_files
from rocketaudit.formats.elf.symbols import SymbolTable
from rocketaudit.model.binary import Signal
from rocketaudit.model.records import dataclass

MAX_COMMENT = 1 << 16
MAX_HOLES = 256  # sections looked at for bytes that need no search
WORTH_A_HOLE = 1024

_RUST_LIBRARY = re.compile(r"lib(?:std|rustc_driver|test|proc_macro|core|alloc)-[0-9a-f]{16}\.so")
_CPP_LIBRARY = ("libstdc++.so", "libc++.so", "libc++abi")
_C_LIBRARY = ("libc.so", "libc.musl", "ld-linux", "ld-musl", "ld64", "libm.so", "libpthread", "ld-uClibc", "libc-")
_GO_SECTIONS = (".go.buildinfo", ".gopclntab", ".data.rel.ro.gopclntab")
_KNOWN_NAMES: Mapping[bytes, tuple[Sign, int]] = {
    b"__gxx_personality_v0": (Sign.CPP_PERSONALITY, 1),
    b"__rust_alloc": (Sign.RUST_DYNAMIC_NAMES, 3),
    b"__rust_probestack": (Sign.RUST_DYNAMIC_NAMES, 3),
    b"rust_eh_personality": (Sign.RUST_DYNAMIC_NAMES, 3),
    b"rust_begin_unwind": (Sign.RUST_DYNAMIC_NAMES, 3),
    b"dl_iterate_phdr": (Sign.UNWINDER, 1),
    b"_dl_find_object": (Sign.UNWINDER, 1),
    b"__cxa_atexit": (Sign.CPP_DESTRUCTORS, 1),
    b"__aeabi_atexit": (Sign.CPP_DESTRUCTORS, 1),
    b"__gmon_start__": (Sign.C_STARTUP, 1),
    b"_ITM_registerTMCloneTable": (Sign.C_STARTUP, 1),
    b"_ITM_deregisterTMCloneTable": (Sign.C_STARTUP, 1),
    b"__cxa_finalize": (Sign.C_STARTUP, 1),
}
STARTUP_NAMES = frozenset(name for name, (sign, _) in _KNOWN_NAMES.items() if sign is Sign.C_STARTUP)
# gABI: RELA, HASH, REL, DYNSYM; RELR, GNU_HASH, versym, X86_64_UNWIND
_TEXTLESS_TYPES = frozenset({4, 5, 9, 11, 19, 0x6FFFFFF6, 0x6FFFFFFF, 0x70000001})
_UNWIND_SECTIONS = (".eh_frame", ".eh_frame_hdr", ".gcc_except_table")
_DECIDED_BY_NAMES = frozenset({Sign.RUST_NAMES, Sign.CPP_NAMES, Sign.GO_NAMES, Sign.GO_SECTION, Sign.KERNEL_MODULE})
_MANGLED: Mapping[Mangling, Sign] = {
    Mangling.RUST: Sign.RUST_DYNAMIC_NAMES,
    Mangling.CPP: Sign.CPP_DYNAMIC_NAMES,
}


@dataclass(frozen=True, slots=True)
class Names:
    """The symbol tables of one file, read once: dynamic, static, and what mini debug info adds."""

    dynamic: SymbolTable
    static: SymbolTable
    debug: SymbolTable

    def functions(self) -> list[tuple[str, SymbolTable, Mapping[Mangling, tuple[int, int]]]]:
        """Where from, the table, and its functions by mangling, for the tables that describe all functions."""
        tables = (("symbols", self.static), ("mini-debug-info", self.debug))
        return [(where, table, table.functions) for where, table in tables if table.has_names]


def metadata_signals(elf: ElfFile, names: Names) -> list[Signal]:
    """What headers, dynamic entries, notes, section names and symbols say."""
    found: list[Signal] = []
    found += _library_signals(elf)
    found += _section_signals(elf)
    found += _dynamic_name_signals(names.dynamic)
    for where, table, functions in names.functions():
        found += _name_signals(table, where, functions)
    if names.static.has_names and not {signal.kind for signal in found} & _DECIDED_BY_NAMES:
        found += source_files(names.static)
    if not elf.needed and elf.type in (ET_EXEC, ET_DYN):
        found.append(Signal(Sign.STATIC, "no needed libraries"))
    return found


def symbol_shares(names: Names) -> Shares:
    """Shares of the code by mangled names, weighed by size; from .symtab, else from mini debug info."""
    for method, _, functions in names.functions():
        total = sum(size for _, size in functions.values())
        if total:
            parts = ((str(kind), round(size / total, 3)) for kind, (_, size) in sorted(functions.items()))
            return tuple((name, share, method) for name, share in parts if share)
    return ()


def packer_signals(elf: ElfFile) -> list[Signal]:
    """UPX by its mark; other packers by code that does not compress any further and imports nothing."""
    at = bytes(elf.piece(0, 4096)).find(b"UPX!")
    if at < 0 and len(elf.segments) <= 5 and not elf.sections:
        at = elf.haystack.find(b"$Info: This file is packed with the UPX", ((0, elf.size),))
    if at >= 0:
        return [Signal(Sign.PACKER, "UPX", at)]
    if elf.sections or elf.tags.get(DT_NEEDED) is not None or elf.type not in (ET_EXEC, ET_DYN):
        return []
    for segment in elf.loads:
        if segment.flags & PF_X and segment.file_size >= 16384:
            sample = bytes(elf.piece(segment.offset + 4096, min(segment.file_size - 4096, 65536)))
            if len(zlib.compress(sample, 1)) > 0.96 * len(sample) > 8192:
                return [Signal(Sign.INCOMPRESSIBLE, "executable segment", segment.offset + 4096)]
    return []


def search_ranges(elf: ElfFile) -> Ranges:
    """Where strings can be: mapped bytes that are not code, as far as the layout keeps the two apart.

    Sections that hold code, relocations, symbols or unwind tables are left out. A section table that lies can hide
    text this way, as leaving the text out could: less is found then, never more.
    """
    if (known := elf.searched.get("text")) is None:
        known = elf.searched["text"] = _search_ranges(elf)
    return known


def _search_ranges(elf: ElfFile) -> Ranges:
    apart = any(not segment.flags & 3 and segment.file_size > 4096 for segment in elf.loads)
    ranges = [
        (segment.offset, min(segment.offset + segment.file_size, elf.size))
        for segment in elf.loads
        if segment.offset < elf.size and not (apart and segment.flags & PF_X)
    ]
    if not elf.loads:
        ranges = [
            (section.offset, min(section.offset + section.size, elf.size))
            for section in elf.sections[:4096]
            if section.type != SHT_NOBITS and section.flags & 2 and not section.flags & 4 and section.offset < elf.size
        ]
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif end > start:
            merged.append((start, end))
    return _without(merged, sorted(_textless(elf))) if elf.sections else tuple(merged)


def _textless(elf: ElfFile) -> Iterator[tuple[int, int]]:
    """(start, end) of mapped sections that hold no text."""
    unwinding = {elf.section_index.get(name) for name in _UNWIND_SECTIONS}
    for index, section in enumerate(elf.sections[:MAX_HOLES]):
        mapped = section.flags & SHF_ALLOC and section.size > WORTH_A_HOLE and section.type != SHT_NOBITS
        if mapped and (section.flags & SHF_EXECINSTR or section.type in _TEXTLESS_TYPES or index in unwinding):
            yield section.offset, section.offset + section.size


def _without(ranges: Iterable[tuple[int, int]], holes: Sequence[tuple[int, int]]) -> Ranges:
    """The ranges without the holes; both sorted."""
    kept: list[tuple[int, int]] = []
    for start, end in ranges:
        for first, last in holes:
            if last > start and first < end:
                if first > start:
                    kept.append((start, first))
                start = last
        if start < end:
            kept.append((start, end))
    return tuple(kept)


def _library_signals(elf: ElfFile) -> Iterator[Signal]:
    for name, at in elf.needed:
        if _RUST_LIBRARY.fullmatch(name):
            yield Signal(Sign.RUST_LIBRARY, name, at)
        elif name.startswith(_CPP_LIBRARY):
            yield Signal(Sign.CPP_LIBRARY, name, at)
        elif name.startswith(_C_LIBRARY):
            yield Signal(Sign.C_LIBRARY, name, at)
        else:
            for runtime in RUNTIMES:
                if runtime.needed and name.startswith(runtime.needed):
                    yield Signal(Sign.RUNTIME_LIBRARY, f"{runtime.name}: {name}", at)
    interpreter = elf.interpreter
    if interpreter is not None and interpreter.rsplit("/", 1)[-1].startswith(("ld-", "ld64", "klibc", "ld.so")):
        yield Signal(Sign.C_LIBRARY, interpreter)
    pointer = elf.bits // 8
    if (count := elf.tags.get(DT_INIT_ARRAYSZ, 0) // pointer) > 1:
        yield Signal(Sign.CPP_CONSTRUCTORS, str(count))


def _section_signals(elf: ElfFile) -> Iterator[Signal]:
    index = elf.section_index
    if elf.os_abi == 255 and elf.machine == 0:  # bytecode: neither a system nor a machine
        yield Signal(Sign.GUILE, "OS ABI 255 without a machine", 7)
    for name in (".rustc", ".dep-v0"):
        if name in index:
            yield Signal(Sign.RUST_SECTION, name, elf.sections[index[name]].offset)
    for name in _GO_SECTIONS:
        if name in index:
            yield Signal(Sign.GO_SECTION, name, elf.sections[index[name]].offset)
    for note in elf.notes:
        if note.owner == b"Go" and note.type == 4:
            yield Signal(Sign.GO_NOTE, "Go build id", note.offset)
    if ".modinfo" in index and (".gnu.linkonce.this_module" in index or ".init.text" in index):
        yield Signal(Sign.KERNEL_MODULE, ".modinfo", elf.sections[index[".modinfo"]].offset)
    comment = elf.section(".comment")
    if comment is not None:
        text = elf.section_bytes(".comment", MAX_COMMENT)
        for pattern, sign in (
            (b"rustc version ", Sign.RUST_COMMENT),
            (b"GCC: ", Sign.C_COMMENT),
            (b"clang", Sign.C_COMMENT),
        ):
            at = text.find(pattern)
            if at >= 0:
                value = text[at:].split(b"\0", 1)[0][:80].decode("latin-1")
                yield Signal(sign, value, comment.offset + at)


def _dynamic_name_signals(table: SymbolTable) -> Iterator[Signal]:
    counts: Counter[Sign] = Counter()
    names, undefined = table.telling, table.undefined
    for name in _KNOWN_NAMES.keys() & names.keys():
        sign, weight = _KNOWN_NAMES[name]
        counts[sign] += weight
    for spelling, number in table.spelled.items():
        if (known := _MANGLED.get(spelling)) is not None:
            counts[known] += number
    if unwinder := sum([name.startswith(b"_Unwind_") and name in undefined for name in names]):
        counts[Sign.UNWINDER] += unwinder
    plain = len(undefined) - len(_KNOWN_NAMES.keys() & undefined)
    if plain and not counts[Sign.RUST_DYNAMIC_NAMES] and not counts[Sign.CPP_DYNAMIC_NAMES]:
        counts[Sign.C_IMPORTS] = plain
    for sign in sorted(counts):
        if counts[sign]:
            yield Signal(sign, str(counts[sign]), table.offset)
    if runtime := _runtime_among(names, table):
        yield Signal(Sign.RUNTIME_NAME, runtime, table.offset)


_DEFINES = [runtime.defines.pattern for runtime in RUNTIMES if runtime.defines is not None]
_RUNTIME_NAME = re.compile(b"|".join(_DEFINES))


def _runtime_among(names: Iterable[bytes], table: SymbolTable) -> str | None:
    """The runtime that the alphabetically first telling name defined here belongs to."""
    named = {name for name in names if _RUNTIME_NAME.match(name)}
    for name in sorted(named - table.undefined)[:1] if named else ():
        for runtime in RUNTIMES:
            if runtime.defines is not None and runtime.defines.match(name):
                return f"{runtime.name}: {name[:80].decode('latin-1')}"
    return None


def _name_signals(table: SymbolTable, where: str, functions: Mapping[Mangling, tuple[int, int]]) -> Iterator[Signal]:
    signs = {Mangling.RUST: Sign.RUST_NAMES, Mangling.CPP: Sign.CPP_NAMES, Mangling.NONE: Sign.C_NAMES}
    for kind, sign in signs.items():
        if kind in functions:
            yield Signal(sign, f"{functions[kind][0]} in {where}", table.offset)
    go = functions.get(Mangling.GO, (0, 0))[0]
    if go > 200:
        yield Signal(Sign.GO_NAMES, f"{go} in {where}", table.offset)
    if runtime := _runtime_among(table.of_runtimes, table):
        yield Signal(Sign.RUNTIME_NAME, runtime, table.offset)
