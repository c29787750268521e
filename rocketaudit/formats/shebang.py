"""The first line of a script: which interpreter the kernel starts for it (execve(2))."""

from __future__ import annotations

from dataclasses import dataclass

from rocketaudit.model.reader import Buffer

MAX_LINE = 256  # BINPRM_BUF_SIZE of include/uapi/linux/binfmts.h


@dataclass(frozen=True, slots=True)
class Shebang:
    """`interpreter` is the path as written; `program` what `env` looks up when the interpreter is env."""

    interpreter: bytes
    argument: bytes | None
    program: bytes | None


def parse_shebang(head: Buffer) -> Shebang | None:
    """The interpreter line in the first bytes of a file, None when it does not start with `#!` and a path."""
    line = bytes(head[:MAX_LINE])
    if not line.startswith(b"#!"):
        return None
    words = line[2:].split(b"\n", 1)[0].strip(b" \t").split(None, 1)
    if not words:
        return None
    argument = words[1].strip() if len(words) > 1 else None
    program: bytes | None = None
    if words[0].rsplit(b"/", 1)[-1] == b"env" and argument:
        names = [word for word in argument.split() if not word.startswith(b"-") and b"=" not in word]
        program = names[0] if names else None
    return Shebang(words[0], argument, program)
