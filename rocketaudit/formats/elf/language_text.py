"""Evidence that takes a search of the file's bytes, and the structures that tell it from mere mention."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from rocketaudit.errors import FormatError
from rocketaudit.formats.elf.go_buildinfo import find_build_info, read_build_info
from rocketaudit.formats.elf.haystack import Ranges
from rocketaudit.formats.elf.header import ElfFile
from rocketaudit.formats.elf.language import Sign
from rocketaudit.formats.elf.relocations import relative_slots
from rocketaudit.formats.elf.runtimes import RUNTIMES, may_run
from rocketaudit.formats.elf.searchable import C_FILES, CPP_FILES, GO_PANIC, MAX_RUST_FILES, Text
from rocketaudit.formats.elf.symbols import SymbolTable
from rocketaudit.formats.elf.unwind import LOCAL, personalities, uncovered_code
from rocketaudit.formats.elf.vtables import stored_vtables
from rocketaudit.model.binary import Signal

SMALL = 64 << 10
MAX_STANDARD_NAMES = 10_000  # places of type names of std:: that are looked at
MAX_ABI_NAMES = 64  # exception types of the ABI may come before its type_info classes
MAX_SIGNATURES = 2_000
WEAK_SEARCH = 4 << 20  # bytes looked at for evidence that only tips the confidence

_RUST_LIBRARY_PATH = re.compile(rb"[\x21-\x7e]{0,120}?(?:core|alloc|std)/src/[a-z0-9_/]+\.rs")
_RUST_LIBRARY_TAIL = re.compile(rb"(?:core|alloc|std)/src/[a-z0-9_/]+\Z")
_RUST_NEEDLES = (b"core/src/", b"alloc/src/", b"std/src/")
_RUST_PANICS = (b"called `Option::unwrap()` on a `None` value", b"index out of bounds: the len is ")
_RUST_BACKTRACE = b"__rust_begin_short_backtrace"
_RUST_COMMIT = re.compile(rb"/rustc/[0-9a-f]{40}/")
_PATH_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+./@-"

# runtime/symtab.go of each Go release: magic, two zero bytes, instruction quantum, pointer size
_FUNCTION_TABLE = re.compile(
    rb"[\xf0\xf1\xfa\xfb]\xff\xff\xff\0\0[\x01\x02\x04][\x04\x08]|\xff\xff\xff[\xf0\xf1\xfa\xfb]\0\0[\x01\x02\x04][\x04\x08]"
)
_GO_1_2 = 0xFB  # the oldest layout, until Go 1.15: functions follow without a table of offsets
_CPP_SOURCE = re.compile(rb"[\w.-]*/[\w/.+-]*\.(?:cpp|cxx|cc|hpp|hh)\0")
_CPP_TYPE = re.compile(rb"N10__cxxabiv1\d+__[a-z_]+_type_infoE\0")
# what __PRETTY_FUNCTION__ is made of: result and name, parameters, and what may follow them
_FUNCTION_NAME = re.compile(rb"[A-Za-z_][\w:<>,*&~ ]*(?:operator\W{1,3})?")
_PARAMETERS = re.compile(rb"[\w:<>,*&.() \[\]]*")
_TEMPLATE_ARGUMENTS = re.compile(rb" \[(?:with )?\w+ = .*\]")
_QUALIFIED = re.compile(rb"\w::[\w~]")
C_SOURCE = re.compile(rb"[\w/-]{2,}\.c\0")


def go_text(elf: ElfFile, text: Text) -> Iterator[Signal]:
    """Go without its sections: the runtime's names, backed by build info or a function table that hold together."""
    at = text.find(GO_PANIC)
    if at < 0:
        return
    yield Signal(Sign.GO_RUNTIME, "runtime.gopanic", at)
    info = find_build_info(elf, text.ranges)
    if info is not None:
        try:
            version = read_build_info(elf, info).version
        except FormatError:
            version = None
        if version is not None and version.startswith(("go", "devel")):
            yield Signal(Sign.GO_BUILD_INFO, version[:60], info)
    for at, table in elf.haystack.matches(_FUNCTION_TABLE, text.ranges):
        if _is_function_table(elf, at):
            yield Signal(Sign.GO_FUNCTION_TABLE, table[0].hex(), at)
            return


def _is_function_table(elf: ElfFile, at: int) -> bool:
    """Does a plausible number of functions follow the magic, and offsets that stay inside the file?"""
    size = elf.data[at + 7]
    raw = elf.piece(at + 8, 4 * size)
    if size != elf.bits // 8 or len(raw) < 4 * size:
        return False
    functions, files, _, names = struct.unpack(elf.order + ("QQQQ" if size == 8 else "IIII"), raw)
    if elf.data[at if elf.order == "<" else at + 3] == _GO_1_2:
        return bool(0 < functions < elf.size // size)
    return bool(0 < functions < elf.size and 0 < files < elf.size and names < elf.size)


def rust_text(text: Text) -> Iterator[Signal]:
    """Paths of Rust's own library, its runtime's marks and its panic messages."""
    hit = False
    for needle in _RUST_NEEDLES if _names_library(text) else ():
        for at in text.find_all(needle, 16):
            window = text.window(at - 120, at + 120)
            found = _RUST_LIBRARY_PATH.search(window, max(0, min(at, 120) - 100))
            if found is not None:
                hit = True
                yield Signal(Sign.RUST_PATH, found[0][-100:].decode("latin-1"), at)
                break
        if hit:
            break
    at = text.find(_RUST_BACKTRACE)
    if at >= 0:
        hit = True
        yield Signal(Sign.RUST_RUNTIME, _RUST_BACKTRACE.decode(), at)
    if not hit:
        return
    for message in _RUST_PANICS:
        at = text.find(message)
        if at >= 0:
            yield Signal(Sign.RUST_PANIC, message.decode(), at)
            break
    at = text.find(b"/rustc/")
    if at >= 0 and (commit := _RUST_COMMIT.match(text.window(at, at + 48))) is not None:
        yield Signal(Sign.RUST_COMMIT, commit[0].decode(), at)


def _names_library(text: Text) -> bool:
    """Can a path of Rust's own library be there? Asked of the few `.rs` that most files have, if any."""
    places = text.rust_files()
    return len(places) >= MAX_RUST_FILES or any(_RUST_LIBRARY_TAIL.search(text.window(at - 240, at)) for at in places)


def rust_location(elf: ElfFile, text: Text) -> Signal | None:
    """A panic location: somewhere a pointer to a `.rs` path is followed by that path's exact length.

    Rust's `&str` is a pointer and a length without a terminator; text that merely mentions a path has none.
    """
    spots: list[tuple[int, bytes]] = []
    for at in text.rust_files():
        before = text.window(at - 200, at)
        if tail := before[len(before.rstrip(_PATH_LETTERS)) :]:
            spots.append((at + 3, tail + b".rs"))
        if len(spots) >= 24:
            break
    if not spots:
        return None
    word = struct.Struct(elf.order + ("Q" if elf.bits == 64 else "I"))
    for end, path in spots[:6]:
        if (place := _stored_in_place(elf, text, end, path, word)) is not None:
            return place
    return _relocated(elf, spots, word)


def _lengths(path: bytes, *, all_of_them: bool) -> list[int]:
    """Lengths that the path may have when the text before it has run into it."""
    if all_of_them:
        return list(range(4, len(path) + 1))
    marks = [match.start() for match in re.finditer(rb"/rustc/|library/|src/|/home/|/usr/|/build|/cargo/", path)]
    return [len(path) - at for at in dict.fromkeys([0, *marks])][:8]


def _stored_in_place(elf: ElfFile, text: Text, end: int, path: bytes, word: struct.Struct) -> Signal | None:
    address = elf.address(end - 1)
    if address is None:
        return None
    small = sum(end - start for start, end in text.ranges) <= SMALL
    for length in _lengths(path, all_of_them=small):
        value = address + 1 - length
        if not 0 <= value < 1 << elf.bits:
            continue
        at = text.find(word.pack(value) + word.pack(length))
        if at >= 0:
            return Signal(Sign.RUST_LOCATION, path[-length:].decode("latin-1"), at)
    return None


def _relocated(elf: ElfFile, spots: list[tuple[int, bytes]], word: struct.Struct) -> Signal | None:
    slots = relative_slots(elf)
    if not slots:
        return None
    wanted: dict[int, tuple[int, bytes]] = {}
    for end, path in spots:
        address = elf.address(end - 1)
        if address is not None:
            for length in range(4, len(path) + 1):
                wanted[address + 1 - length] = (length, path)
    for slot, target in slots.items():
        expected = wanted.get(target)
        offset = elf.file_offset(slot + word.size) if expected is not None else None
        if expected is None or offset is None:
            continue
        raw = elf.piece(offset, word.size)
        if len(raw) == word.size and word.unpack(raw)[0] == expected[0]:
            return Signal(Sign.RUST_LOCATION, expected[1][-expected[0] :].decode("latin-1"), offset - word.size)
    return None


def cpp_text(text: Text, *, unwinds: bool) -> Iterator[Signal]:
    """C++ that neither links nor names its library: type names of its runtime linked in, or texts of it.

    The whole runtime throws, so its texts need no search in a file that does not unwind.
    """
    for at in text.find_all(b"N10__cxxabiv1", MAX_ABI_NAMES):
        if (name := _CPP_TYPE.match(text.window(at, at + 64))) is not None:
            yield Signal(Sign.CPP_TYPES, name[0][:-1].decode(), at)
            return
    if unwinds and (found := _cpp_runtime(text)) is not None:
        yield Signal(Sign.CPP_RUNTIME, found[0].decode(), found[1])


def _cpp_runtime(text: Text) -> tuple[bytes, int] | None:
    """A text of the C++ library and its place: names of types that begin alike are looked for together."""
    bad_alloc = None
    for at in text.find_all(b"St9", MAX_STANDARD_NAMES):
        near = text.window(at, at + len(b"St9exception"))
        if near == b"St9exception":
            return near, at
        if bad_alloc is None and near == b"St9bad_alloc":
            bad_alloc = near, at
    if bad_alloc is not None:
        return bad_alloc
    at = text.find(b"basic_string::")
    return (b"basic_string::", at) if at >= 0 else None


def cpp_function_text(text: Text) -> Iterator[Signal]:
    """The name of a function as assert() gives it in C++, and cannot in C: `int q::V::at(int) const`."""
    for end in (b")\0", b") const\0", b"]\0"):
        for at in text.find_all(end, MAX_SIGNATURES):
            name = text.window(at - 300, at + len(end) - 1).rpartition(b"\0")[2]
            if _is_cpp_function(name):
                place = at + len(end) - 1 - len(name)
                yield Signal(Sign.CPP_FUNCTION_TEXT, name[-100:].decode("latin-1"), place)
                return


def _is_cpp_function(name: bytes) -> bool:
    """A qualified name, template arguments or a const method; a plain function could be one of C to Clang."""
    head, opened, rest = name.partition(b"(")
    parameters, closed, tail = rest.rpartition(b") const" if name.endswith(b" const") else b")")
    if b" [" in rest:
        parameters, closed, tail = rest.partition(b") [")
        tail = b" [" + tail
    shaped = opened and closed and _FUNCTION_NAME.fullmatch(head) and _PARAMETERS.fullmatch(parameters)
    if not shaped or (tail and not _TEMPLATE_ARGUMENTS.fullmatch(tail)):
        return False
    return bool(tail) or name.endswith(b" const") or _QUALIFIED.search(head) is not None


def vtable_signals(elf: ElfFile) -> Iterator[Signal]:
    count, at = stored_vtables(elf)
    if count:
        yield Signal(Sign.CPP_VTABLES, str(count), at)


def source_paths(text: Text) -> Iterator[Signal]:
    """Names of C or C++ source files, as assertions and messages leave them."""
    near = clipped(text.ranges, WEAK_SEARCH)
    for needles, pattern, sign in ((C_FILES, C_SOURCE, Sign.C_PATH), (CPP_FILES, _CPP_SOURCE, Sign.CPP_PATH)):
        for needle in needles:
            at = text.find(needle)
            if not any(start <= at <= end - len(needle) for start, end in near):
                continue
            found = pattern.search(text.window(at - 80, at + len(needle)))
            if found is not None:
                yield Signal(sign, found[0][:-1].decode("latin-1"), at)
                break


def clipped(ranges: Ranges, limit: int) -> Ranges:
    """The first `limit` bytes of the ranges."""
    kept: list[tuple[int, int]] = []
    for start, end in ranges:
        if limit > 0:
            kept.append((start, min(end, start + limit)))
            limit -= end - start
    return tuple(kept)


def runtime_text(text: Text, imports: AbstractSet[bytes]) -> Iterator[Signal]:
    """Texts of other runtimes, each set whole; only of those that could run with what the file imports."""
    for runtime in RUNTIMES:
        if imports and not may_run(runtime, imports):
            continue
        for texts in runtime.texts:
            if all(text.find(mark) >= 0 for mark in reversed(texts)):
                shown = texts[0].strip(b"\0").decode()
                yield Signal(Sign.RUNTIME_TEXT, f"{runtime.name}: {shown}", text.find(texts[0]))
                return


def static_library_text(text: Text) -> Iterator[Signal]:
    """A C library linked in: glibc names itself, every libc carries its error messages."""
    for mark in (b"GNU C Library", b"No such file or directory", b"(null)"):
        at = text.find(mark)
        if at >= 0:
            yield Signal(Sign.C_STATIC_LIBRARY, mark.decode(), at)
            return


def unwind_signals(elf: ElfFile) -> Iterator[Signal]:
    """Code that hardly any unwind entry describes: assembler, or a compiler that is not one of C."""
    found = uncovered_code(elf)
    if found is not None:
        yield Signal(Sign.UNCOVERED_CODE, f"unwind entries for {found[1]} of {found[0]} bytes")


def personality_signal(elf: ElfFile, dynamic: SymbolTable) -> Signal:
    """Whether a personality routine is a function of this file, as Rust's always is."""
    for personality in personalities(elf, dynamic):
        if personality.name == LOCAL:
            return Signal(Sign.LOCAL_PERSONALITY, "in .eh_frame", personality.offset)
    return Signal(Sign.NO_LOCAL_PERSONALITY, "none in .eh_frame")
