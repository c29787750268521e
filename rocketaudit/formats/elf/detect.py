"""Decide which evidence is worth its cost for one file, gather it, and classify."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from rocketaudit.formats.elf import language_text as evidence
from rocketaudit.formats.elf.c_evidence import c_exports, c_habits, weighed
from rocketaudit.formats.elf.header import PF_X, ElfFile
from rocketaudit.formats.elf.language import Shares, Sign, Verdict, classify, holds_rust
from rocketaudit.formats.elf.language_signals import (
    STARTUP_NAMES,
    Names,
    metadata_signals,
    packer_signals,
    search_ranges,
    symbol_shares,
)
from rocketaudit.formats.elf.searchable import Text
from rocketaudit.formats.elf.symbols import SymbolTable
from rocketaudit.formats.elf.unwind import LOCAL, frames
from rocketaudit.model.binary import Confidence, Language, Signal
from rocketaudit.model.records import dataclass

SMALL = 256 << 10
DATA_CODE = 8 << 10  # bytes of executable segments, linker's stubs included
MANY_NAMES = 1000


@dataclass(frozen=True, slots=True)
class Detected:
    verdict: Verdict
    signals: tuple[Signal, ...]
    shares: Shares
    searched: bool


def detect(elf: ElfFile, names: Names, *, search: bool) -> Detected:
    """The language of a file; bytes are searched only where the tables leave a question open."""
    signals = packer_signals(elf)
    signals += metadata_signals(elf, names)
    kinds = {signal.kind for signal in signals}
    shares = symbol_shares(names)
    if kinds & {Sign.CPP_FILES, Sign.RUST_UNITS}:
        shares = ()  # what plain names are of is not known
    searched = search and not kinds & {Sign.PACKER, Sign.INCOMPRESSIBLE, Sign.GUILE, Sign.KERNEL_MODULE}
    if searched:
        signals = _search(_Looked(elf, Text(elf.haystack, search_ranges(elf)), names.dynamic), signals)
    verdict = classify(signals, shares)
    if searched and not shares and "rust" in verdict.contains and Sign.GO_SECTION not in kinds:
        shares = _unwind_shares(elf, names.dynamic)
        verdict = classify(signals, shares)
    if not search and verdict.language is Language.C and kinds & {Sign.UNWINDER, Sign.STATIC}:
        verdict = Verdict(Language.UNKNOWN, None, (), Confidence.LOW)  # as well Rust or Go: only the bytes tell
    return Detected(verdict, tuple(signals), shares, searched)


@dataclass(frozen=True, slots=True)
class _Looked:
    """One file, its bytes that may hold text, and its dynamic symbols."""

    elf: ElfFile
    text: Text
    dynamic: SymbolTable

    @property
    def imports(self) -> AbstractSet[bytes]:
        """Names wanted from other files, without those of the start-up code that every file has."""
        return self.dynamic.undefined - STARTUP_NAMES


def _search(at: _Looked, signals: list[Signal]) -> list[Signal]:
    """The signals and what the bytes add to them."""
    kinds: set[str] = {signal.kind for signal in signals}
    found = list(signals)
    if _is_data(at.elf):
        near = evidence.clipped(at.text.ranges, evidence.WEAK_SEARCH)
        return [*found, *evidence.source_paths(Text(at.elf.haystack, near))]
    is_go = bool(kinds & {Sign.GO_SECTION, Sign.GO_NOTE})
    if not is_go and Sign.RUST_LIBRARY not in kinds:
        found += evidence.go_text(at.elf, at.text)
        is_go = any(signal.kind in (Sign.GO_BUILD_INFO, Sign.GO_FUNCTION_TABLE) for signal in found)
    if _rust_is_open(at, kinds, is_go=is_go):
        found += _rust(at, kinds, is_go=is_go)
    if not is_go:
        found += _search_others(at, found)
    return found


def _is_data(elf: ElfFile) -> bool:
    """A large file with next to no code, as tables of characters are: no runtime fits into it."""
    return elf.size > SMALL and 0 < sum(s.file_size for s in elf.loads if s.flags & PF_X) <= DATA_CODE


def _search_others(at: _Looked, signals: list[Signal]) -> list[Signal]:
    """C++ without names, other runtimes, and what speaks for C: asked in this order, while nothing has answered."""
    kinds = {signal.kind for signal in signals}
    with_rust = holds_rust(signals)
    imports = at.imports
    found: list[Signal] = []
    if not kinds & {Sign.CPP_PERSONALITY, Sign.CPP_DYNAMIC_NAMES, Sign.CPP_NAMES}:
        found += evidence.cpp_text(at.text, unwinds=not imports or bool(kinds & {Sign.UNWINDER, Sign.STATIC}))
        if not found and not with_rust:
            found += [weighed(path, at.text, imports) for path in evidence.source_paths(at.text)]
            if b"__assert_fail" in imports and any(signal.kind == Sign.CPP_PATH for signal in found):
                found += evidence.cpp_function_text(at.text)
    cpp_names = sum(int(signal.value) for signal in signals if signal.kind == Sign.CPP_DYNAMIC_NAMES)
    if not with_rust and not kinds & {Sign.RUNTIME_LIBRARY, Sign.RUNTIME_NAME} and cpp_names < MANY_NAMES:
        found += evidence.runtime_text(at.text, imports)
    if with_rust or classify(signals + found).language not in (Language.C, Language.UNKNOWN):
        return found
    found += c_habits(imports)
    said = {signal.kind for signal in (*signals, *found)}
    # a static program holds names of the C library's own files
    if not said & {Sign.C_FILES, Sign.C_HABITS} and (Sign.C_PATH not in said or Sign.STATIC in said):
        found += _untold_cpp(at, kinds)
    if Sign.C_LIBRARY not in kinds:
        found += evidence.static_library_text(at.text)
    if not any(signal.kind == Sign.C_PATH for signal in found):
        found += [*evidence.unwind_signals(at.elf), *c_exports(at.elf, at.dynamic)]
    return found


def _untold_cpp(at: _Looked, kinds: AbstractSet[str]) -> list[Signal]:
    """C++ by what its compiler makes of it, where nothing speaks for C."""
    found: list[Signal] = []
    if kinds >= {Sign.CPP_CONSTRUCTORS, Sign.CPP_DESTRUCTORS}:
        # C has either too, but seldom both: 1 of 1,055 C files and 166 of 244 C++ files
        found.append(Signal(Sign.CPP_STATIC_OBJECTS, "constructors and destructors"))
    if Sign.C_NAMES not in kinds:
        found += evidence.vtable_signals(at.elf)
    if b"__assert_fail" in at.imports:
        found += evidence.cpp_function_text(at.text)
    return found


def _rust_is_open(at: _Looked, kinds: set[str], *, is_go: bool) -> bool:
    """Could Rust be inside, unseen by the tables?

    Rust's library unwinds, so a dynamic file without any unwinder import holds at most `no_std` code; looking for
    that is cheap only in small files. Go holds Rust only through cgo, which leaves personalities in .eh_frame.
    """
    if kinds & {Sign.RUST_LIBRARY, Sign.RUST_NAMES, Sign.RUST_SECTION}:
        return False
    if is_go:
        return Sign.UNWINDER in kinds and evidence.personality_signal(at.elf, at.dynamic).kind == Sign.LOCAL_PERSONALITY
    if at.elf.size <= SMALL or Sign.UNWINDER in kinds or Sign.STATIC in kinds or Sign.C_LIBRARY not in kinds:
        return True
    return bool(kinds & {Sign.RUST_COMMENT, Sign.RUST_DYNAMIC_NAMES})


def _rust(at: _Looked, kinds: set[str], *, is_go: bool) -> list[Signal]:
    found = list(evidence.rust_text(at.text))
    if not found:
        small = at.elf.size <= SMALL and not is_go
        location = evidence.rust_location(at.elf, at.text) if small else None
        return [] if location is None else [location]
    personality = evidence.personality_signal(at.elf, at.dynamic)
    found.append(personality)
    proven = bool(kinds & {Sign.RUST_COMMENT, Sign.RUST_DYNAMIC_NAMES})
    backed = personality.kind == Sign.LOCAL_PERSONALITY and Sign.UNWINDER in kinds and Sign.STATIC not in kinds
    if not proven and (is_go or not backed or len(found) < 4):
        location = evidence.rust_location(at.elf, at.text)
        found += [] if location is None else [location]
    return found


def _unwind_shares(elf: ElfFile, dynamic: SymbolTable) -> Shares:
    """Lower bounds by unwind tables, only for files that hold Rust: elsewhere they would say nothing new."""
    by_frames = frames(elf, dynamic)
    if by_frames is None:
        return ()
    found = (("rust", LOCAL), ("c++", "__gxx_personality_v0"), ("c", "__gcc_personality_v0"))
    shares = tuple((name, round(by_frames.share(owner), 3), "unwind") for name, owner in found)
    return tuple(share for share in shares if share[1] > 0)
