"""How runtimes other than C, C++, Rust and Go show themselves: by the library they need, names they define, texts.

A text counts only together with its companions (`texts` is any of several sets that must be there whole); one needed
library or one defined name is enough by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Runtime:
    name: str
    needed: tuple[str, ...] = ()
    defines: re.Pattern[bytes] | None = None
    texts: tuple[tuple[bytes, ...], ...] = ()


RUNTIMES: tuple[Runtime, ...] = (
    Runtime("haskell", ("libHS",), re.compile(rb"stg_ap_|hs_main$|ghczm"), ((b"ghc-prim", b"stg_ap_"),)),
    Runtime(
        "ocaml",
        ("libasmrun", "libcamlrun"),
        re.compile(rb"caml[A-Z]\w*__(?:code_begin|data_begin|frametable|entry)|caml_(?:startup|plugin_header)"),
        ((b"OCAMLRUNPARAM", b"caml_startup"), (b"OCAMLRUNPARAM", b"Stack_overflow")),
    ),
    Runtime(
        "d",
        ("libphobos2", "libgphobos", "libdruntime", "libgdruntime"),
        re.compile(rb"_D(?:3std|4core)\d|_d_run_main"),
        ((b"_d_throw",), (b"core.exception.", b"object.Throwable")),
    ),
    Runtime("ada", ("libgnat-", "libgnarl-"), re.compile(rb"__gnat_rcheck|ada_main$"), ((b"__gnat_rcheck",),)),
    Runtime("pascal", (), re.compile(rb"FPC_"), ((b"FPC 3.",), (b"FPC 2.",))),
    Runtime("nim", (), re.compile(rb"NimMain"), ((b"fatal.nim",),)),
    Runtime(
        "fortran", ("libgfortran", "libflang", "libifcore"), re.compile(rb"_gfortran_"), ((b"Fortran runtime error",),)
    ),
    Runtime("objc", ("libobjc.so", "libgnustep-base"), re.compile(rb"__objc_class_name_|_OBJC_")),
    Runtime("swift", ("libswiftCore",)),
    Runtime("crystal", (), re.compile(rb"__crystal_"), ((b"CRYSTAL_",),)),
    Runtime("dart", (), re.compile(rb"_?kDart(?:Vm|Isolate)Snapshot"), ((b"dart:core", b"dart:isolate"),)),
    Runtime("lisp", (), None, ((b"SBCL_HOME",),)),
    Runtime(
        "zig",
        (),
        None,
        ((b"reached unreachable code", b"attempt to unwrap error: "), (b"reached unreachable code", b"/lib/std/")),
    ),
)
