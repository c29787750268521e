"""What speaks for C itself, in files that no longer name a source: not merely that nothing else shows.

C++ that uses none of its library, stripped, leaves the same imports as C. Two things tell them apart: functions that
the system's headers reach by macros for C alone, and functions exported under names that nobody mangled.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from rocketaudit.formats.elf.header import PT_GNU_EH_FRAME, ElfFile
from rocketaudit.formats.elf.language import Sign
from rocketaudit.formats.elf.language_text import C_SOURCE
from rocketaudit.formats.elf.mangling import Mangling
from rocketaudit.formats.elf.searchable import Text
from rocketaudit.formats.elf.symbols import SymbolTable
from rocketaudit.model.binary import Signal

MANY_EXPORTS = 8
MAX_C_NAMES = 64  # places of `.c` that are looked at
EXPORTED_SHARE = 3  # one function in so many

_C_ONLY = frozenset({
    # libintl.h: gettext() is a macro for these where the language is not C++
    b"dcgettext", b"dcngettext",
    # called by gnulib's stdio modules, which are C
    b"__fpending", b"__freading", b"__fpurge",
    # what G_DEFINE_TYPE expands to, and what xsubpp writes
    b"g_type_class_adjust_private_offset", b"Perl_xs_handshake",
})  # fmt: skip
_OF_CPP_TOO = frozenset({b"gettext", b"dgettext", b"ngettext"})


def c_habits(imports: AbstractSet[bytes]) -> Iterator[Signal]:
    """Imports that headers cause in C and not in C++."""
    found = sorted(imports & _C_ONLY)
    if found and imports.isdisjoint(_OF_CPP_TOO):
        yield Signal(Sign.C_HABITS, ", ".join(name.decode() for name in found))


def weighed(path: Signal, text: Text, imports: AbstractSet[bytes]) -> Signal:
    """The name of a `.c` file as it is, or as mere mention: the only one, in a file that asserts nothing."""
    if path.kind != Sign.C_PATH or any(b"assert" in name for name in imports):
        return path
    for at in text.find_all(b".c\0", MAX_C_NAMES):
        found = C_SOURCE.search(text.window(at - 80, at + 3))
        if found is not None and found[0][:-1].decode("latin-1") != path.value:
            return path
    return Signal(Sign.C_MENTION, path.value, path.offset)


def c_exports(elf: ElfFile, dynamic: SymbolTable) -> Iterator[Signal]:
    """A library most of whose functions are exported, none of them under a mangled name."""
    functions = dynamic.functions
    plain = functions.get(Mangling.NONE, (0, 0))[0]
    if plain < MANY_EXPORTS or len(functions) > 1:
        return
    header = next((segment for segment in elf.segments if segment.type == PT_GNU_EH_FRAME), None)
    raw = b"" if header is None else bytes(elf.piece(header.offset, 12))
    described = int.from_bytes(raw[8:], "little" if elf.order == "<" else "big")
    if plain * EXPORTED_SHARE >= described > 0:
        yield Signal(Sign.C_EXPORTS, f"{plain} of {described} functions", dynamic.offset)
