"""What people have accepted: which waivers and attestations count today, and which need attention."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from fnmatch import fnmatchcase

from rocketaudit.model.policy import Attestation, Policy
from rocketaudit.model.rule import BenchmarkResult, Waiver
from rocketaudit.model.verdict import Verdict


def waiver_for(policy: Policy, rule: str, target: str, today: date) -> Waiver | None:
    """The waiver that covers a rule on a target; one that expires today no longer counts."""
    return next((w for w in policy.waivers if _covers(w, rule, target) and w.expires > today), None)


def attestation_for(policy: Policy, rule: str, target: str, today: date) -> Attestation | None:
    """The person's answer to a rule on a target; one that expires today no longer counts."""
    return next((a for a in policy.attestations if _covers(a, rule, target) and a.expires > today), None)


def _covers(word: Waiver | Attestation, rule: str, target: str) -> bool:
    return word.rule == rule and fnmatchcase(target, word.target)


def policy_problems(policy: Policy, benchmarks: Sequence[BenchmarkResult], target: str, today: date) -> tuple[str, ...]:
    """What the policy says in vain: waivers that expired, name no rule or are not needed; thresholds of nothing."""
    results = {result.rule.id: result for benchmark in benchmarks for result in benchmark.results}
    problems: list[str] = []
    for waiver in policy.waivers:
        problems += _problems("waiver", waiver, results.keys(), target, today)
        result = results.get(waiver.rule)
        live = waiver.expires > today and fnmatchcase(target, waiver.target)
        if live and result is not None and result.waiver is None:
            problems.append(f"waiver for {waiver.rule} is not needed: the verdict is {result.verdict.value}")
    for attestation in policy.attestations:
        problems += _problems("attestation", attestation, results.keys(), target, today)
        result = results.get(attestation.rule)
        if result is not None and result.rule.check is not None and result.verdict is not Verdict.MANUAL:
            used = result.outcome.why.startswith("attested by")
            if not used and attestation.expires > today:
                problems.append(f"attestation for {attestation.rule} is not used: facts decide that rule")
    for name in policy.min_score:
        if not any(fnmatchcase(one.benchmark.id, name) for one in benchmarks):
            problems.append(f"min_score names {name!r}, which was not judged")
    return tuple(problems)


def _problems(kind: str, word: Waiver | Attestation, known: Iterable[str], target: str, today: date) -> list[str]:
    if word.rule not in set(known):
        return [f"{kind} for {word.rule}: no rule of this run is called so"]
    if not fnmatchcase(target, word.target):
        return [f"{kind} for {word.rule} is for targets like {word.target!r}, not for {target!r}"]
    if word.expires <= today:
        return [f"{kind} for {word.rule} expired on {word.expires} (approved by {word.approved_by})"]
    return []


def unmet_demands(policy: Policy, benchmarks: Sequence[BenchmarkResult], c_share: float | None) -> tuple[str, ...]:
    """Thresholds of the policy that are not met. `c_share` is per cent of code bytes, None when it is not known."""
    judged = {result.rule.id for one in benchmarks for result in one.results}
    unmet = [
        f"the policy requires {pattern!r}, and no such rule was judged"
        for pattern in policy.require
        if not any(fnmatchcase(rule, pattern) for rule in judged)
    ]
    for name, least in policy.min_score.items():
        for one in benchmarks:
            if not fnmatchcase(one.benchmark.id, name):
                continue
            worst = one.score_with_waivers.worst
            if worst is None:
                unmet.append(f"{one.benchmark.id}: no rule was judged, so the score cannot reach {least:g}")
            elif worst < least:
                unmet.append(f"{one.benchmark.id}: the score may be as low as {worst:g}, below {least:g}")
    if policy.max_c_share is not None:
        if c_share is None:
            unmet.append(f"the share of C and C++ is not known; at most {policy.max_c_share:g} % is allowed")
        elif c_share > policy.max_c_share:
            unmet.append(f"{c_share:.1f} % of the code is C or C++; at most {policy.max_c_share:g} % is allowed")
    return tuple(unmet)
