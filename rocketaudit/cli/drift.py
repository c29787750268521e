"""`rocketaudit drift`: what differs between two sides, and whether it may."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from rocketaudit.cli.options import (
    BenchmarkNames,
    Limits,
    NoColor,
    PolicyPath,
    Quiet,
    TempDir,
    Verbose,
    Workers,
)
from rocketaudit.errors import UsageError

if TYPE_CHECKING:
    from rocketaudit.audit import Judging
    from rocketaudit.cli.drift_ahead import Ahead
    from rocketaudit.cli.drift_sides import Opened
    from rocketaudit.cli.running import Run
    from rocketaudit.model.advisory import Advisory
    from rocketaudit.model.change import Drift

FORMATS = ("console", "json", "html", "markdown", "sarif")
FAIL_ON = ("unexpected", "cannot-say", "never")
Output = tuple[str, Path | None]


def drift(
    baseline: Annotated[
        str,
        typer.Argument(help="An image, a folder, evidence, a report or SBOM in JSON, a baseline, or `node`."),
    ],
    current: Annotated[str, typer.Argument(help="What is held against it: any of the same.")],
    output: Annotated[
        list[str] | None,
        typer.Option("-o", "--output", metavar="FORMAT[=PATH]", help=f"One or more of {', '.join(FORMATS)}."),
    ] = None,
    policy: PolicyPath = None,
    fail_on: Annotated[
        str | None, typer.Option("--fail-on", metavar="WORD", help=f"One of {', '.join(FAIL_ON)}. Default: unexpected.")
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", metavar="FILE", help="Public key that must have signed the baseline; repeatable."),
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option("--expect", metavar="WORD", help="What CURRENT may be: a version, `upgrade`, or `none`."),
    ] = None,
    expect_root_hash: Annotated[
        str | None,
        typer.Option("--expect-root-hash", metavar="HEX", help="The root hash that CURRENT must state."),
    ] = None,
    current_key: Annotated[
        list[Path] | None,
        typer.Option("--current-key", metavar="FILE", help="Public key that must have signed CURRENT's evidence."),
    ] = None,
    advisories: Annotated[
        list[Path] | None,
        typer.Option(
            "--advisories", metavar="PATH", help="A folder of advisories, or updateinfo.xml[.gz]; repeatable."
        ),
    ] = None,
    benchmark: BenchmarkNames = None,
    workers: Workers = None,
    tmp_dir: TempDir = None,
    limits: Limits = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    no_color: NoColor = False,
) -> int:
    """What changed from BASELINE to CURRENT, and whether it may: expected, unexpected, or nobody can say.

    Another release explains its changes only if you declare it: --expect VERSION.
    Exit codes: 0 nothing unexpected, 1 something is, 2 usage, 3 parts could not be compared or nobody declared the
    update.
    """
    from rocketaudit.cli.running import Run

    outputs = read_outputs(output or (), quiet=quiet)
    if fail_on is not None and fail_on not in FAIL_ON:
        raise UsageError(f"--fail-on does not know {fail_on!r}", hint=f"one of {', '.join(FAIL_ON)}")
    run = Run(
        target=Path(baseline),
        benchmarks=tuple(benchmark or ()),
        policy=policy,
        workers=workers,
        tmp_dir=tmp_dir,
        limits=limits,
        quiet=quiet,
    )
    said = Said(tuple(key or ()), tuple(current_key or ()), expect, expect_root_hash)
    found = compare_sides(baseline, current, run, said, fail_on, tuple(advisories or ()))
    write_drift(found, outputs, no_color=no_color, verbose=verbose)
    return found.exit_code


class Said(NamedTuple):
    """What the user said of the two sides: who must have signed them, and what the current one is."""

    keys: tuple[Path, ...] = ()
    current_keys: tuple[Path, ...] = ()
    update: str | None = None
    root_hash: str | None = None

    def of(self, judging: Judging) -> Judging:
        """The command line wins over the policy; UsageError for what can be no version and no root hash."""
        if self.update is self.root_hash is None:
            return judging
        from dataclasses import replace

        from rocketaudit.formats import policy_toml

        found = judging.policy.drift
        if self.update is not None:
            wrong = UsageError(f"--expect {self.update!r:.80}", hint=f"expected {policy_toml.DECLARED_WORDS}")
            found = replace(found, declared_update=policy_toml.declared_update(self.update, wrong))
        if self.root_hash is not None:
            wrong = UsageError(f"--expect-root-hash {self.root_hash!r:.80}", hint=policy_toml.ROOT_HASH_WORDS)
            found = replace(found, declared_root_hash=policy_toml.declared_root_hash(self.root_hash, wrong))
        return (
            judging if found is judging.policy.drift else replace(judging, policy=replace(judging.policy, drift=found))
        )


NOTHING_SAID = Said()


def compare_sides(
    baseline: str,
    current: str,
    run: Run,
    said: Said = NOTHING_SAID,
    fail_on: str | None = None,
    advisories: tuple[Path, ...] = (),
) -> Drift:
    """The judged drift of two sides as the user named them, with the exit code in it."""
    from rocketaudit.cli.drift_ahead import read_ahead
    from rocketaudit.model.codec import without_collection

    with read_ahead(baseline, current) as ahead, without_collection():  # evidence is records that live to the end
        return _compare_sides(baseline, current, run, said, fail_on, advisories, ahead)


def _compare_sides(
    baseline: str,
    current: str,
    run: Run,
    said: Said,
    fail_on: str | None,
    advisories: tuple[Path, ...],
    ahead: Ahead | None,
) -> Drift:
    """As `compare_sides`; all that judges is loaded here, while another process parses large files."""
    from dataclasses import replace

    from rocketaudit.analysis.drift.judge import decide
    from rocketaudit.cli.drift_compare import compare_opened
    from rocketaudit.cli.drift_sides import open_both, open_side
    from rocketaudit.cli.key_files import read_public_keys
    from rocketaudit.cli.running import read_judging

    judging = said.of(read_judging(run))
    public, others = read_public_keys(list(said.keys)), read_public_keys(list(said.current_keys))
    known = _read_advisories(advisories)
    if ahead is not None:
        before, after = open_both(ahead, public, others)
    else:
        before = open_side(baseline, run, judging.benchmarks, public)
        if public and not before.side.signed_by:
            raise UsageError(f"--key: {baseline} is no evidence file, so nobody can have signed it")
        after = open_side(current, run, judging.benchmarks, others)
        if others and not after.side.signed_by:
            raise UsageError(f"--current-key: {current} is no evidence file, so nobody can have signed it")
    found = compare_opened(before, after, judging, known)
    word = fail_on or judging.policy.drift.fail_on or "unexpected"
    code, reasons = decide(found, word)
    policy = f"{judging.policy_path} {judging.policy_digest}".strip()
    notes = (*_notes(before, after), *found.notes)
    return replace(found, fail_on=word, exit_code=code, reasons=reasons, policy=policy, notes=notes)


def _notes(before: Opened, after: Opened) -> tuple[str, ...]:
    """What is to be said of the sides themselves."""
    return tuple(dict.fromkeys((*before.notes, *after.notes)))


def _read_advisories(paths: tuple[Path, ...]) -> tuple[Advisory, ...]:
    if not paths:
        return ()
    from rocketaudit.cli.advisory_files import read_advisories

    return read_advisories(paths)


def read_outputs(words: tuple[str, ...] | list[str], *, quiet: bool) -> tuple[Output, ...]:
    """What the `-o` options ask for; UsageError that lists the formats, or when two go to standard output."""
    found: list[Output] = []
    for word in words or ([] if quiet else ["console"]):
        name, equals, path = word.partition("=")
        if name not in FORMATS:
            raise UsageError(f"no output format {name!r}", hint=f"one of: {', '.join(FORMATS)}")
        if equals and not path:
            raise UsageError(f"-o {word} names no file", hint=f"-o {name}=FILE, or -o {name} for standard output")
        found.append((name, None if not path or path == "-" else Path(path)))
    if sum(1 for _, place in found if place is None) > 1:
        raise UsageError("only one format can go to standard output", hint="give a file: -o json=FILE")
    return tuple(sorted(found, key=lambda output: output[1] is None))


def write_drift(found: Drift, outputs: tuple[Output, ...], *, no_color: bool = False, verbose: bool = False) -> None:
    """Every format: files first, standard output last."""
    from rocketaudit.cli.output import Screen, print_bytes, write_file

    for name, path in outputs:
        if path is not None:
            write_file(path, render(found, name, verbose=verbose))
        elif name == "console":
            from rocketaudit.report.drift_console import render_drift

            screen = Screen.of_stdout(no_color=no_color, verbose=verbose)
            text = render_drift(found, width=screen.width, colour=screen.colour, verbose=verbose)
            print_bytes(text.encode())
        else:
            print_bytes(render(found, name, verbose=verbose))


def render(found: Drift, name: str, *, verbose: bool = False) -> bytes:
    """The drift in a format, as bytes."""
    from rocketaudit.audit import TOOL
    from rocketaudit.cli.running import printed_time

    match name:
        case "json":
            from rocketaudit.report.drift_document import write_drift_json

            return write_drift_json(found, TOOL, printed_time())
        case "html":
            from rocketaudit.report.drift_html import write_drift_html

            return write_drift_html(found, TOOL, printed_time())
        case "markdown":
            from rocketaudit.report.drift_markdown import write_drift_markdown

            return write_drift_markdown(found, TOOL)
        case "sarif":
            from rocketaudit.report.drift_sarif import write_drift_sarif

            return write_drift_sarif(found, TOOL, printed_time())
        case _:
            from rocketaudit.report.drift_console import render_drift

            return render_drift(found, verbose=verbose).encode()
