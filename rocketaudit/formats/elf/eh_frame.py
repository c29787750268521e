"""The records of .eh_frame: which functions there are, how long each is, and which personality routine it has.

Layout: Linux Standard Base, "Exception Frames", and DWARF 5 section 6.4.
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate
from operator import itemgetter, sub

from rocketaudit.formats.elf.header import PT_GNU_EH_FRAME, ElfFile
from rocketaudit.model.records import dataclass

MAX_RECORDS = 400_000
BLOCK = 8_192  # rows of the sorted table that are read at once
MAX_CIE = 256  # bytes of a CIE that are looked at
USUAL_HEADER = b"\x01\x1b\x03\x3b"  # version 1, pcrel|sdata4, udata4, datarel|sdata4: what linkers write

_PC_RELATIVE_4 = 0x1B  # DW_EH_PE_pcrel | DW_EH_PE_sdata4, what compilers use
_MULTIPLES_OF_FOUR = bytes(range(0, 256, 4))
_FIXED = {0x2: "H", 0x3: "I", 0x4: "Q", 0xA: "h", 0xB: "i", 0xC: "q"}

Run = tuple[int | None, int, int]  # personality slot, functions that follow each other, bytes of their code


@dataclass(frozen=True, slots=True)
class Cie:
    encoding: int
    personality: int | None


def frame_region(elf: ElfFile) -> tuple[int, int, int] | None:
    """(file offset, address, size) of .eh_frame, by its section or by PT_GNU_EH_FRAME."""
    section = elf.section(".eh_frame")
    if section is not None and section.offset < elf.size:
        return section.offset, section.address, min(section.size, elf.size - section.offset)
    for segment in elf.segments:
        if segment.type == PT_GNU_EH_FRAME:
            raw = bytes(elf.piece(segment.offset, 16))
            if len(raw) < 16:
                return None
            value, _ = _pointer(elf, raw, 4, raw[1], segment.address + 4)
            offset = None if value is None else elf.file_offset(value)
            if value is None or offset is None:
                return None
            for load in elf.loads:
                if load.offset <= offset < load.offset + load.file_size:
                    return offset, value, min(load.offset + load.file_size, elf.size) - offset
    return None


def joined(runs: Iterable[Run]) -> list[Run]:
    """The runs, those of one personality that follow each other made one."""
    found: list[Run] = []
    last, functions, code = None, 0, 0
    for slot, count, size in runs:
        if slot != last and functions:
            found.append((last, functions, code))
            functions = code = 0
        last, functions, code = slot, functions + count, code + size
    return [*found, (last, functions, code)] if functions else found


def sorted_runs(elf: ElfFile, region: tuple[int, int, int]) -> list[Run] | None:
    """The runs in the order of their functions, by the table in .eh_frame_hdr.

    None when there is no table of the usual form, or an entry of it points outside: then the FDEs are walked.
    """
    header = next((segment for segment in elf.segments if segment.type == PT_GNU_EH_FRAME), None)
    if header is None or elf.order != "<" or sys.byteorder != "little":
        return None
    raw = elf.piece(header.offset, min(header.file_size, 12 + 8 * MAX_RECORDS))
    if len(raw) < 12 or raw[:4] != USUAL_HEADER:
        return None
    (count,) = struct.unpack_from("<I", raw, 8)
    base = header.address - region[1]
    if not 0 < count <= (len(raw) - 12) // 8 or base & 3:
        return None
    table = _Table(elf, region)
    runs: list[Run] = []
    for start in range(12, 12 + 8 * count, 8 * BLOCK):
        found = table.runs(bytes(raw[start : min(start + 8 * BLOCK, 12 + 8 * count)]), base)
        if found is None:
            return None
        if runs and runs[-1][0] == found[0][0]:
            found[:1] = joined((runs.pop(), found[0]))
        runs += found
    return runs


class _Table:
    """FDEs of the usual form: a CIE with pcrel|sdata4 addresses, all aligned to four bytes."""

    def __init__(self, elf: ElfFile, region: tuple[int, int, int]) -> None:
        offset, self.address, length = region
        self.elf = elf
        self.frame = elf.piece(offset, length & ~3)
        words = self.frame.cast("I")
        self.parents, self.sizes = words[1:], words[3:]  # from the first word of each FDE on
        self.codes: dict[int, int] = {}  # of the personality of each CIE, by where it starts
        self.slots: list[int | None] = []

    def runs(self, rows: bytes, base: int) -> list[Run] | None:
        """The runs of some rows of the sorted table, no two of one personality behind each other; None when a row is
        not of the usual form.

        What is done for each of 150,000 functions is left to C: `itemgetter` and `map` over columns.
        """
        if rows[4::8].translate(None, _MULTIPLES_OF_FOUR):
            return None
        relatives = memoryview(rows).cast("i")[1::2].tolist()
        if base + min(relatives) < 0 or base + max(relatives) >> 2 >= len(self.sizes):
            return None
        column = itemgetter(*[base + relative >> 2 for relative in relatives], 0)
        distances = list(map(sub, relatives, column(self.parents)))  # of the CIEs, from four bytes behind the base
        starts = {distance: base + 4 + distance for distance in set(distances)}
        if not all(start in self.codes or self._learn(start) for start in starts.values()):
            return None
        codes = {distance: self.codes[start] for distance, start in starts.items()}
        until = [0, *accumulate(column(self.sizes)[:-1])]
        letters = bytes(map(codes.__getitem__, distances))
        spans = [match.span() for match in _same(len(self.slots)).finditer(letters)]
        slots = self.slots
        return [(slots[letters[start]], end - start, until[end] - until[start]) for start, end in spans]

    def _learn(self, start: int) -> bool:
        """Read one CIE; False when it is none of the usual form, or has the 256th personality."""
        if not 0 <= start < len(self.frame):
            return False
        cie = read_cie(self.elf, self.frame, start, self.address)
        if cie.encoding != _PC_RELATIVE_4:
            return False
        if cie.personality not in self.slots:
            self.slots.append(cie.personality)
        self.codes[start] = self.slots.index(cie.personality)
        return len(self.slots) <= 256


@lru_cache(maxsize=256)
def _same(count: int) -> re.Pattern[bytes]:
    """Letters below `count` that repeat: alternatives are twice as fast as a reference back to the first one."""
    return re.compile(b"|".join([re.escape(bytes([letter])) + b"+" for letter in range(count)]))


def functions(elf: ElfFile, region: tuple[int, int, int]) -> list[tuple[int, int, int | None]]:
    """(start address, size, personality slot) of every FDE."""
    offset, address, length = region
    raw = elf.piece(offset, length)
    word, usual = struct.Struct(elf.order + "II"), struct.Struct(elf.order + "iI")
    mask = (1 << elf.bits) - 1
    found: list[tuple[int, int, int | None]] = []
    cies: dict[int, Cie] = {}
    at, records = 0, 0
    while at + 8 <= len(raw) and records < MAX_RECORDS:
        length, pointer = word.unpack_from(raw, at)
        if length in (0, 0xFFFFFFFF):
            break
        records += 1
        if pointer:
            start = at + 4 - pointer
            cie = cies.get(start)
            if cie is None and 0 <= start < at:
                cie = cies[start] = read_cie(elf, raw, start, address)
            if cie is not None and cie.encoding == _PC_RELATIVE_4 and at + 16 <= len(raw):
                relative, size = usual.unpack_from(raw, at + 8)
                found.append(((address + at + 8 + relative) & mask, size, cie.personality))
            elif cie is not None:
                begin, next_at = _pointer(elf, raw, at + 8, cie.encoding, address + at + 8)
                covers, _ = _pointer(elf, raw, next_at, cie.encoding & 0x0F, 0)
                if begin is not None and covers is not None and covers < 1 << 31:
                    found.append((begin, covers, cie.personality))
        at += 4 + length
    return found


def read_cie(elf: ElfFile, frame: memoryview, start: int, address: int) -> Cie:
    """The encoding and personality of the CIE at `start`; a damaged one has no personality."""
    raw = bytes(frame[start : start + MAX_CIE])
    end = raw.find(b"\0", 9, 25)
    if end < 0 or raw[9:10] != b"z":
        return Cie(0, None)
    augmentation = raw[10:end]
    at = _skip_leb(raw, _skip_leb(raw, end + 1))
    at = at + 1 if raw[8] == 1 else _skip_leb(raw, at)
    at = _skip_leb(raw, at)
    encoding, personality = 0, None
    for letter in augmentation:
        if at >= len(raw):
            break
        if letter == ord("R"):
            encoding, at = raw[at], at + 1
        elif letter == ord("L"):
            at += 1
        elif letter == ord("P"):
            kind = raw[at] & 0x7F
            personality, at = _pointer(elf, raw, at + 1, kind, address + start + at + 1)
    return Cie(encoding, personality)


def _skip_leb(raw: bytes, at: int) -> int:
    while at < len(raw) and raw[at] & 0x80:
        at += 1
    return at + 1


def _pointer(elf: ElfFile, raw: bytes | memoryview, at: int, encoding: int, here: int) -> tuple[int | None, int]:
    """A DW_EH_PE value and the place after it; None when it does not fit or is of a kind that we do not read."""
    shape = encoding & 0x0F
    letter = _FIXED.get(shape) if shape else ("Q" if elf.bits == 64 else "I")
    if letter is None:
        return None, at
    size = struct.calcsize(letter)
    if at < 0 or at + size > len(raw):
        return None, at
    value: int = struct.unpack_from(elf.order + letter, raw, at)[0]
    if encoding & 0x70 == 0x10:
        value += here
    elif encoding & 0x70:
        return None, at + size
    return value & (1 << elf.bits) - 1, at + size
