"""Which language built a file, as a pure function of the signals found in it.

Text alone proves little: demanglers, debuggers and this scanner mention every language. What decides is structure that
only the compiler of that language leaves: names it mangled, libraries it links, tables its runtime walks, panic
locations (a pointer and a length) that point at the text. Measured figures: docs/accuracy.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum

from rocketaudit.model.binary import Confidence, Language, Signal
from rocketaudit.model.records import dataclass

CLASSIFIER = "2026.13"

Shares = tuple[tuple[str, float, str], ...]


class Sign(StrEnum):
    """The kinds of evidence; `Signal.kind` is one of these."""

    PACKER = "packer"
    INCOMPRESSIBLE = "incompressible-code"
    GUILE = "guile-object"
    RUNTIME_LIBRARY = "runtime-library"
    RUNTIME_NAME = "runtime-name"
    RUNTIME_TEXT = "runtime-text"

    RUST_LIBRARY = "rust-library"
    RUST_SECTION = "rust-section"
    RUST_COMMENT = "rust-comment"
    RUST_UNITS = "rust-codegen-units"
    RUST_DYNAMIC_NAMES = "rust-dynamic-names"
    RUST_NAMES = "rust-names"
    RUST_PATH = "rust-source-path"
    RUST_COMMIT = "rust-commit-path"
    RUST_RUNTIME = "rust-runtime-text"
    RUST_PANIC = "rust-panic-text"
    RUST_LOCATION = "rust-panic-location"

    GO_SECTION = "go-section"
    GO_NOTE = "go-note"
    GO_BUILD_INFO = "go-build-info"
    GO_FUNCTION_TABLE = "go-function-table"
    GO_RUNTIME = "go-runtime-text"
    GO_NAMES = "go-names"

    CPP_LIBRARY = "c++-library"
    CPP_PERSONALITY = "c++-personality"
    CPP_DYNAMIC_NAMES = "c++-dynamic-names"
    CPP_NAMES = "c++-names"
    CPP_TYPES = "c++-type-text"
    CPP_RUNTIME = "c++-runtime-text"
    CPP_VTABLES = "c++-vtables"
    CPP_PATH = "c++-source-path"
    CPP_FILES = "c++-source-files"
    CPP_FUNCTION_TEXT = "c++-function-text"
    CPP_CONSTRUCTORS = "constructors"
    CPP_DESTRUCTORS = "destructors"
    CPP_STATIC_OBJECTS = "c++-static-objects"

    LOCAL_PERSONALITY = "local-personality"
    NO_LOCAL_PERSONALITY = "no-local-personality"
    UNWINDER = "unwinder-import"
    STATIC = "static"

    C_LIBRARY = "c-library"
    C_STATIC_LIBRARY = "c-static-library"
    C_STARTUP = "c-startup"
    C_IMPORTS = "c-imports"
    C_COMMENT = "c-compiler-comment"
    C_NAMES = "c-names"
    C_PATH = "c-source-path"
    C_MENTION = "c-source-mention"
    C_FILES = "c-source-files"
    C_HABITS = "c-habits"
    C_EXPORTS = "c-exports"
    OTHER_FILES = "other-source-files"
    KERNEL_MODULE = "kernel-module"
    UNCOVERED_CODE = "code-without-unwind-entries"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`runtime` names what `other` is; `contains` lists every language found, the primary one first."""

    language: Language
    runtime: str | None
    contains: tuple[str, ...]
    confidence: Confidence


_RUST_PROOF: Mapping[Sign, int] = {
    Sign.RUST_LIBRARY: 6,
    Sign.RUST_SECTION: 6,
    Sign.RUST_NAMES: 6,
    Sign.RUST_COMMENT: 4,
    Sign.RUST_UNITS: 5,
    Sign.RUST_LOCATION: 6,
}
_RUST_TEXT: Mapping[Sign, int] = {
    Sign.RUST_PATH: 3,
    Sign.RUST_RUNTIME: 2,
    Sign.RUST_COMMIT: 2,
    Sign.RUST_PANIC: 1,
}
_GO_PROOF: Mapping[Sign, int] = {
    Sign.GO_SECTION: 6,
    Sign.GO_NOTE: 5,
    Sign.GO_BUILD_INFO: 5,
    Sign.GO_FUNCTION_TABLE: 5,
    Sign.GO_NAMES: 5,
}
_CPP_PROOF: Mapping[Sign, int] = {
    Sign.CPP_PERSONALITY: 5,
    Sign.CPP_NAMES: 5,
    Sign.CPP_TYPES: 4,
    Sign.CPP_RUNTIME: 2,
    Sign.CPP_LIBRARY: 2,
    Sign.CPP_PATH: 2,
    Sign.CPP_STATIC_OBJECTS: 3,
    Sign.CPP_FILES: 3,
    Sign.CPP_FUNCTION_TEXT: 3,
}
# what C may have, but seldom has
_DOUBTS_OF_C = frozenset({
    Sign.CPP_LIBRARY, Sign.CPP_PATH, Sign.CPP_CONSTRUCTORS, Sign.RUST_PATH, Sign.GO_RUNTIME,
})  # fmt: skip
_C_LIBRARIES = frozenset({Sign.C_LIBRARY, Sign.C_STATIC_LIBRARY})
_NAMES_OF_C_FILES = frozenset({Sign.C_PATH, Sign.C_MENTION})
_C_LEFTOVERS = frozenset({Sign.C_HABITS, Sign.C_EXPORTS})
_HINTS_OF_C = frozenset({Sign.C_PATH, Sign.C_FILES, Sign.C_NAMES, Sign.C_STARTUP, Sign.C_COMMENT, Sign.C_IMPORTS})
_START_UP_NAMES = 16  # functions with plain names that every program has: start-up code, `main` and their kin
# what adds to no score but C's: most files have no more, and need no scores
_OF_C = _C_LIBRARIES | _HINTS_OF_C | {Sign.KERNEL_MODULE, Sign.UNWINDER, Sign.STATIC, Sign.CPP_DESTRUCTORS}
# runtimes whose programs may embed Rust, or whose markers Rust programs carry as data
_WEAKER_THAN_RUST = frozenset({"haskell", "nim", "pascal", "zig", "lisp", "crystal"})


class _Found:
    """The signals by kind, with the questions that the rules ask."""

    __slots__ = ("by_kind",)

    def __init__(self, signals: Iterable[Signal]) -> None:
        self.by_kind: dict[str, Signal] = {}
        for signal in signals:
            self.by_kind.setdefault(signal.kind, signal)

    def __contains__(self, sign: Sign) -> bool:
        return sign in self.by_kind

    def value(self, sign: Sign) -> str | None:
        signal = self.by_kind.get(sign)
        return None if signal is None else signal.value

    def count(self, sign: Sign) -> int:
        value = (self.value(sign) or "").partition(" ")[0]
        return int(value) if value.isdecimal() else 0

    def score(self, weights: Mapping[Sign, int]) -> int:
        """The weights of the signs found, each counted once."""
        return sum([weights[sign] for sign in weights.keys() & self.by_kind.keys()])

    def any_of(self, signs: AbstractSet[Sign]) -> bool:
        return not signs.isdisjoint(self.by_kind)


def rust_score(found: _Found) -> int:
    """0 when Rust is only mentioned; from 4 on the file contains Rust."""
    names = found.count(Sign.RUST_DYNAMIC_NAMES)
    proof = found.score(_RUST_PROOF) + (5 if names >= 3 else 2 if names else 0)
    text = found.score(_RUST_TEXT)
    if proof >= 4:
        return proof + text
    backed = Sign.LOCAL_PERSONALITY in found and Sign.STATIC not in found and Sign.UNWINDER in found
    return proof + text if backed and text >= 4 else 0


def cpp_score(found: _Found) -> int:
    """From 3 on the file contains C++."""
    names, tables = found.count(Sign.CPP_DYNAMIC_NAMES), found.count(Sign.CPP_VTABLES)
    score = found.score(_CPP_PROOF) + (4 if names >= 3 else 3 if names else 0)
    if Sign.CPP_PATH in found and not found.any_of(_NAMES_OF_C_FILES):
        score += 1
    return score + (4 if tables >= 2 else 3 if tables else 0)


def go_score(found: _Found) -> int:
    """From 4 on the file contains Go."""
    return found.score(_GO_PROOF)


def holds_rust(signals: Iterable[Signal]) -> bool:
    """The part of `classify` that decides whether Rust is inside."""
    return rust_score(_Found(signals)) >= 4


def classify(signals: Iterable[Signal], shares: Shares = ()) -> Verdict:
    """Weigh the evidence; the same signals and shares always give the same verdict."""
    found = _Found(signals)
    if Sign.PACKER in found or Sign.INCOMPRESSIBLE in found:
        known = Confidence.HIGH if Sign.PACKER in found else Confidence.MEDIUM
        return Verdict(Language.PACKED, None, (), known)
    if Sign.GUILE in found:
        return Verdict(Language.OTHER, "scheme", ("scheme",), Confidence.HIGH)
    if found.by_kind.keys() <= _OF_C:
        return _c_or_unknown(found)
    rust, go, cpp = rust_score(found), go_score(found), cpp_score(found)
    inside = [name for name, score, enough in (("go", go, 4), ("rust", rust, 4), ("c++", cpp, 3)) if score >= enough]
    runtime = _runtime(found, contains_rust="rust" in inside)
    if "go" in inside:
        return _verdict(Language.GO, None, inside, Confidence.HIGH if go >= 5 else Confidence.MEDIUM)
    if runtime is not None:
        sure = Sign.RUNTIME_LIBRARY in found or Sign.RUNTIME_NAME in found
        return _verdict(Language.OTHER, runtime, inside, Confidence.HIGH if sure else Confidence.MEDIUM)
    if "rust" in inside:
        return _rust(found, rust, inside, dict_of(shares))
    if "c++" in inside:
        return _verdict(Language.CPP, None, inside, _cpp_confidence(found))
    return _c_or_unknown(found)


def dict_of(shares: Shares) -> dict[str, dict[str, float]]:
    """Shares by method, then by language."""
    by_method: dict[str, dict[str, float]] = {}
    for language, share, method in shares:
        by_method.setdefault(method, {})[language] = share
    return by_method


def _verdict(language: Language, runtime: str | None, inside: list[str], confidence: Confidence) -> Verdict:
    first = runtime or language.value
    return Verdict(language, runtime, (first, *(name for name in inside if name != first)), confidence)


def _runtime(found: _Found, *, contains_rust: bool) -> str | None:
    for sign in (Sign.RUNTIME_LIBRARY, Sign.RUNTIME_NAME, Sign.RUNTIME_TEXT, Sign.OTHER_FILES):
        name = found.value(sign)
        if name is not None:
            name = name.split(":", 1)[0]
            return None if contains_rust and name in _WEAKER_THAN_RUST else name
    return None


def _rust(found: _Found, score: int, inside: list[str], shares: dict[str, dict[str, float]]) -> Verdict:
    """Rust is inside; the larger part names the file where the parts can be measured."""
    confidence = Confidence.HIGH if score >= 7 else Confidence.MEDIUM
    if Sign.RUST_UNITS in found and Sign.C_FILES not in found:  # all of it, however its functions are named
        return _verdict(Language.RUST, None, inside, confidence)
    symbols = shares.get("symbols") or shares.get("mini-debug-info")
    if symbols is not None:
        rust, cpp, c = (symbols.get(name, 0.0) for name in ("rust", "c++", "c"))
        if cpp > rust and "c++" in inside:
            return _verdict(Language.CPP, None, inside, Confidence.MEDIUM)
        if rust < 0.05 and c > rust:
            return _verdict(Language.C, None, inside, Confidence.MEDIUM)
    elif "c++" in inside:
        unwind = shares.get("unwind", {})
        if unwind.get("c++", 0.0) > unwind.get("rust", 0.0):
            return _verdict(Language.CPP, None, inside, Confidence.MEDIUM)
    return _verdict(Language.RUST, None, inside, confidence)


def _cpp_confidence(found: _Found) -> Confidence:
    strong = found.count(Sign.CPP_DYNAMIC_NAMES) >= 3 or Sign.CPP_PERSONALITY in found or Sign.CPP_NAMES in found
    if strong or Sign.CPP_TYPES in found:
        return Confidence.HIGH
    by_text = found.by_kind.keys() & _CPP_PROOF.keys() <= {Sign.CPP_PATH, Sign.CPP_RUNTIME}  # C may mention such
    told = found.count(Sign.CPP_DYNAMIC_NAMES) or found.count(Sign.CPP_VTABLES)
    return Confidence.LOW if by_text and not told else Confidence.MEDIUM


def _c_or_unknown(found: _Found) -> Verdict:
    """What is left is C when a C library or C start-up code shows; nothing at all is unknown, not C.

    That nothing else shows is no more than a low confidence: C++ which uses none of its library, Rust without `std` and
    assembler leave the same behind. What speaks for C itself raises it.
    """
    c = [Language.C.value]
    if Sign.KERNEL_MODULE in found:
        return _verdict(Language.C, None, c, Confidence.HIGH)
    if found.any_of(_C_LIBRARIES) or Sign.C_FILES in found:
        return _verdict(Language.C, None, c, _c_confidence(found))
    if found.any_of(_HINTS_OF_C):
        return _verdict(Language.C, None, c, Confidence.LOW)
    return Verdict(Language.UNKNOWN, None, (), Confidence.LOW)


def _c_confidence(found: _Found) -> Confidence:
    # a C library that is linked in names its own files: what they are of the program is not known
    is_static = Sign.STATIC in found
    named = Sign.C_FILES in found or (Sign.C_PATH in found and not is_static)
    many = not is_static and found.count(Sign.C_NAMES) > _START_UP_NAMES
    if named and not is_static and not found.any_of(_DOUBTS_OF_C):
        return Confidence.HIGH
    # g++ links its library whether anything of it is used or not, as some that build C do
    may_be_cpp = Sign.CPP_LIBRARY in found or found.count(Sign.CPP_CONSTRUCTORS) > 2
    if Sign.UNCOVERED_CODE in found or not (named or many or found.any_of(_C_LEFTOVERS)):
        return Confidence.LOW
    return Confidence.LOW if may_be_cpp and not (named or many) else Confidence.MEDIUM
