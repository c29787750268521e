"""ELF files: language, hardening, contents."""

from rocketaudit.formats.elf.read import read_elf

__all__ = ["read_elf"]
