"""Judging: every rule on every plane that the evidence has, and never a verdict that nothing stands behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from rocketaudit.analysis.benchmark.loader import ALL_BANKS
from rocketaudit.analysis.benchmark.score import by_level, by_section, score
from rocketaudit.analysis.policy import attestation_for, waiver_for
from rocketaudit.analysis.verity_facts import verity_facts
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, Key, Locator, Plane, State
from rocketaudit.model.integrity import Integrity
from rocketaudit.model.policy import Policy
from rocketaudit.model.rule import Benchmark, BenchmarkResult, Result, Rule
from rocketaudit.model.target import TargetKind
from rocketaudit.model.verdict import Outcome, Verdict, all_of

CLOCK = Key("clock", ("as_of",))
MAX_WHY = 2000
OS_RELEASE = ("/usr/lib/os-release", "/etc/os-release")


def needs(benchmarks: Sequence[Benchmark]) -> tuple[Key, ...]:
    """The facts that these benchmarks may ask for, each once, in the order of the rules."""
    rules = (rule for benchmark in benchmarks for rule in benchmark.rules if rule.check is not None)
    return tuple(dict.fromkeys(key for rule in rules if rule.check is not None for key in rule.check.needs()))


def judge(
    benchmarks: Sequence[Benchmark],
    evidence: Evidence,
    integrity: Integrity | None = None,  # noqa: ARG001 - judged through its facts, see analysis.integrity_facts
    *,
    level: int = 2,
    today: date,
    policy: Policy | None = None,
    as_of: date | None = None,
) -> tuple[BenchmarkResult, ...]:
    """The verdicts of all rules up to `level`. Waivers count by `today`, expiry of what is judged by `as_of`."""
    known = _with_judged_facts(evidence, as_of or today)
    given = policy or Policy()
    return tuple(_judge_one(benchmark, known, level, today, given) for benchmark in benchmarks)


def _with_judged_facts(evidence: Evidence, as_of: date) -> Evidence:
    clock = Fact(CLOCK, Plane.STATIC, State.PRESENT, Locator("the day of judging"), as_of.isoformat())
    known = {(fact.key, fact.plane, fact.scope) for fact in evidence.facts}
    added = tuple(f for f in (clock, *verity_facts(evidence)) if (f.key, f.plane, f.scope) not in known)
    return replace(evidence, facts=evidence.facts + added, _facts={})


def _judge_one(benchmark: Benchmark, evidence: Evidence, level: int, today: date, policy: Policy) -> BenchmarkResult:
    rules = tuple(rule for rule in benchmark.rules if rule.level <= level)
    hollow = _without_system(evidence)
    results = tuple(_result(benchmark.id, rule, evidence, today, policy, hollow) for rule in rules)
    return BenchmarkResult(
        benchmark=benchmark,
        results=results,
        score=score(results),
        score_with_waivers=score(results, with_waivers=True),
        by_level=by_level(results),
        by_section=by_section(results, benchmark.sections),
    )


def _without_system(evidence: Evidence) -> str:
    """Why nothing here can pass: an empty folder has no shell either, which says nothing of a system. "" as a rule."""
    known = [evidence.get(Key("file", (path,), "type"), Plane.STATIC, evidence.judged) for path in OS_RELEASE]
    if any(fact.state is not State.ABSENT for fact in known):
        return ""
    return f"no operating system was found: there is neither {' nor '.join(OS_RELEASE)}"


def _result(benchmark: str, rule: Rule, evidence: Evidence, today: date, policy: Policy, hollow: str) -> Result:
    outcome = judge_rule(rule, evidence)
    if hollow and outcome.verdict is Verdict.PASS:
        outcome = _bounded(Outcome(Verdict.UNKNOWN, f"{hollow} ({outcome.why})", outcome.facts))
    if outcome.verdict in (Verdict.MANUAL, Verdict.UNKNOWN):
        said = attestation_for(policy, rule.id, evidence.target.name, today)
        if said is not None and outcome.verdict is Verdict.MANUAL:
            why = f"attested by {said.approved_by} until {said.expires}: {said.reason}"
            outcome = Outcome(said.verdict, why, outcome.facts)
    waiver = waiver_for(policy, rule.id, evidence.target.name, today)
    needed = outcome.verdict in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.MANUAL)
    return Result(benchmark, rule, outcome, waiver if needed else None)


def judge_rule(rule: Rule, evidence: Evidence) -> Outcome:
    """The verdict of one rule; a rule that needs a running node is unknown on an image, never left out."""
    if rule.check is None:
        return Outcome(Verdict.MANUAL, "a person must answer this: attest it in the policy")
    is_node = evidence.target.kind is TargetKind.NODE
    planes = tuple(plane for plane in rule.planes if is_node or plane is Plane.STATIC)
    scopes = _scopes(rule, evidence)
    if not planes:
        return _without_node(rule, evidence, scopes)
    return _bounded(all_of(rule.check.evaluate(evidence, planes, scope) for scope in scopes))


def _bounded(outcome: Outcome) -> Outcome:
    """The outcome with a reason that a person can read: values come from the target and may be of any length."""
    if len(outcome.why) <= MAX_WHY:
        return outcome
    half = MAX_WHY // 2 - 5
    return replace(outcome, why=f"{outcome.why[:half]} [...] {outcome.why[-half:]}")


def _without_node(rule: Rule, evidence: Evidence, scopes: tuple[str, ...]) -> Outcome:
    """On an image: whether the rule applies may be known all the same; what it asks is not."""
    from rocketaudit.analysis.benchmark.words.logic import When

    if isinstance(rule.check, When):
        applies = all_of(rule.check.condition.evaluate(evidence, (Plane.STATIC,), scope) for scope in scopes)
        if applies.verdict in (Verdict.FAIL, Verdict.NOT_APPLICABLE):
            return Outcome(Verdict.NOT_APPLICABLE, f"does not apply: {applies.why}", applies.facts)
    return Outcome(Verdict.UNKNOWN, "needs a node: an image does not show the running system")


def _scopes(rule: Rule, evidence: Evidence) -> tuple[str, ...]:
    if rule.scope != ALL_BANKS:
        return (evidence.judged,)
    empty = {bank.scope for bank in evidence.verity if not bank.populated}
    banks = {bank.scope for bank in evidence.verity} | {s for s in evidence.walked if s.startswith("bank-")}
    return tuple(sorted(banks - empty)) or (evidence.judged,)
