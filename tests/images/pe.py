"""Write PE files (PE32+) with named sections, as boot loaders and unified kernel images are."""

from __future__ import annotations

import struct
from collections.abc import Mapping

FILE_ALIGNMENT = 0x200
SECTION_ALIGNMENT = 0x1000
HEADER_AT = 0x80
OPTIONAL_SIZE = 240
CODE, DATA = 0x60000020, 0x40000040  # readable code, readable initialised data


def pe_file(sections: Mapping[str, bytes], *, machine: int = 0x8664) -> bytes:
    """An EFI application with these sections in this order (PE/COFF specification, sections 3 and 4)."""
    header_size = _up(HEADER_AT + 24 + OPTIONAL_SIZE + 40 * len(sections), FILE_ALIGNMENT)
    table, body, address = b"", b"", SECTION_ALIGNMENT
    for name, content in sections.items():
        padded = content + bytes(_up(len(content), FILE_ALIGNMENT) - len(content))
        where = (len(content), address, len(padded), header_size + len(body))
        table += struct.pack("<8sIIII12xI", name.encode(), *where, CODE if name == ".text" else DATA)
        body += padded
        address += _up(max(len(content), 1), SECTION_ALIGNMENT)
    head = bytearray(header_size)
    head[0:2] = b"MZ"
    struct.pack_into("<I", head, 0x3C, HEADER_AT)
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", machine, len(sections), 0, 0, 0, OPTIONAL_SIZE, 0x0206)
    optional = bytearray(OPTIONAL_SIZE)
    struct.pack_into("<HBB", optional, 0, 0x20B, 14, 0)
    struct.pack_into("<I", optional, 16, SECTION_ALIGNMENT)  # entry point
    struct.pack_into("<QII", optional, 24, 0, SECTION_ALIGNMENT, FILE_ALIGNMENT)
    struct.pack_into("<IIIH", optional, 56, address, header_size, 0, 10)  # subsystem: EFI application
    struct.pack_into("<I", optional, 108, 16)  # data directories, all empty: nothing is signed
    head[HEADER_AT : HEADER_AT + len(coff)] = coff
    at = HEADER_AT + len(coff)
    head[at : at + OPTIONAL_SIZE] = optional
    head[at + OPTIONAL_SIZE : at + OPTIONAL_SIZE + len(table)] = table
    return bytes(head) + body


def _up(value: int, step: int) -> int:
    return (value + step - 1) // step * step
