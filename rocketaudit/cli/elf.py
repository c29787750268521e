"""`rocketaudit elf`: which language built each ELF file, how hard it is, what is inside, and by which evidence."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.cli.options import Limits, Quiet, TempDir, Workers
from rocketaudit.errors import UsageError
from rocketaudit.model.records import dataclass

if TYPE_CHECKING:
    from rocketaudit.model.binary import Binary
    from rocketaudit.model.evidence import Gap

FORMS = ("console", "json", "csv")

Targets = Annotated[list[str], typer.Argument(metavar="IMAGE|DIR|FILE...", help="ELF files, folders, disk images.")]
Form = Annotated[str, typer.Option("-o", "--output", metavar="console|json|csv", help="How to print.")]
Languages = Annotated[
    list[str] | None,
    typer.Option("--language", metavar="NAME", help="Only this language (rust, c, c++, go, other, ...); repeatable."),
]
Contains = Annotated[
    list[str] | None, typer.Option("--contains", metavar="NAME", help="Only files that hold this language at all.")
]
HardeningFilter = Annotated[
    list[str] | None,
    typer.Option("--hardening", metavar="FIELD=VALUE", help="Only files where it is so, as relro=none or nx=no."),
]
PathFilter = Annotated[str | None, typer.Option("--path", metavar="GLOB", help="Only paths that match.")]
Explain = Annotated[
    str | None, typer.Option("--explain", metavar="PATH", help="All evidence for one file, signal by signal.")
]


@dataclass(frozen=True, slots=True)
class Filter:
    """What a file must be to be shown; empty parts let everything pass."""

    languages: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()
    hardening: tuple[tuple[str, str], ...] = ()
    path: str | None = None

    def passes(self, binary: Binary) -> bool:
        if self.languages and binary.language not in self.languages and binary.runtime not in self.languages:
            return False
        if any(name not in binary.contains for name in self.contains):
            return False
        if self.path is not None and not fnmatch.fnmatchcase(binary.path, self.path):
            return False
        return all(_stated(getattr(binary.hardening, name)) == value for name, value in self.hardening)


def elf(
    targets: Targets,
    output: Form = "console",
    language: Languages = None,
    contains: Contains = None,
    hardening: HardeningFilter = None,
    path: PathFilter = None,
    explain: Explain = None,
    workers: Workers = None,
    tmp_dir: TempDir = None,
    limits: Limits = None,
    quiet: Quiet = False,
) -> int:
    """Language, hardening and contents of ELF files, each answer with its evidence."""
    from rocketaudit.cli.elf_targets import Reading, read_targets
    from rocketaudit.cli.elf_text import print_console, print_csv, print_explained, print_json

    if output not in FORMS:
        raise UsageError(f"unknown output {output!r}", hint="console, json or csv")
    wanted = Filter(tuple(language or ()), tuple(contains or ()), tuple(map(_condition, hardening or ())), path)
    found = read_targets(targets, Reading(workers, tmp_dir, limits, quiet=quiet, explain=explain))
    if explain is not None:
        print_explained(chosen(found.binaries, explain), found)
        return ExitCode.MEETS_POLICY
    unfiltered = wanted == Filter()
    shown = sorted(
        (binary for binary in found.binaries if wanted.passes(binary)), key=lambda one: (one.scope, one.path)
    )
    printed = replace(found, binaries=shown, kernels=found.kernels if unfiltered else [])
    {"console": print_console, "json": print_json, "csv": print_csv}[output](printed)
    return ExitCode.UNREAD if found.gaps else ExitCode.MEETS_POLICY


def chosen(found: Iterable[Binary], path: str) -> list[Binary]:
    """The files of that path, or of that name when no path is so; UsageError when there is none."""
    binaries = list(found)
    exact = [binary for binary in binaries if binary.path == path]
    named = exact or [binary for binary in binaries if binary.path.endswith("/" + path.lstrip("/"))]
    if not named:
        raise UsageError(f"no ELF file {path!r} was read", hint="a path as this command prints it")
    return named


def report_gaps(gaps: Iterable[Gap]) -> None:
    """Say on standard error what could not be read."""
    from rocketaudit.report.escape import terminal

    for gap in gaps:
        typer.echo(f"{terminal(gap.path or gap.scope)}: unread: {terminal(gap.reason)}", err=True)


def _condition(text: str) -> tuple[str, str]:
    from dataclasses import fields

    from rocketaudit.model.binary import Hardening

    name, equals, value = text.partition("=")
    known = [field.name for field in fields(Hardening)]
    if not equals or name not in known:
        raise UsageError(f"--hardening {text!r} is no condition", hint=f"FIELD=VALUE with {', '.join(known)}")
    return name, value


def _stated(value: object) -> str:
    """A hardening value as the user writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)
