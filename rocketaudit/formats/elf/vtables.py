"""Tables of virtual functions, recognised without names and without type information.

An Itanium C++ vtable without RTTI is two zero words and then code addresses, and constructors store the address
*after* the zeros at the start of the object. C stores addresses of whole objects, which compilers align to 32 bytes
once they are that big. Both halves together were seen in one of 1,489 C files.
"""

from __future__ import annotations

import re

from rocketaudit.formats.elf.header import PF_X, ElfFile
from rocketaudit.formats.elf.relocations import relative_slots

MAX_CODE = 4 << 20
_X86_64, _EXEC = 62, 2

# lea disp32(%rip), reg  ...  mov reg, (base): REX.W 8D /r with mod 00 rm 101, then REX.W 89 /r with mod 00
_LEA = re.compile(rb"[\x48\x4c]\x8d[\x05\x0d\x15\x1d\x25\x2d\x35\x3d]")
# movq $imm32, (base) or disp(%rsp): REX.W C7 /0 with mod 00, or a SIB byte, as fixed-address programs store it
_MOV = re.compile(rb"[\x48\x49]\xc7(?:[\x00\x01\x02\x03\x06\x07]|\x04\x24|\x44\x24.|\x84\x24....)(....)", re.DOTALL)
_ON_THE_STACK = {0x04, 0x44, 0x84}  # ModRM, register left out: a SIB byte follows, and no, one or four bytes of offset
_IN_THE_FRAME = {0x45, 0x85}  # the same of an offset from %rbp
_RSP = 0x24  # SIB: %rsp alone


def stored_vtables(elf: ElfFile) -> tuple[int, int | None]:
    """How many vtables constructors store, and the file offset of the first one; x86-64 only, else (0, None)."""
    if elf.machine != _X86_64 or elf.bits != 64 or elf.order != "<":
        return 0, None
    code = [segment for segment in elf.loads if segment.flags & PF_X]
    if not code or sum(segment.file_size for segment in code) > MAX_CODE:
        return 0, None
    low = min(segment.address for segment in code)
    high = max(segment.address + segment.file_size for segment in code)
    tables = _fixed_tables(elf, low, high) if elf.type == _EXEC else _relocated_tables(elf, low, high)
    tables = {address for address in tables if address % 32}
    if not tables:
        return 0, None
    stored: set[int] = set()
    for segment in code:
        raw = bytes(elf.piece(segment.offset, segment.file_size))
        stored |= _stored(raw, segment.address, tables)
    return len(stored), elf.file_offset(min(stored)) if stored else None


def _relocated_tables(elf: ElfFile, low: int, high: int) -> set[int]:
    slots = relative_slots(elf)
    found: set[int] = set()
    for address, target in slots.items():
        if low <= target < high and address - 8 not in slots and address - 16 not in slots:
            offset = elf.file_offset(address - 16)
            if offset is not None and bytes(elf.piece(offset, 16)) == bytes(16):
                found.add(address)
    return found


def _fixed_tables(elf: ElfFile, low: int, high: int) -> set[int]:
    """Two zero words, then a code address, in the read-only data of a program that is not relocated."""
    found: set[int] = set()
    for segment in elf.loads:
        if segment.flags & PF_X and any(not other.flags & PF_X for other in elf.loads):
            continue
        raw = bytes(elf.piece(segment.offset, min(segment.file_size, 1 << 20)))
        at = raw.find(bytes(16))
        while at >= 0:
            start = at + -(segment.address + at) % 8
            target = int.from_bytes(raw[start + 16 : start + 24], "little")
            if low <= target < high and raw[start : start + 16] == bytes(16):
                found.add(segment.address + start + 16)
            at = raw.find(bytes(16), max(start, at) + 8)
    return found


def _stored(raw: bytes, address: int, tables: set[int]) -> set[int]:
    found: set[int] = set()
    for match in _LEA.finditer(raw):
        at = match.end()
        target = address + at + 4 + int.from_bytes(raw[at : at + 4], "little", signed=True)
        if target in tables:
            rex, _, operand = match[0]
            if _stores(raw[at + 4 : at + 28], (operand >> 3 & 7) | (rex & 4) << 1):
                found.add(target)
    for match in _MOV.finditer(raw):
        target = int.from_bytes(match[1], "little", signed=True)
        if target in tables:
            found.add(target)
    return found


def _stores(following: bytes, register: int) -> bool:
    """Does one of the next instructions store that register at the start of an object, or into one on the stack?"""
    for index in range(len(following) - 2):
        rex, opcode, operand = following[index : index + 3]
        if opcode != 0x89 or rex not in (0x48, 0x49, 0x4C, 0x4D) or (operand >> 3 & 7) | (rex & 4) << 1 != register:
            continue
        if operand < 0x40 and operand & 7 not in (4, 5):
            return True
        if operand & 0xC7 in _IN_THE_FRAME:
            return True
        if operand & 0xC7 in _ON_THE_STACK and following[index + 3 : index + 4] == bytes([_RSP]):
            return True
    return False
