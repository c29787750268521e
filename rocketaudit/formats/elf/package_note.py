"""The ELF package note: which distribution package a file came from, as JSON (UAPI group's package metadata)."""

from __future__ import annotations

import json

from rocketaudit.errors import FormatError
from rocketaudit.formats.elf.header import ElfFile
from rocketaudit.model.binary import PackageNote

_OWNER, _TYPE = b"FDO", 0xCAFE1A7E
MAX_NOTE = 1 << 16


def package_note(elf: ElfFile) -> PackageNote | None:
    """The package that the file states, None without a note; FormatError when the note is not a JSON object."""
    for note in elf.notes:
        if note.owner == _OWNER and note.type == _TYPE:
            try:
                stated = json.loads(note.data[:MAX_NOTE].rstrip(b"\0").decode("utf-8"))
            except (ValueError, RecursionError):
                raise FormatError("the package note is not JSON", offset=note.offset) from None
            if not isinstance(stated, dict):
                raise FormatError("the package note is not a JSON object", offset=note.offset)
            text = {key: value for key, value in stated.items() if isinstance(value, str)}
            return PackageNote(
                type=text.get("type"),
                name=text.get("name"),
                version=text.get("version"),
                architecture=text.get("architecture"),
                os_cpe=text.get("osCpe"),
                debug_info_url=text.get("debugInfoUrl"),
            )
    return None
