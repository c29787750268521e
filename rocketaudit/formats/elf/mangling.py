"""Whose compiler spelled a symbol's name.

https://doc.rust-lang.org/rustc/symbol-mangling: Rust's legacy names end in a 17-character hash, its v0 names start with
_R. C++ names follow the Itanium ABI. Go's linker writes import paths.
"""

from __future__ import annotations

import re
from enum import StrEnum

_RUST_LEGACY = re.compile(rb"17h[0-9a-f]{16}E(?:\.[^\0]+)?$")  # parts and copies: .llvm.15067, .0, .2321, .cold
_RUST_V0 = re.compile(rb"_R(?:[NIMXYC]|[0-9])")
_GO_NAME = re.compile(rb"(?:runtime|type:|go:|main|sync|internal/[\w/]+|[a-z0-9.-]+\.[a-z]+/[\w./-]+)\.")

# a dot that ends what Go's names begin with, but for import paths, which hold a slash
_GO_DOT = re.compile(rb"\.(?:(?<=runtime\.)|(?<=type:\.)|(?<=go:\.)|(?<=main\.)|(?<=sync\.))")

# what may follow _Z: an encoding of the Itanium ABI starts so (Dart has names like _ZoneDelegate)
_ENCODING = re.compile(
    rb"_Z(?:[0-9NZSLUDTG]|n[waget]|d[laveV]|p[sLlpmt]|a[adnSNw]|m[ilmLI]|r[mMsS]|o[roR]|e[qoO]|l[stesSi]|g[te]|ss|"
    rb"c[olmv]|ix|qu)"
)
V0_LETTERS = frozenset(b"NIMXYC0123456789")  # what follows _R in them

# names in a string table: each of them follows the end of another
LEGACY_NAMES = re.compile(rb"\0_Z[^\0]++(?<=17h[0-9a-f]{16}E)(?=\0)")
LEGACY_CLONES = re.compile(rb"\0_Z[^\0]*?17h[0-9a-f]{16}E\.[^\0]+(?=\0)")
VECTOR_NAMES = re.compile(rb"\0_ZGV[bcdensx][MN][^\0]")
LEGACY_HASH = re.compile(rb"17h[0-9a-f]{16}E")


class Mangling(StrEnum):
    RUST = "rust"
    CPP = "c++"
    GO = "go"
    NONE = "c"


def may_be_go(text: bytes) -> bool:
    """Whether a string table may hold a name that `mangling` calls Go's."""
    return b"/" in text or _GO_DOT.search(text) is not None


def mangling(name: bytes) -> Mangling:
    """Which language's compiler spelled this name; libmvec's vector names (_ZGV) are C."""
    lead = name[:2]
    if lead == b"_Z":
        if b"17h" in name and _RUST_LEGACY.search(name):
            return Mangling.RUST
        return _itanium(name)
    if lead == b"_R" and _RUST_V0.match(name):
        return Mangling.RUST
    if b"." in name and _GO_NAME.match(name):
        return Mangling.GO
    return Mangling.NONE


def _itanium(name: bytes) -> Mangling:
    """_ZGV followed by a vector ISA letter and mask is the vector function ABI, not a guard variable."""
    vector = name.startswith(b"_ZGV") and len(name) > 6 and name[4:5] in b"bcdensx" and name[5:6] in b"MN"
    return Mangling.CPP if not vector and _ENCODING.match(name) else Mangling.NONE
