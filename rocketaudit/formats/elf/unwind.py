"""What unwind tables say of a file's languages: they survive every strip.

A personality routine tells which runtime a function belongs to. One that is a dynamic symbol has a name
(`__gxx_personality_v0`); Rust's is a local function of each file, and so is everything in a static program.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from operator import itemgetter

from rocketaudit.formats.elf.eh_frame import USUAL_HEADER, frame_region, functions, joined, read_cie, sorted_runs
from rocketaudit.formats.elf.header import PF_W, PF_X, PT_GNU_EH_FRAME, SHF_EXECINSTR, SHT_NOBITS, ElfFile
from rocketaudit.formats.elf.relocations import named_slots
from rocketaudit.formats.elf.symbols import SymbolTable
from rocketaudit.model.records import dataclass

NEIGHBOURS = 24  # functions in a row without a personality that still count as their neighbours' language
MAX_PERSONALITIES = 16
LOCAL = "local"
HANDFUL = 16  # entries: start-up code has five
SOME_CODE = 1 << 10  # bytes, where code lies apart from what else is read
MUCH_CODE = 16 << 10  # bytes of an executable segment, which may hold other things too

_AUGMENTED = re.compile(rb"z[RLSB]*P[RLSB]*\0")
_ALWAYS_UNWINDS = frozenset({3, 21, 22, 62, 183, 243})  # i386, ppc64, s390x, x86-64, aarch64, riscv


@dataclass(frozen=True, slots=True)
class Personality:
    """`name` is the dynamic symbol, or "local" for a function of this file; `offset` is its CIE."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Frames:
    """Bytes of code per personality name; "none" for long runs of functions without one."""

    code: tuple[tuple[str, int], ...]
    functions: int

    def share(self, name: str) -> float:
        total = sum(size for _, size in self.code)
        return dict(self.code).get(name, 0) / total if total else 0.0


def uncovered_code(elf: ElfFile) -> tuple[int, int] | None:
    """Bytes of code, and how few of them a handful of unwind entries describes: none of C's compilers wrote it.

    On the machines asked about here they describe each function, also of C. None where nothing is odd, and for static
    programs, whose entries may have no table.
    """
    header = next((segment for segment in elf.segments if segment.type == PT_GNU_EH_FRAME), None)
    raw = b"" if header is None else bytes(elf.piece(header.offset, 12))
    count = int.from_bytes(raw[8:], "little" if elf.order == "<" else "big")
    if elf.machine not in _ALWAYS_UNWINDS or not elf.dynamic or count > HANDFUL:
        return None
    by_sections = sum(s.size for s in elf.sections if s.flags & SHF_EXECINSTR and s.type != SHT_NOBITS)
    code = by_sections or sum(segment.file_size for segment in elf.loads if segment.flags & PF_X)
    apart = by_sections or any(not segment.flags & (PF_X | PF_W) for segment in elf.loads)
    if code < (SOME_CODE if apart else MUCH_CODE):
        return None
    if header is None:
        return code, 0
    region = frame_region(elf)
    if raw[:4] != USUAL_HEADER or region is None:
        return None
    covered = sum(size for _, size, _ in functions(elf, region))
    return (code, covered) if covered < code // 4 else None


def personalities(elf: ElfFile, dynamic: SymbolTable) -> tuple[Personality, ...]:
    """The personality routines that the file's CIEs name, found by their augmentation strings."""
    region = frame_region(elf)
    if region is None:
        return ()
    offset, address, size = region
    raw = elf.piece(offset, size)
    places: dict[int, int] = {}
    for match in _AUGMENTED.finditer(raw):
        start = match.start() - 9
        if start < 0 or raw[start + 4 : start + 8] != bytes(4):
            continue
        slot = read_cie(elf, raw, start, address).personality
        if slot is not None:
            places.setdefault(slot, offset + start)
        if len(places) >= MAX_PERSONALITIES:
            break
    names = _symbol_slots(elf, places.keys(), dynamic)
    found: dict[str, Personality] = {}
    for slot, place in places.items():
        name = names.get(slot, LOCAL)
        found.setdefault(name, Personality(name, place))
    return tuple(found.values())


def frames(elf: ElfFile, dynamic: SymbolTable) -> Frames | None:
    """Bytes of code per personality over all FDEs, or None when there are no unwind tables."""
    region = frame_region(elf)
    if region is None:
        return None
    runs = sorted_runs(elf, region)
    if runs is None:
        runs = joined((slot, 1, size) for _, size, slot in sorted(functions(elf, region), key=itemgetter(0)))
    if not runs:
        return None
    names = _symbol_slots(elf, {slot for slot, _, _ in runs if slot is not None}, dynamic)
    code: dict[str, int] = {}
    before: str | None = None
    for index, (slot, count, size) in enumerate(runs):
        if slot is not None:
            before = owner = names.get(slot, LOCAL)
        elif count >= NEIGHBOURS:
            owner = "none"
        else:
            follower = runs[index + 1][0] if index + 1 < len(runs) else None
            owner = before or ("none" if follower is None else names.get(follower, LOCAL))
        code[owner] = code.get(owner, 0) + size
    return Frames(tuple(sorted(code.items())), sum(count for _, count, _ in runs))


def _symbol_slots(elf: ElfFile, wanted: AbstractSet[int], dynamic: SymbolTable) -> dict[int, str]:
    """Names of the wanted addresses that the loader fills with a symbol, or that are an imported function's own."""
    slots = {slot: name.decode("latin-1") for slot, name in named_slots(elf, wanted).items()}
    for value, name in dynamic.at(wanted) if wanted else ():
        slots[value] = name.decode("latin-1")
    return slots
