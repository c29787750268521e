"""How runtimes other than C, C++, Rust and Go show themselves: by the library they need, names they define, texts.

A text counts only together with its companions (`texts` is any of several sets that must be there whole); one needed
library or one defined name is enough by itself. `imports` says without which functions of the system (one of them) the
runtime cannot run when it is linked into a dynamic file, so that its texts need no search in most files.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from rocketaudit.model.records import dataclass


@dataclass(frozen=True, slots=True)
class Runtime:
    name: str
    needed: tuple[str, ...] = ()
    defines: re.Pattern[bytes] | None = None
    texts: tuple[tuple[bytes, ...], ...] = ()
    imports: frozenset[bytes] = frozenset()


# every libc's way to the environment: options of runtimes are read from there
_ENVIRONMENT = frozenset({b"getenv", b"secure_getenv", b"__secure_getenv"})
_THREADS = frozenset({b"pthread_create"})
_UNWINDING = frozenset({
    b"_Unwind_RaiseException", b"_Unwind_Resume", b"_Unwind_Backtrace", b"_Unwind_GetIP", b"_Unwind_GetRegionStart",
    b"_Unwind_GetLanguageSpecificData", b"_Unwind_ForcedUnwind", b"dl_iterate_phdr", b"_dl_find_object",
})  # fmt: skip
# what Zig's writers, threads and start-up code call where a C library is linked
_ZIG_STREAMS = frozenset({b"preadv64", b"pwritev64", b"preadv", b"pwritev", b"writev", b"getauxval", b"__tls_get_addr"})


RUNTIMES: tuple[Runtime, ...] = (
    Runtime("haskell", ("libHS",), re.compile(rb"stg_ap_|hs_main$|ghczm"), ((b"ghc-prim", b"stg_ap_"),), _THREADS),
    Runtime(
        "ocaml",
        ("libasmrun", "libcamlrun"),
        re.compile(rb"caml[A-Z]\w*__(?:code_begin|data_begin|frametable|entry)|caml_(?:startup|plugin_header)"),
        ((b"OCAMLRUNPARAM", b"caml_startup"), (b"OCAMLRUNPARAM", b"Stack_overflow")),
        _ENVIRONMENT,
    ),
    Runtime(
        "d",
        ("libphobos2", "libgphobos", "libdruntime", "libgdruntime"),
        re.compile(rb"_D(?:3std|4core)\d|_d_run_main"),
        ((b"_d_throw",), (b"core.exception.", b"object.Throwable")),
        _UNWINDING,
    ),
    Runtime(
        "ada",
        ("libgnat-", "libgnarl-"),
        re.compile(rb"__gnat_rcheck|ada_main$"),
        (
            (b"__gnat_rcheck",),
            (b"\0TASKING_ERROR\0", b"\0STORAGE_ERROR\0", b"\0PROGRAM_ERROR\0"),
        ),  # of a static program
        _UNWINDING,
    ),
    Runtime("pascal", (), re.compile(rb"FPC_"), ((b"FPC 3.",), (b"FPC 2.",))),
    Runtime("nim", (), re.compile(rb"NimMain"), ((b"fatal.nim",),)),
    Runtime(
        "fortran",
        ("libgfortran", "libflang", "libifcore"),
        re.compile(rb"_gfortran_"),
        ((b"Fortran runtime error",),),
        _ENVIRONMENT,
    ),
    Runtime("objc", ("libobjc.so", "libgnustep-base"), re.compile(rb"__objc_class_name_|_OBJC_")),
    Runtime("swift", ("libswiftCore",), None, ((b"SWIFT_DETERMINISTIC_HASHING=", b"SWIFT_DEBUG_HELP="),), _ENVIRONMENT),
    Runtime("crystal", (), re.compile(rb"__crystal_"), ((b"CRYSTAL_",),), _UNWINDING),
    Runtime(
        "dart",
        (),
        re.compile(rb"_?kDart(?:Vm|Isolate)Snapshot"),
        ((b"dart:core", b"dart:isolate"),),
        frozenset({b"mprotect"}),
    ),
    Runtime(
        "java", (), None, ((b"com.oracle.svm.core.VM=", b"java.lang.Object"),), frozenset({b"mprotect"})
    ),  # GraalVM
    Runtime("lisp", (), None, ((b"SBCL_HOME",),), frozenset({b"mprotect"})),
    Runtime(
        "zig",
        (),
        re.compile(rb"builtin\.zig_backend$|start\.posixCallMain|debug\.[\w.]*__anon_\d+$"),
        (
            (b"reached unreachable code", b"attempt to unwrap error: "),
            (b"reached unreachable code", b"/lib/std/"),
            (b"reached unreachable code", b"switch on corrupt value"),  # std.builtin.panic_messages: ReleaseSafe
            (b"QuotaExceeded\0", b"\0SystemResources\0"),  # names of std.posix' errors: in ReleaseFast and ReleaseSmall
        ),
        _UNWINDING | _ZIG_STREAMS,
    ),
)


def may_run(runtime: Runtime, imports: AbstractSet[bytes]) -> bool:
    """Whether a dynamic file with these imports can hold the runtime."""
    return not runtime.imports or not runtime.imports.isdisjoint(imports)
