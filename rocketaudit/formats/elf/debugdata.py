"""MiniDebugInfo: an xz-compressed ELF with the function names, which Fedora-style builds leave in .gnu_debugdata."""

from __future__ import annotations

import lzma

from rocketaudit.errors import FormatError
from rocketaudit.formats.elf.header import ElfFile, parse_header
from rocketaudit.formats.elf.symbols import EMPTY, SymbolTable, static_symbols

MAX_COMPRESSED = 16 << 20
MAX_PLAIN = 64 << 20
MAX_DECODER_MEMORY = 128 << 20


def mini_debug_symbols(elf: ElfFile) -> SymbolTable:
    """The symbols of .gnu_debugdata; empty without it. FormatError when it cannot be unpacked within bounds."""
    section = elf.section(".gnu_debugdata")
    if section is None:
        return EMPTY
    if section.size > MAX_COMPRESSED:
        raise FormatError(f"mini debug info of {section.size} bytes is too large", offset=section.offset)
    decoder = lzma.LZMADecompressor(memlimit=MAX_DECODER_MEMORY)
    try:
        plain = decoder.decompress(bytes(elf.piece(section.offset, section.size)), MAX_PLAIN)
    except lzma.LZMAError as error:
        raise FormatError(f"mini debug info is not xz data: {error}", offset=section.offset) from None
    if not decoder.eof:
        raise FormatError("mini debug info is cut, or unpacks to more than 64 MiB", offset=section.offset)
    try:
        return static_symbols(parse_header(plain))
    except FormatError as error:
        raise FormatError(f"mini debug info holds no ELF file: {error.message}", offset=section.offset) from None
