"""ELF files: language, hardening, contents."""

from rocketaudit.formats.elf.read import Named, read_elf

__all__ = ["Named", "read_elf"]
