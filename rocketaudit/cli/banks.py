"""`rocketaudit banks` and `rocketaudit verity IMAGE`: integrity alone, bank by bank."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.cli.options import AsOf, Limits, Quiet, TempDir, Workers
from rocketaudit.cli.trust_options import TrustArguments, TufMetadata, TufRoot, TufState, check_trust
from rocketaudit.errors import UsageError

if TYPE_CHECKING:
    from rocketaudit.analysis.trust.judge import TrustInputs
    from rocketaudit.model.bank_verity import BankVerity
    from rocketaudit.model.disk import Bank
    from rocketaudit.model.evidence import Evidence
    from rocketaudit.model.integrity import BankVerdict, Integrity

SHOWN = 20
_NEEDED_LATER = ("rocketaudit.analysis.integrity", "rocketaudit.report.escape", "rocketaudit.model.codec")

Form = Annotated[str, typer.Option("-o", "--output", metavar="console|json", help="How to print.")]


def banks(
    target: Annotated[Path, typer.Argument(help="A disk image in any container.")],
    output: Form = "console",
    tuf_root: TufRoot = None,
    tuf_metadata: TufMetadata = None,
    tuf_state: TufState = None,
    as_of: AsOf = None,
    workers: Workers = None,
    tmp_dir: TempDir = None,
    limits: Limits = None,
    quiet: Quiet = False,
) -> int:
    """The A/B banks of an image: GPT bits, which boots next, whether rolling back would work, and integrity.

    With --tuf-root and --tuf-metadata (and manifest.json among the metadata) also the update side: is the release still
    offered, what is newer, waves, migrations, expiry, and whether the bank trusts the same repository. That changes no
    exit code; `scan` judges the signatures over the image.
    """
    if output not in ("console", "json"):
        raise UsageError(f"--output {output!r}: console or json")
    trust = _update_inputs(TrustArguments(tuf_root=tuf_root, tuf_metadata=tuf_metadata, tuf_state=tuf_state), as_of)
    evidence, integrity = look_at_banks(target, workers, tmp_dir, limits, quiet=quiet)
    if trust is not None:
        from rocketaudit.analysis.trust.judge import judge_updates

        integrity = replace(integrity, updates=judge_updates(evidence, trust))
    if output == "json":
        rows = [_bank_row(evidence, integrity, bank) for bank in _banks(evidence)]
        typer.echo(json.dumps(rows, indent=2))
    else:
        _print_banks(evidence, integrity)
    return code_of(evidence, integrity)


def _update_inputs(given: TrustArguments, as_of: str | None) -> TrustInputs | None:
    """The repository to ask; read before the target is opened."""
    check_trust(given)
    if not given.are_given:
        return None
    from rocketaudit.cli.running import moment_of
    from rocketaudit.cli.trust_arguments import read_trust

    return read_trust(given, moment_of(as_of))


def verity_of_image(
    target: Path, output: str, workers: int | None, tmp_dir: Path | None, limits: list[str] | None, *, quiet: bool
) -> int:
    """Every bank's tree: parameters from the boot text, recomputed and compared."""
    evidence, integrity = look_at_banks(target, workers, tmp_dir, limits, quiet=quiet)
    if output == "json":
        rows = [_tree_row(integrity, bank) for bank in evidence.verity]
        typer.echo(json.dumps({"verdict": integrity.verdict.value, "why": integrity.why, "banks": rows}, indent=2))
    else:
        _print_trees(evidence, integrity)
    return code_of(evidence, integrity)


def look_at_banks(
    target: Path, workers: int | None, tmp_dir: Path | None, limits: list[str] | None, *, quiet: bool
) -> tuple[Evidence, Integrity]:
    """Evidence with the verity checks and os-release only, and what follows from it."""
    from rocketaudit.cli.limits import bounds_of
    from rocketaudit.cli.progress import shown_progress
    from rocketaudit.evidence.banks import collect_banks
    from rocketaudit.source.opening import open_target

    if tmp_dir is not None and not tmp_dir.is_dir():
        raise UsageError(f"--tmp-dir {tmp_dir} is no folder")
    with shown_progress(quiet=quiet) as progress:
        source = open_target(
            target, budget=bounds_of(limits).budget(), tmp_dir=tmp_dir, progress=progress, looks_beside=False
        )
        try:
            processes = workers or len(os.sched_getaffinity(0))
            evidence = collect_banks(source, workers=processes, progress=progress, needed_later=_NEEDED_LATER)
        finally:
            source.close()
    from rocketaudit.analysis.integrity import judge_integrity

    return evidence, judge_integrity(evidence)


def code_of(evidence: Evidence, integrity: Integrity) -> int:
    """0 when all agrees, 1 when something is broken, 3 when it cannot be told, or of which disk is in doubt (said)."""
    from rocketaudit.model.integrity import IntegrityVerdict
    from rocketaudit.report.escape import terminal

    problems = evidence.disk.problems if evidence.disk is not None else ()
    doubts = [problem.what for problem in problems if problem.in_doubt]
    for doubt in doubts:
        typer.echo(f"rocketaudit: {terminal(doubt)}", err=True)
    if doubts and integrity.verdict is not IntegrityVerdict.BROKEN:
        return ExitCode.UNREAD
    match integrity.verdict:
        case IntegrityVerdict.BROKEN:
            return ExitCode.FAILS_POLICY
        case IntegrityVerdict.UNKNOWN:
            return ExitCode.UNREAD
        case IntegrityVerdict.VERIFIED | IntegrityVerdict.CONSISTENT_UNSIGNED:
            return ExitCode.MEETS_POLICY


def _banks(evidence: Evidence) -> tuple[Bank, ...]:
    return evidence.disk.banks if evidence.disk is not None else ()


def _verdict(integrity: Integrity, scope: str) -> BankVerdict | None:
    return next((bank for bank in integrity.banks if bank.scope == scope), None)


def _bank_row(evidence: Evidence, integrity: Integrity, bank: Bank) -> dict[str, Any]:
    from rocketaudit.model.codec import encode

    verdict = _verdict(integrity, bank.scope)
    rollback = _rollback(evidence, integrity, bank)
    return {
        "bank": bank.name,
        "scope": bank.scope,
        "populated": bank.populated,
        "priority": bank.priority,
        "tries_left": bank.tries_left,
        "successful": bank.successful,
        "will_boot": bank.will_boot,
        "boots_next": bank.boots_next,
        "version": "" if verdict is None else verdict.version,
        "integrity": "unknown" if verdict is None else verdict.verdict.value,
        "why": "" if verdict is None else verdict.why,
        "root_hash": None if verdict is None else verdict.root_hash,
        "rollback": rollback,
        "updates": [encode(one) for one in integrity.updates if bank.populated and one.scope in (bank.scope, "")],
    }


def _rollback(evidence: Evidence, integrity: Integrity, bank: Bank) -> str:
    """Whether going back to the other bank from this one would work, in words."""
    from rocketaudit.model.integrity import IntegrityVerdict

    others = [other for other in _banks(evidence) if other.scope != bank.scope]
    if not others:
        return "no other bank"
    other = others[0]
    verdict = _verdict(integrity, other.scope)
    if not other.populated:
        return f"impossible: bank {other.name} is empty"
    if verdict is not None and verdict.verdict is IntegrityVerdict.BROKEN:
        return f"would fail: bank {other.name} is broken"
    if verdict is None or verdict.verdict is IntegrityVerdict.UNKNOWN:
        return f"cannot say: bank {other.name} was not verified"
    if not other.will_boot:
        return f"after marking it: bank {other.name} is sound but not marked to boot"
    return f"works: bank {other.name} ({verdict.version or 'version unknown'})"


def _print_banks(evidence: Evidence, integrity: Integrity) -> None:
    from rocketaudit.report.escape import terminal

    rows = [_bank_row(evidence, integrity, bank) for bank in _banks(evidence)]
    if not rows:
        typer.echo(f"{terminal(evidence.target.name)}: no banks")
    for row in rows:
        mark = "boots next" if row["boots_next"] else "can boot" if row["will_boot"] else "not marked to boot"
        typer.echo(f"bank {row['bank']}  {mark}  {terminal(row['version']) or '-'}  {row['integrity']}")
        bits = f"priority {row['priority']}, tries left {row['tries_left']}, successful {row['successful']}"
        typer.echo(f"  {bits if row['priority'] is not None else 'no boot bits'}")
        typer.echo(f"  root hash {row['root_hash'] or '-'}")
        typer.echo(f"  {terminal(row['why'])}")
        typer.echo(f"  rollback: {terminal(row['rollback'])}")
        for one in row["updates"]:
            typer.echo(f"  {one['state']}: {terminal(one['question'])}: {terminal(one['answer'])}")


def _tree_row(integrity: Integrity, bank: BankVerity) -> dict[str, Any]:
    from rocketaudit.model.codec import encode

    verdict = _verdict(integrity, bank.scope)
    check = bank.check
    return {
        "scope": bank.scope,
        "populated": bank.populated,
        "verdict": "unknown" if verdict is None else verdict.verdict.value,
        "why": "" if verdict is None else verdict.why,
        "odd_ones_out": [] if verdict is None else list(verdict.odd_ones_out),
        "root_hash": None if verdict is None else verdict.root_hash,
        "recomputed_root_hash": None if check is None else check.recomputed_root_hash,
        "options": [] if check is None else list(check.parameters.options),
        "fec": None if check is None or check.parameters.fec is None else encode(check.parameters.fec),
        "places": [encode(place) for place in integrity.places if place.scope == bank.scope],
        "bad_blocks": [encode(block) for block in integrity.bad_blocks if block.scope == bank.scope],
        "bad_blocks_total": 0 if check is None else check.bad_blocks_total,
        "first_bad_position": None if check is None else check.first_bad_position,
        "first_bad_on": None if check is None else check.first_bad_on,
        "uncovered": list(integrity.uncovered),
    }


def _print_trees(evidence: Evidence, integrity: Integrity) -> None:
    from rocketaudit.report.escape import terminal

    typer.echo(f"{integrity.verdict.value}: {terminal(integrity.why)}")
    for bank in evidence.verity:
        row = _tree_row(integrity, bank)
        typer.echo(f"{bank.scope}: {row['verdict']}: {terminal(row['why'])}")
        if row["root_hash"]:
            typer.echo(f"  stated root hash      {row['root_hash']}")
            typer.echo(f"  recomputed root hash  {row['recomputed_root_hash'] or '-'}")
        if row["options"] or row["fec"]:
            corrects = f"; forward error correction: {row['fec']['roots']} roots" if row["fec"] else ""
            typer.echo(f"  the kernel's options   {terminal(' '.join(row['options'])) or '-'}{terminal(corrects)}")
        for block in [b for b in integrity.bad_blocks if b.scope == bank.scope][:SHOWN]:
            inside = "" if block.offset_in_file is None else f" at byte {block.offset_in_file}"
            owner = f"{terminal(block.path)}{inside}" if block.path else ""
            what = " ".join(part for part in (owner, terminal(block.what)) if part)
            typer.echo(f"  bad {block.level} block {block.block} at byte {block.offset}: {what}")
        if row["bad_blocks_total"] > SHOWN:
            typer.echo(f"  ... {row['bad_blocks_total']} bad blocks in all")
