"""Hardening as headers and names show it, read with the language in mind.

A canary or FORTIFY is not asked of Rust and Go, whose compilers do not use them; RELRO, PIE and NX are asked of all.
"""

from __future__ import annotations

import struct

from rocketaudit.formats.elf.fortify import FORTIFIABLE
from rocketaudit.formats.elf.header import (
    DT_BIND_NOW,
    DT_DEBUG,
    DT_FLAGS,
    DT_FLAGS_1,
    DT_NEEDED,
    DT_RPATH,
    DT_RUNPATH,
    DT_SONAME,
    DT_TEXTREL,
    ET_CORE,
    ET_DYN,
    ET_EXEC,
    ET_REL,
    PF_X,
    PT_GNU_RELRO,
    PT_GNU_STACK,
    ElfFile,
)
from rocketaudit.formats.elf.language_signals import Names, search_ranges
from rocketaudit.model.binary import Canary, Fortify, Hardening, Language, Nx, Pie, Relro
from rocketaudit.model.records import dataclass

_DF_TEXTREL, _DF_BIND_NOW, _DF_1_NOW, _DF_1_PIE = 4, 8, 1, 0x08000000
_PROPERTY_X86, _PROPERTY_AARCH64 = 0xC0000002, 0xC0000000
_X86, _AARCH64 = (3, 62), 183
_CHECKED = {b"__" + name + b"_chk": name for name in FORTIFIABLE}
_CANARIES = {b"__stack_chk_fail", b"__stack_chk_guard", b"__intel_security_cookie", b"__stack_chk_fail_local"}
_SANITIZERS = {
    b"__asan_init": "asan",
    b"__ubsan_handle_type_mismatch_v1": "ubsan",
    b"__tsan_init": "tsan",
    b"__msan_init": "msan",
    b"__cfi_check": "cfi",
    b"__safestack_init": "safestack",
}
_ROWS = {order: struct.Struct(order + "III") for order in "<>"}
_WRITABLE_BY_CUSTOM = ("/tmp", "/var/tmp", "/dev/shm", "/run/user", "/home")  # noqa: S108


@dataclass(frozen=True, slots=True)
class _Called:
    """The names that matter here, out of all symbol tables."""

    canary: bool
    fortified: int
    fortifiable: int
    sanitizers: tuple[str, ...]
    any_names: bool


def hardening(elf: ElfFile, names: Names, language: Language, *, packed: bool, search: bool) -> Hardening:
    """All hardening properties of a file whose language is known."""
    tags = elf.tags
    called = _called(names)
    flags, flags_1 = tags.get(DT_FLAGS, 0), tags.get(DT_FLAGS_1, 0)
    rpath, runpath = _path(elf, DT_RPATH), _path(elf, DT_RUNPATH)
    is_x86, is_aarch64 = elf.machine in _X86, elf.machine == _AARCH64
    x86 = _property(elf, _PROPERTY_X86) if is_x86 else 0
    aarch64 = _property(elf, _PROPERTY_AARCH64) if is_aarch64 else 0
    now = DT_BIND_NOW in tags or bool(flags & _DF_BIND_NOW) or bool(flags_1 & _DF_1_NOW)
    nx = _nx(elf)
    section = elf.section_index
    return Hardening(
        relro=_relro(elf, now=now),
        bind_now=now,
        pie=_pie(elf),
        nx=nx,
        canary=_canary(elf, called, language, search=search),
        fortify=_fortify(called, language),
        fortified=called.fortified,
        fortifiable=called.fortifiable,
        rpath=rpath,
        runpath=runpath,
        risky_paths=tuple(e for path in (rpath, runpath) if path for e in path.split(":") if _risky(e)),
        ibt=bool(x86 & 1) if is_x86 else None,
        shstk=bool(x86 & 2) if is_x86 else None,
        bti=bool(aarch64 & 1) if is_aarch64 else None,
        pac=bool(aarch64 & 2) if is_aarch64 else None,
        wx_segments=sum([segment.flags & 3 == 3 for segment in elf.loads]),
        textrel=DT_TEXTREL in tags or bool(flags & _DF_TEXTREL),
        execstack=nx is Nx.NO,
        static=is_static(elf),
        stripped=".symtab" not in section,
        debug_info=".debug_info" in section or ".zdebug_info" in section,
        mini_debug_info=".gnu_debugdata" in section,
        section_headers=bool(elf.sections),
        packed=packed,
        sanitizers=called.sanitizers,
    )


def is_static(elf: ElfFile) -> bool:
    """A program that needs no loader and no libraries."""
    program = elf.type == ET_EXEC or (elf.type == ET_DYN and _pie(elf) in (Pie.STATIC_PIE, Pie.PIE))
    return program and elf.interpreter is None and DT_NEEDED not in elf.tags


def _called(names: Names) -> _Called:
    undefined = names.dynamic.undefined
    telling = names.dynamic.telling.keys()
    fortified = {_CHECKED[name] for name in _CHECKED.keys() & undefined}
    plain = FORTIFIABLE.intersection(undefined)
    canary = not _CANARIES.isdisjoint(telling)
    if not canary and names.static.has_names:  # of these only a sample of rows was read
        canary = names.static.names_one_of(_CANARIES)
    return _Called(
        canary=canary,
        fortified=len(fortified),
        fortifiable=len(fortified | plain),
        sanitizers=tuple(sorted(_SANITIZERS[name] for name in telling & _SANITIZERS.keys())),
        any_names=names.dynamic.has_names or names.static.has_names,
    )


def _relro(elf: ElfFile, *, now: bool) -> Relro:
    if elf.type in (ET_REL, ET_CORE):
        return Relro.NOT_APPLICABLE
    if not any(segment.type == PT_GNU_RELRO for segment in elf.segments):
        return Relro.NONE
    return Relro.FULL if now else Relro.PARTIAL


def _pie(elf: ElfFile) -> Pie:
    """An ET_DYN program says so by DF_1_PIE or DT_DEBUG; libc.so.6 has both an interpreter and a name: a library."""
    if elf.type == ET_EXEC:
        return Pie.EXEC
    if elf.type == ET_REL:
        return Pie.REL
    if elf.type == ET_CORE:
        return Pie.CORE
    if elf.type != ET_DYN:
        return Pie.OTHER
    named = DT_SONAME in elf.tags
    program = bool(elf.tags.get(DT_FLAGS_1, 0) & _DF_1_PIE) or DT_DEBUG in elf.tags
    if not (program or (elf.interpreter is not None and not named)) or (named and elf.interpreter is not None):
        return Pie.DSO
    return Pie.STATIC_PIE if elf.interpreter is None and DT_NEEDED not in elf.tags else Pie.PIE


def _nx(elf: ElfFile) -> Nx:
    if elf.type in (ET_REL, ET_CORE):
        return Nx.NOT_APPLICABLE
    for segment in elf.segments:
        if segment.type == PT_GNU_STACK:
            return Nx.NO if segment.flags & PF_X else Nx.YES
    return Nx.ABSENT


def _canary(elf: ElfFile, called: _Called, language: Language, *, search: bool) -> Canary:
    if called.canary:
        return Canary.YES
    if language in (Language.RUST, Language.GO):
        return Canary.NOT_APPLICABLE
    if called.any_names:
        return Canary.NO
    if search and elf.haystack.find(b"stack smashing detected", search_ranges(elf)) >= 0:
        return Canary.LIKELY
    return Canary.UNKNOWN


def _fortify(called: _Called, language: Language) -> Fortify:
    if called.fortified:
        return Fortify.YES
    if language in (Language.RUST, Language.GO):
        return Fortify.NOT_APPLICABLE
    if not called.any_names:
        return Fortify.UNKNOWN
    return Fortify.NO if called.fortifiable else Fortify.NOT_APPLICABLE


def _path(elf: ElfFile, tag: int) -> str | None:
    values = elf.dynamic_strings(tag)
    return values[0][0] if values else None


def _risky(element: str) -> bool:
    """An element that whoever controls the working folder, or a folder writable by custom, could fill.

    An empty element is the working folder; a path that is empty as a whole is none to the loader (elf/dl-load.c).
    """
    if element.startswith(("$ORIGIN", "${ORIGIN}")):
        return False
    if not element.startswith("/"):
        return True
    return any(element == folder or element.startswith(folder + "/") for folder in _WRITABLE_BY_CUSTOM)


def _property(elf: ElfFile, wanted: int) -> int:
    """A 32-bit feature word of NT_GNU_PROPERTY_TYPE_0 (Linux gABI extensions), 0 when it is not stated."""
    align = elf.bits // 8
    row = _ROWS[elf.order]
    for note in elf.notes:
        if note.owner != b"GNU" or note.type != 5:
            continue
        at = 0
        while at + row.size <= len(note.data):
            kind, size, value = row.unpack_from(note.data, at)
            if kind == wanted and size >= 4:
                return int(value)
            at += 8 + size + -size % align
    return 0
