"""Programs that run what others write, whatever they are called: shells and interpreters, known by their content.

A shell needs the words of its language as texts of their own, an interpreter offers or calls its own way in. Texts
count between NUL bytes, together, and only in programs; in a dynamic one only when it can start others, as every
shell must. So a program that merely names these words in a message or a manual is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rocketaudit.formats.elf.haystack import Ranges
from rocketaudit.formats.elf.header import ElfFile
from rocketaudit.formats.elf.symbols import SymbolTable
from rocketaudit.model.binary import ACTS_AS, Crate, Signal
from rocketaudit.model.records import dataclass

SHELL, INTERPRETER = "shell", "interpreter"
_STARTS = (b"execve", b"execv", b"execvp", b"execl", b"execlp", b"fexecve", b"posix_spawn", b"posix_spawnp")
_JOBS = (b"tcsetpgrp", b"tcgetpgrp")  # what a shell with job control cannot do without
_PIPES = (*_STARTS, b"popen", b"system")
_MAX_SEARCH = 4 << 20  # bytes of one program: what these hold as text is less than 1 MiB


@dataclass(frozen=True, slots=True)
class _Kind:
    """`names` are dynamic symbols, `texts` pieces of its data: all of one set. `imports`: one of them
    must be there in a dynamic file for its texts to count."""

    group: str
    name: str
    names: tuple[tuple[bytes, ...], ...] = ()
    texts: tuple[tuple[bytes, ...], ...] = ()
    imports: tuple[bytes, ...] = _STARTS
    crates: tuple[str, ...] = ()
    mains: tuple[str, ...] = ()  # packages that a Go program is built from
    in_any: bool = False  # its texts are looked for in every language; otherwise in C alone


# the first of each set is looked for first: it is the rarest
_KINDS = (
    _Kind(SHELL, "bash", texts=((b"\0BASH_SUBSHELL\0", b"\0BASH_VERSINFO\0"),), imports=_JOBS),
    _Kind(SHELL, "busybox", texts=((b"applet not found\n", b"BusyBox v"),)),
    _Kind(SHELL, "toybox", texts=((b"https://landley.net/toybox", b"multicall binary"),)),
    _Kind(
        SHELL,
        "fish",
        texts=((b"fish_default_key_bindings", b"fish_emoji_width"),),
        crates=("fish", "fish-shell"),
        in_any=True,
    ),
    _Kind(
        SHELL,
        "POSIX shell",
        texts=(
            (b"\0esac\0", b"\0elif\0", b"\0OPTIND"),  # reserved words and the variable that getopts keeps
            (b"$YASH_LOADPATH", b"$YASH_AFTER_CD"),  # its reserved words are wide characters
        ),
    ),
    _Kind(SHELL, "C shell", texts=((b"\0onintr\0", b"\0rehash\0", b"\0unalias\0"),), imports=_JOBS),
    _Kind(SHELL, "rc", texts=((b"\0cdpath\0", b"\0whatis\0", b"\0umask\0"),)),
    _Kind(SHELL, "sash", texts=((b'Cannot alias "alias"\n', b"unalias\0"),)),
    _Kind(SHELL, "nushell", crates=("nu-cli", "nu-command")),
    _Kind(SHELL, "brush", crates=("brush-core", "brush-shell")),
    _Kind(SHELL, "elvish", mains=("src.elv.sh/cmd/elvish",)),
    _Kind(SHELL, "gosh", mains=("mvdan.cc/sh/v3/cmd/gosh",)),
    _Kind(
        INTERPRETER,
        "python",
        names=((b"Py_BytesMain",), (b"Py_RunMain",), (b"pypy_main_startup",)),
        texts=((b"PYTHONHASHSEED", b"PYTHONSTARTUP"),),
        imports=(),
    ),
    _Kind(INTERPRETER, "perl", names=((b"perl_parse", b"perl_run"),), texts=((b"PERL5LIB", b"PERL5OPT"),), imports=()),
    _Kind(INTERPRETER, "ruby", names=((b"ruby_run_node", b"ruby_init"),)),
    _Kind(INTERPRETER, "tcl", names=((b"Tcl_MainEx",), (b"Tcl_Main",), (b"Expect_Init", b"exp_interpret_cmdfile"))),
    _Kind(INTERPRETER, "guile", names=((b"scm_shell",),)),
    _Kind(INTERPRETER, "php", names=((b"php_execute_script",),)),
    _Kind(INTERPRETER, "node", names=((b"node_module_register", b"napi_create_function"),)),
    _Kind(INTERPRETER, "java", names=((b"JNI_CreateJavaVM",), (b"JLI_Launch",))),
    _Kind(INTERPRETER, "R", names=((b"Rf_mainloop",),)),
    _Kind(INTERPRETER, "mono", names=((b"mono_jit_exec",),)),
    _Kind(
        INTERPRETER, "lua", texts=((b"LUA_INIT", b"_PROMPT2"),), imports=(b"luaL_openlibs", b"luaL_openselectedlibs")
    ),
    _Kind(
        INTERPRETER,
        "awk",
        texts=((b"\0SUBSEP\0", b"\0RSTART\0"), (b"SUBSEP\0", b"RSTART\0", b"FILENAME\0")),
        imports=_PIPES,
    ),
    _Kind(INTERPRETER, "deno", crates=("deno_core", "deno_runtime")),
)


def acts_as(
    elf: ElfFile,
    ranges: Ranges,
    dynamic: SymbolTable,
    *,
    is_program: bool,
    is_managed: bool,
    crates: Iterable[Crate],
    go_main: str,
    search: bool,
) -> tuple[Signal, ...]:
    """What the file acts as, one signal for each; `is_managed`: not C, in which nearly all are written."""
    names = _Names(elf, dynamic)
    used = {crate.name for crate in crates}
    if names.has_none() and not used and not go_main:
        return ()
    inside = _bounded(ranges) if search and is_program else ()
    return tuple(_found(elf, names, inside, used, go_main, is_managed=is_managed))


def _found(
    elf: ElfFile, names: _Names, ranges: Ranges, crates: set[str], go_main: str, *, is_managed: bool
) -> Iterator[Signal]:
    has_shell = False
    can = {imports for imports in _IMPORTS if names.can(imports)} if ranges else set()
    for kind in _KINDS:
        if kind.name == "POSIX shell" and has_shell:
            continue  # bash and busybox are that too
        at = names.first_of(kind.names) if kind.names else None
        if at is None and kind.texts and kind.imports in can and (kind.in_any or not is_managed):
            at = next((place for texts in kind.texts if (place := _together(elf, ranges, texts)) is not None), None)
        if at is None and crates and not crates.isdisjoint(kind.crates):
            at = -1
        if at is None and go_main in kind.mains:
            at = -1
        if at is not None:
            has_shell = has_shell or kind.group == SHELL
            yield Signal(ACTS_AS, f"{kind.group}: {kind.name}", at if at >= 0 else None)


def _together(elf: ElfFile, ranges: Ranges, texts: tuple[bytes, ...]) -> int | None:
    """The place of the first text when all are there."""
    first = None
    for text in texts:
        at = elf.haystack.find(text, ranges)
        if at < 0:
            return None
        first = at if first is None else first
    return first


def _bounded(ranges: Ranges) -> Ranges:
    left, kept = _MAX_SEARCH, []
    for start, end in ranges:
        end = min(end, start + left)
        if end > start:
            kept.append((start, end))
            left -= end - start
    return tuple(kept)


_IMPORTS = frozenset(kind.imports for kind in _KINDS)
_ASKED = frozenset(name for kind in _KINDS for name in (*kind.imports, *(n for names in kind.names for n in names)))


class _Names:
    """Which of the names that matter the dynamic symbols of a file have."""

    def __init__(self, elf: ElfFile, dynamic: SymbolTable) -> None:
        self._is_dynamic = bool(elf.dynamic) and elf.string_table is not None
        self._base = dynamic.strings[0]
        self._places = {name: dynamic.telling[name] for name in _ASKED.intersection(dynamic.telling)}

    def has_none(self) -> bool:
        """Whether a dynamic file has no such name; a static one can do what it likes."""
        return self._is_dynamic and not self._places

    def first_of(self, sets: tuple[tuple[bytes, ...], ...]) -> int | None:
        """The place of the first name of a set that is there whole."""
        for wanted in sets:
            if wanted[0] in self._places and all(name in self._places for name in wanted):
                return self._base + self._places[wanted[0]]
        return None

    def can(self, imports: tuple[bytes, ...]) -> bool:
        """Whether one of these functions can be called; a static file can call what it holds."""
        return not self._is_dynamic or not self._places.keys().isdisjoint(imports)
