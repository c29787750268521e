"""Compares two opened sides by as much as both can tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from rocketaudit.analysis.benchmark import judge
from rocketaudit.analysis.binaries import census
from rocketaudit.analysis.drift.components import NOT_HELD, compare_components, compare_releases, not_held
from rocketaudit.analysis.drift.conditions import Case
from rocketaudit.analysis.drift.declared import Claim, compare_declared, standing_of
from rocketaudit.analysis.drift.judge import assemble, judge_drift, lower_assurance
from rocketaudit.analysis.drift.relation import relate_targets
from rocketaudit.analysis.drift.results import Judged, compare_results, compare_verdicts
from rocketaudit.analysis.integrity import judge_integrity
from rocketaudit.analysis.integrity_facts import integrity_facts
from rocketaudit.audit import Judging, judge_evidence
from rocketaudit.cli.drift_sides import Opened
from rocketaudit.evidence.background import in_background
from rocketaudit.model.advisory import Advisory
from rocketaudit.model.change import Change, Drift
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Locator
from rocketaudit.model.report import Report
from rocketaudit.model.rule import BenchmarkResult

SAME = "both sides have the same evidence digest"


def compare_opened(before: Opened, after: Opened, judging: Judging, advisories: Sequence[Advisory] = ()) -> Drift:
    """The judged drift; equal evidence has none, whatever was unread in it alike."""
    found = _compare(before, after, judging)
    if not advisories:
        return found
    if before.evidence is None or after.evidence is None:
        note = "advisories were not judged: one side has no package inventory, only a report or a bill of materials"
        return replace(found, notes=(*found.notes, note))
    from rocketaudit.analysis.advisories import compare_advisories, installed

    moves = compare_advisories(installed(before.evidence), installed(after.evidence), advisories)
    return replace(found, advisories=moves)


def _compare(before: Opened, after: Opened, judging: Judging) -> Drift:
    sides = (before.side, after.side)
    policy, today = judging.policy.drift, judging.today
    same = before.side.digest and before.side.digest == after.side.digest
    if before.evidence is not None and after.evidence is not None:
        if same:
            lower = lower_assurance(before.side.assurance, after.side.assurance)
            relation = relate_targets(before.target, after.target, same_root=True)
            found = assemble(before.target, after.target, relation, lower, (), policy=policy, today=today)
            gaps = len(before.evidence.gaps)
            unread = (f"{gaps} places could not be read, on both sides alike",) if gaps else ()
            return replace(found, sides=sides, notes=(SAME, *unread))
        elsewhere = in_background(partial(_judged, before.evidence, judging))
        two, one = _judged(after.evidence, judging), elsewhere()
        found = judge_drift(
            before.evidence, after.evidence, policy=policy, today=today, results=tuple(compare_results(one, two))
        )
        return replace(found, sides=sides)
    return replace(_compare_less(before, after, judging), sides=sides)


def _judged(evidence: Evidence, judging: Judging) -> Judged:
    """Rules and census alone: components and findings of a side are compared as evidence already."""
    integrity = judge_integrity(evidence)
    known = replace(evidence, facts=evidence.facts + integrity_facts(integrity), _facts={}, _files={}, _children={})
    results = judge(
        judging.benchmarks, known, integrity, level=judging.level, today=judging.today, policy=judging.policy
    )
    return Judged(evidence.target, tuple(map(_without_checks, results)), census(evidence))


def _without_checks(group: BenchmarkResult) -> BenchmarkResult:
    """The results alone: no drift asks for the checks behind them, and no process can hand those on."""
    results = tuple(replace(result, rule=replace(result.rule, check=None)) for result in group.results)
    return replace(group, benchmark=replace(group.benchmark, rules=()), results=results)


def _compare_less(before: Opened, after: Opened, judging: Judging) -> Drift:
    """Where a side is only a report or a bill of materials: components, and verdicts where both have them."""
    one, two = _report(before, judging), _report(after, judging)
    relation = relate_targets(before.target, after.target)
    policy = judging.policy.drift
    claim = Claim(after.target, after.side.assurance, _root_hash(two), is_tree=after.side.kind != "sbom")
    standing = standing_of(relation, claim, policy)
    where = (Locator(before.target.name), Locator(after.target.name))
    changes = (*compare_declared(claim, policy, where), *_less(before, after, one, two))
    cases = (Case(change, relation, standing=standing, share_fall=policy.share_fall) for change in changes)
    lower = lower_assurance(before.side.assurance, after.side.assurance)
    return assemble(
        before.target, after.target, relation, lower, cases, policy=policy, today=judging.today, standing=standing
    )


def _root_hash(report: Report | None) -> str | None:
    """The one root hash that a report states; None when it is no report, or states several."""
    stated = set() if report is None else {bank.root_hash for bank in report.integrity.banks if bank.root_hash}
    return stated.pop() if len(stated) == 1 else None


def _less(before: Opened, after: Opened, one: Report | None, two: Report | None) -> Iterator[Change]:
    where = (Locator(before.target.name), Locator(after.target.name))
    tell = (before.side.kind != "sbom", after.side.kind != "sbom")  # a bill of materials need not say what it is of
    yield from compare_releases(before.target, after.target, where, tell=tell)
    could_list = tell[1] or not tell[0]
    yield from compare_components(_components(before, one), _components(after, two), where, could_list=could_list)
    areas: tuple[str, ...] = NOT_HELD
    if one is not None and two is not None:
        yield from compare_results(one, two)
        yield from compare_verdicts(one, two)
    else:
        areas = (*NOT_HELD, "integrity", "rules")
    yield from not_held((before.side.kind, after.side.kind), where, areas)


def _report(side: Opened, judging: Judging) -> Report | None:
    return judge_evidence(side.evidence, judging) if side.evidence is not None else side.report


def _components(side: Opened, report: Report | None) -> tuple[Component, ...]:
    return side.components or (() if report is None else report.components)
