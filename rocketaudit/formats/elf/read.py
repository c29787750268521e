"""Everything one ELF file tells, in one call that only ever fails with FormatError."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from rocketaudit.errors import FormatError
from rocketaudit.formats.elf.acts_as import acts_as
from rocketaudit.formats.elf.crates import audited_crates, crates_by_paths
from rocketaudit.formats.elf.debugdata import mini_debug_symbols
from rocketaudit.formats.elf.detect import Detected, detect
from rocketaudit.formats.elf.go_buildinfo import GoBuildInfo, find_build_info, modules_by_paths, read_build_info
from rocketaudit.formats.elf.hardening import hardening
from rocketaudit.formats.elf.header import (
    DT_SONAME,
    ET_CORE,
    ET_DYN,
    ET_EXEC,
    ET_REL,
    MACHINES,
    PF_X,
    SHF_EXECINSTR,
    SHT_NOBITS,
    ElfFile,
    parse_header,
)
from rocketaudit.formats.elf.kernel_module import module_info
from rocketaudit.formats.elf.language import CLASSIFIER, Verdict
from rocketaudit.formats.elf.language_signals import Names, search_ranges
from rocketaudit.formats.elf.package_note import package_note
from rocketaudit.formats.elf.symbols import EMPTY, SymbolTable, dynamic_symbols, static_symbols
from rocketaudit.model.binary import Binary, BinaryKind, Confidence, Crate, Language, Pie, Signal
from rocketaudit.model.reader import Buffer

# what arithmetic on hostile numbers can raise; anything else is a bug
_ARITHMETIC = (struct.error, OverflowError, ValueError, IndexError, MemoryError, RecursionError, zlib.error)

_T = TypeVar("_T")


class Named(NamedTuple):
    """What the caller knows of a file."""

    scope: str = ""
    path: str = ""
    sha256: str = ""
    sha512: str | None = None


NAMELESS = Named()


def read_elf(data: Buffer, named: Named = NAMELESS, *, search: bool = True, memory: bytearray | None = None) -> Binary:
    """Read one whole ELF file (`data` is all of its bytes; of a view at the beginning of `memory` nothing is copied).

    Without `search` only tables are read: language and hardening, no crates by paths, no Go modules by paths.
    FormatError, with the byte, when the file header cannot be used; later damage is named in `Binary.error`.
    """
    try:
        return _read(parse_header(data, memory), named, search=search)
    except _ARITHMETIC as error:
        raise FormatError(f"the ELF file cannot be read: {type(error).__name__} {error}", offset=0) from None


def _read(elf: ElfFile, named: Named, *, search: bool) -> Binary:
    problems = list(elf.problems)

    def part(name: str, function: Callable[[], _T], default: _T) -> _T:
        """The result, or the default and a problem: one damaged table does not hide the others."""
        try:
            return function()
        except FormatError as error:
            problems.append(error.message)
        except _ARITHMETIC as error:
            problems.append(f"{name} cannot be read: {type(error).__name__} {error}")
        return default

    names = Names(
        part("dynamic symbols", lambda: dynamic_symbols(elf), EMPTY),
        part("symbols", lambda: static_symbols(elf), EMPTY),
        part("mini debug info", lambda: mini_debug_symbols(elf), EMPTY) if search else EMPTY,
    )
    undecided = Detected(Verdict(Language.UNKNOWN, None, (), Confidence.LOW), (), (), searched=False)
    detected = part("language", lambda: detect(elf, names, search=search), undecided)
    verdict = detected.verdict
    is_packed = verdict.language is Language.PACKED
    hard = hardening(elf, names, verdict.language, packed=is_packed, search=search)
    go = part("Go build info", lambda: _go(elf, search=search), None) if "go" in verdict.contains else None
    kind = _kind(elf, hard.pie)
    crates: tuple[Crate, ...] = ()
    if "rust" in verdict.contains:
        crates = part("crates", lambda: _crates(elf, search=search), crates)
    may_run = kind in (BinaryKind.EXECUTABLE, BinaryKind.SHARED_OBJECT) and not is_packed
    acting: tuple[Signal, ...] = ()
    if may_run:
        dynamic = names.dynamic
        acting = part("what it acts as", lambda: _acting(elf, dynamic, kind, verdict, crates, go, search), acting)
    return Binary(
        scope=named.scope,
        path=named.path,
        sha256=named.sha256,
        sha512=named.sha512,
        size=elf.size,
        machine=MACHINES.get(elf.machine, f"machine {elf.machine}"),
        bits=elf.bits,
        endian="little" if elf.order == "<" else "big",
        kind=kind,
        language=verdict.language,
        runtime=verdict.runtime,
        contains=verdict.contains,
        shares=detected.shares,
        confidence=verdict.confidence,
        signals=(*detected.signals, *acting),
        hardening=hard,
        interpreter=elf.interpreter,
        needed=tuple(name for name, _ in elf.needed),
        soname=next((name for name, _ in elf.dynamic_strings(DT_SONAME)), None),
        build_id=next((n.data.hex() for n in elf.notes if n.owner == b"GNU" and n.type == 3), None),
        crates=crates,
        go_version=None if go is None else go.version,
        go_main=None if go is None else go.main,
        go_modules=() if go is None else go.modules,
        package_note=part("package note", lambda: package_note(elf), None),
        module_info=part("module information", lambda: module_info(elf), None),
        code_bytes=_code_bytes(elf),
        error="; ".join(problems)[:1000] or None,
        searched=detected.searched,
        classifier=CLASSIFIER,
        go_module=None if go is None else go.module,
        go_stated=() if go is None else go.stated,
    )


def _acting(
    elf: ElfFile,
    dynamic: SymbolTable,
    kind: BinaryKind,
    verdict: Verdict,
    crates: tuple[Crate, ...],
    go: GoBuildInfo | None,
    search: bool,
) -> tuple[Signal, ...]:
    is_program = kind is BinaryKind.EXECUTABLE
    return acts_as(
        elf,
        search_ranges(elf) if search and is_program else (),
        dynamic,
        is_program=is_program,
        is_managed=verdict.language not in (Language.C, Language.UNKNOWN),
        crates=crates,
        go_main="" if go is None else go.main or "",
        search=search,
    )


def _kind(elf: ElfFile, pie: Pie) -> BinaryKind:
    if elf.type == ET_REL:
        return BinaryKind.KERNEL_MODULE if ".modinfo" in elf.section_index else BinaryKind.RELOCATABLE
    if elf.type == ET_DYN:
        return BinaryKind.SHARED_OBJECT if pie is Pie.DSO else BinaryKind.EXECUTABLE
    return {ET_EXEC: BinaryKind.EXECUTABLE, ET_CORE: BinaryKind.CORE}.get(elf.type, BinaryKind.OTHER)


def _code_bytes(elf: ElfFile) -> int:
    """Bytes of machine code in the file: executable sections, or executable segments when there are no sections."""
    by_sections = 0
    for section in elf.sections:
        if section.flags & SHF_EXECINSTR and section.type != SHT_NOBITS:
            by_sections += min(section.size, elf.size)
    by_segments = sum(min(segment.file_size, elf.size) for segment in elf.loads if segment.flags & PF_X)
    return min(by_sections or by_segments, elf.size)


def _crates(elf: ElfFile, *, search: bool) -> tuple[Crate, ...]:
    stated = audited_crates(elf)
    return stated or (crates_by_paths(elf, search_ranges(elf)) if search else ())


def _go(elf: ElfFile, *, search: bool) -> GoBuildInfo | None:
    ranges = search_ranges(elf) if search else ()
    at = find_build_info(elf, ranges)
    if at is not None:
        return read_build_info(elf, at)
    return GoBuildInfo(None, None, modules_by_paths(elf, ranges)) if search else None
