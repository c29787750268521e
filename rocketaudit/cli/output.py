"""Where results go: `-o FORMAT[=PATH]` parsed, and files written whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from rocketaudit.errors import UsageError
from rocketaudit.model.records import dataclass
from rocketaudit.report import WRITERS
from rocketaudit.report.writer import Writer

if TYPE_CHECKING:
    from rocketaudit.model.report import Report

CONSOLE = "console"
PIPED_WIDTH = 100  # columns where there is no terminal
_BY_NAME = {writer.name: writer for writer in WRITERS}


@dataclass(frozen=True, slots=True)
class Output:
    """One format and its file; `path` None is standard output."""

    writer: Writer
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Screen:
    """How the console report looks on standard output."""

    width: int = PIPED_WIDTH
    colour: bool = False
    verbose: bool = False

    @classmethod
    def of_stdout(cls, *, no_color: bool = False, verbose: bool = False) -> Screen:
        """What standard output is: colour and the real width only on a terminal, and no colour with NO_COLOR."""
        if not sys.stdout.isatty():
            return cls(verbose=verbose)
        try:
            width = os.get_terminal_size(sys.stdout.fileno()).columns
        except OSError:
            width = PIPED_WIDTH
        plain = no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        return cls(min(width, 120) if width else PIPED_WIDTH, not plain, verbose)


def parse_outputs(words: Sequence[str], *, quiet: bool = False) -> tuple[Output, ...]:
    """What the `-o` options ask for (none: the console report, unless quiet); UsageError that lists the formats."""
    if not words:
        return () if quiet else (Output(_BY_NAME[CONSOLE]),)
    found = tuple(_parse(word) for word in words)
    to_stdout = [output.writer.name for output in found if output.path is None]
    if len(to_stdout) > 1:
        raise UsageError(
            f"only one format can go to standard output, not {' and '.join(to_stdout)}",
            hint=f"give a file: -o {to_stdout[1]}=FILE",
        )
    paths = [output.path.absolute() for output in found if output.path is not None]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise UsageError(f"two formats would be written to {twice}")
    return tuple(output for output in found if output.path is not None or output.writer.name != CONSOLE or not quiet)


def wants_sha512(outputs: Sequence[Output]) -> bool:
    """Whether any of the formats asks for SHA-512 digests."""
    return any(output.writer.wants_sha512 for output in outputs)


def write_outputs(report: Report, outputs: Sequence[Output], screen: Screen) -> None:
    """Write every format: files first, standard output last; UsageError when a file cannot be written."""
    for output in sorted(outputs, key=lambda output: output.path is None):
        if output.path is not None:
            write_file(output.path, output.writer.write(report))
        elif output.writer.name == CONSOLE:
            from rocketaudit.report.console import render_console

            text = render_console(report, width=screen.width, colour=screen.colour, verbose=screen.verbose)
            print_bytes(text.encode())
        else:
            print_bytes(output.writer.write(report))


def print_bytes(data: bytes) -> None:
    """Bytes to standard output, whatever its encoding."""
    sys.stdout.flush()
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:
        sys.stdout.write(data.decode("utf-8"))
    else:
        binary.write(data)
    sys.stdout.flush()


def write_file(path: Path, data: bytes) -> None:
    """`data` under `path`, whole or not at all: a temporary name in the same folder, synced and renamed.

    UsageError when the folder is missing or not writable, or when something that is no regular file has that name.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        mode = 0
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    if mode and not stat.S_ISREG(mode):
        raise UsageError(f"{path} is no regular file and is left alone", hint="give another file name")
    temporary = ""
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=".rocketaudit-", delete=False) as file:
            temporary = file.name
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, stat.S_IMODE(mode) if mode else 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    finally:
        if temporary and os.path.lexists(temporary):
            os.unlink(temporary)


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current


def _parse(word: str) -> Output:
    name, equals, path = word.partition("=")
    writer = _BY_NAME.get(name)
    if writer is None:
        raise UsageError(f"no output format {name!r}", hint=f"one of: {', '.join(_BY_NAME)}")
    if writer.library and find_spec(writer.library) is None:  # said before the target is read, not after
        raise UsageError(
            f"-o {name} needs the Python package {writer.library.replace('_', '-')}, which is not installed",
            hint="pip install 'rocketaudit[spdx]'; in a checkout: python3 run.py setup",
        )
    if equals and not path:
        raise UsageError(f"-o {word} names no file", hint=f"-o {name}=FILE, or -o {name} for standard output")
    return Output(writer, None if not path or path == "-" else Path(path))
