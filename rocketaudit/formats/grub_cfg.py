"""grub.cfg: its variables and menu entries, and the command line that each entry hands to the kernel."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import field, replace

from rocketaudit.errors import FormatError
from rocketaudit.formats.grub_words import Token, expand, title_of, tokens_of
from rocketaudit.model.records import dataclass

MAX_SIZE = 1 << 20
MAX_DEPTH = 32
MAX_ENTRIES = 128
MAX_EXPANDED = 4 << 20
_LINUX = frozenset({"linux", "linuxefi", "linux16"})
_INITRD = frozenset({"initrd", "initrdefi", "initrd16"})
_ENTRY = frozenset({"menuentry", "hiddenentry"})
_FLOW = frozenset({"if", "elif", "else", "fi", "then", "while", "until", "for", "do", "done", "function", "!"})
# names that GRUB or the image that it was built into gives a value, which we do not know
_OWN_VARIABLE = re.compile(
    r"(?:feature|net|grub|pxe|config|shim|secure|tpm|smbios)_\w+|cmdpath|lang|locale_dir|chosen|pager|theme"
)
# neither set variables nor change what boots; every other command that we do not act on leaves the entry undecided
_INERT = frozenset(
    {"background_color", "background_image", "clear", "echo", "export", "insmod", "loadfont", "play", "serial", "sleep"}
    | {"terminal_input", "terminal_output", "true"}
)


@dataclass(frozen=True, slots=True)
class GrubProblem:
    what: str
    offset: int


@dataclass(frozen=True, slots=True)
class GrubEntry:
    """One menu entry. `command_line` is the kernel's, with GRUB's own BOOT_IMAGE in front; "" without a kernel.

    `undecided` says why GRUB may start something else; "" when the file leaves only this.
    """

    title: str
    identifier: str
    offset: int
    kernel_path: str
    command_line: str
    initrd_paths: tuple[str, ...]
    is_default: bool = False
    undecided: str = ""


@dataclass(frozen=True, slots=True)
class GrubConfig:
    """`variables` as set at top level, in order of first setting; the entry at top level has no title."""

    variables: tuple[tuple[str, str], ...]
    entries: tuple[GrubEntry, ...]
    problems: tuple[GrubProblem, ...]

    @property
    def default(self) -> GrubEntry | None:
        """The entry that starts when nobody is there to choose."""
        return next((entry for entry in self.entries if entry.is_default), None)

    def variable(self, name: str) -> str | None:
        return dict(self.variables).get(name)


@dataclass(slots=True)
class _Block:
    """What is being run: the top level or the body of one entry; the body waits until the top level has ended."""

    title: str = ""
    identifier: str = ""
    offset: int = 0
    body: list[Token] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    kernel_path: str = ""
    command_line: str = ""
    initrd_paths: tuple[str, ...] = ()
    has_booted: bool = False
    undecided: str = ""

    def entry(self, shared: str) -> GrubEntry:
        return GrubEntry(
            self.title,
            self.identifier,
            self.offset,
            self.kernel_path,
            self.command_line,
            self.initrd_paths,
            undecided=self.undecided or shared,
        )


def parse_grub_cfg(data: bytes, environment: Mapping[str, str] | None = None) -> GrubConfig:
    """Read a configuration; `environment` holds what the loader sets before (root, boot_uuid, private ...).

    The body of an entry is run when it boots, so with the variables as the file leaves them at its end. Conditions
    are not evaluated: commands in all branches count, a problem says so, and the entry is undecided. FormatError for
    an unclosed quote, unbalanced braces, or more than we read.
    """
    if len(data) > MAX_SIZE:
        raise FormatError(f"a grub.cfg of {len(data)} bytes; at most {MAX_SIZE} are read")
    if b"\0" in data:
        raise FormatError("a zero byte, behind which GRUB does not see the rest of the line", offset=data.index(b"\0"))
    data = data.replace(b"\r", b"")  # as grub_file_getline does, also inside words and quotes
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return _Interpreter(dict(environment or {})).run(tokens_of(text))


class _Interpreter:
    def __init__(self, environment: dict[str, str]) -> None:
        self._top = self._block = _Block(variables=environment)
        self._before = dict(environment)
        self._waiting: deque[_Block] = deque()
        self._entries: list[GrubEntry] = []
        self._problems: list[GrubProblem] = []
        self._said: set[str] = set()
        self._expanded = 0

    def run(self, tokens: list[Token]) -> GrubConfig:
        self._run(tokens)
        while self._waiting:
            self._block = self._waiting.popleft()
            self._block.variables = dict(self._top.variables)
            self._run(self._block.body)
            self._entries.append(self._block.entry(self._top.undecided))
        return self._result()

    def _run(self, tokens: list[Token]) -> None:
        command: list[Token] = []
        braces = 0
        rest = iter(tokens)
        for token in rest:
            if not token.separator:
                command.append(token)
                continue
            if token.separator == "{":
                words = self._words(command)
                if words and words[0] in _ENTRY:
                    self._wait(words, command[0], _body(rest, token))
                else:
                    braces += 1
                    if braces > MAX_DEPTH:
                        raise FormatError(f"braces nested deeper than {MAX_DEPTH}", offset=token.offset)
                    self._doubt(f"{words[0] if words else 'a block'!r} is not evaluated", token.offset)
            else:
                self._execute(command)
                if token.separator == "}":
                    braces -= 1
                    if braces < 0:
                        raise FormatError("a brace closes nothing", offset=token.offset)
                elif token.separator in "|&<>":
                    self._doubt(f"{token.separator!r} is not evaluated", token.offset)
            command = []
        self._execute(command)
        if braces:
            raise FormatError("a brace is not closed")

    def _wait(self, words: list[str], start: Token, body: list[Token]) -> None:
        """An entry is remembered now and run when everything else has been."""
        if len(self._entries) + len(self._waiting) >= MAX_ENTRIES:
            raise FormatError(f"more than {MAX_ENTRIES} menu entries", offset=start.offset)
        if self._block is not self._top:
            self._doubt("an entry inside an entry is not evaluated", start.offset)
        title, identifier = title_of(words[1:])
        self._waiting.append(_Block(title, identifier, start.offset, body))

    def _result(self) -> GrubConfig:
        top = self._top
        if top.kernel_path:
            self._entries.append(top.entry(""))
        default = top.variables.get("default") or "0"
        chosen = len(self._entries) - 1 if top.has_booted else self._choose(default.split(">")[0])
        entries = tuple(replace(entry, is_default=index == chosen) for index, entry in enumerate(self._entries))
        changed = {name: value for name, value in top.variables.items() if self._before.get(name) != value}
        return GrubConfig(tuple(changed.items()), entries, tuple(self._problems))

    def _choose(self, default: str) -> int | None:
        """The index of the default entry; as in GRUB a name that matches nothing falls back to the first."""
        for index, entry in enumerate(self._entries):
            if default and default in (entry.title, entry.identifier):
                return index
        number = int(default) if default.isdecimal() and len(default) < 6 else 0
        if not self._entries:
            return None
        return number if number < len(self._entries) else 0

    def _execute(self, command: list[Token]) -> None:
        words = self._words(command)
        while words and words[0] in _FLOW:
            self._doubt(f"{words[0]!r} is not evaluated; every branch counts", command[0].offset)
            words = words[1:] if words[0] in ("then", "else", "do", "!") else []
        if not words:
            return
        block, name = self._block, words[0]
        if name == "set" or ("=" in name and name.partition("=")[0].isidentifier()):
            self._assign(block, words[1:] if name == "set" else words[:1])
        elif name == "unset":
            for word in words[1:]:
                block.variables.pop(word, None)
        elif name in _LINUX and len(words) > 1:
            if block.kernel_path:
                self._doubt("a second kernel is loaded", command[0].offset)
            block.kernel_path = _strip_device(words[1])
            block.command_line = _command_line(words[1:])
        elif name in _INITRD:
            block.initrd_paths = tuple(words[1:])
        elif name == "boot":
            block.has_booted = block.has_booted or bool(block.kernel_path)
        elif name == "insmod" and any("/" in word or "(" in word for word in words[1:]):
            self._doubt("a module is loaded from a path of its own", command[0].offset)
        elif name not in _INERT:
            self._doubt(f"{name[:40]!r} is not followed", command[0].offset)

    @staticmethod
    def _assign(block: _Block, words: list[str]) -> None:
        for word in words[:1]:
            name, equals, value = word.partition("=")
            if equals:
                block.variables[name] = value

    def _words(self, command: list[Token]) -> list[str]:
        words: list[str] = []
        for token in command:
            found = expand(token, lambda name, at=token.offset: self._value(name, at))  # type: ignore[misc]
            self._expanded += sum(map(len, found))
            if self._expanded > MAX_EXPANDED:
                raise FormatError(f"variables expand to more than {MAX_EXPANDED} characters", offset=token.offset)
            words += found
        return words

    def _value(self, name: str, offset: int) -> str:
        value = self._block.variables.get(name)
        if not name.isidentifier():  # arguments and the last command's status, whatever was set
            self._doubt(f"variable {name!r} is not evaluated", offset)
        elif value is None and _OWN_VARIABLE.fullmatch(name):
            self._doubt(f"variable {name!r} is set by GRUB itself", offset)
        elif value is None:
            self._say(f"variable {name!r} is not set here and counts as empty", offset)
        return value or ""

    def _doubt(self, what: str, offset: int) -> None:
        """Something that we do not evaluate: the block that holds it, or all of them, may start something else."""
        self._block.undecided = self._block.undecided or what
        self._say(what, offset)

    def _say(self, what: str, offset: int) -> None:
        if what not in self._said and len(self._said) < 64:
            self._said.add(what)
            self._problems.append(GrubProblem(what, offset))


def _body(rest: Iterator[Token], brace: Token) -> list[Token]:
    """The tokens up to the brace that closes this one, which is taken too."""
    body: list[Token] = []
    depth = 1
    for token in rest:
        depth += (token.separator == "{") - (token.separator == "}")
        if not depth:
            return body
        if depth > MAX_DEPTH:
            raise FormatError(f"braces nested deeper than {MAX_DEPTH}", offset=token.offset)
        body.append(token)
    raise FormatError("a brace is not closed", offset=brace.offset)


def _strip_device(path: str) -> str:
    """`(hd0,gpt3)/vmlinuz` without its device."""
    return path.partition(")")[2] if path.startswith("(") and ")" in path else path


def _command_line(words: list[str]) -> str:
    """As GRUB's grub_create_loader_cmdline spells it: words with blanks are quoted whole, quotes are escaped."""
    shown = []
    for index, word in enumerate(words):
        escaped = "".join("\\" + char if char in "\\'\"" else char for char in word)
        text = f'"{escaped}"' if " " in word else escaped
        shown.append(f"BOOT_IMAGE={text}" if index == 0 else text)
    return " ".join(shown)
