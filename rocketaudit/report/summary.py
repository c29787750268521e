"""What every human-readable report leads with: the verdict, the figures, and what to do first."""

from __future__ import annotations

from collections.abc import Iterable

from rocketaudit.model.fact import Assurance, Fact, JsonValue, State
from rocketaudit.model.integrity import IntegrityVerdict
from rocketaudit.model.records import dataclass
from rocketaudit.model.report import Report
from rocketaudit.model.rule import Benchmark, Result, Score
from rocketaudit.model.target import Target, TargetKind
from rocketaudit.model.update import AnswerState
from rocketaudit.model.verdict import Severity, Verdict

SEVERITIES = tuple(Severity)
MAX_ALIKE = 3  # more findings of one kind are one task
_SAID_BY_INTEGRITY = ("integrity-broken", "bad-block")
VERDICTS = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.MANUAL, Verdict.PASS, Verdict.NOT_APPLICABLE)
NO_CIS_PRODUCT = (
    "Rule texts are this project's own; other benchmarks are named by number only. Not a CIS product, not certified or "
    "endorsed by CIS."
)


@dataclass(frozen=True, slots=True)
class Headline:
    """`tone` is good, bad or open (nobody can say)."""

    tone: str
    text: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do; `weight` sorts (small first), `count` tells how many places it stands for."""

    weight: int
    severity: Severity
    title: str
    action: str
    where: str
    count: int = 1
    id: str = ""


def headline(report: Report) -> Headline:
    """The one sentence that a reader must take away, and why."""
    policy = report.policy
    if "never" in policy.fail_on:
        return _without_policy(report)
    match policy.exit_code:
        case 0:
            return Headline("good", "Meets the policy", (f"fails on: {', '.join(policy.fail_on)}",))
        case 1:
            return Headline("bad", "Does not meet the policy", policy.reasons)
        case _:
            return Headline("open", "Cannot be decided: not everything could be read", policy.reasons)


def _without_policy(report: Report) -> Headline:
    failed = sum(1 for result in results(report) if result.verdict is Verdict.FAIL)
    reasons = ("no policy was applied (--fail-on never)",)
    if report.integrity.verdict is IntegrityVerdict.BROKEN:
        return Headline("bad", "Integrity is broken", (report.integrity.why, *reasons))
    if failed:
        return Headline("bad", f"{failed} rules fail", reasons)
    if any(result.verdict is Verdict.UNKNOWN for result in results(report)):
        return Headline("open", "No rule fails, but not all could be decided", reasons)
    return Headline("good", "No rule fails", reasons)


def integrity_sentence(report: Report) -> str:
    """What may be said of integrity, never more than the assurance allows."""
    said = {
        IntegrityVerdict.VERIFIED: "verified from your anchor down to every block",
        IntegrityVerdict.CONSISTENT_UNSIGNED: "consistent, but no trust anchor was given: nobody vouches for it",
        IntegrityVerdict.BROKEN: "broken",
        IntegrityVerdict.UNKNOWN: "unknown",
    }[report.integrity.verdict]
    if report.assurance is Assurance.ASSERTED and report.integrity.verdict is not IntegrityVerdict.BROKEN:
        who = "the node" if report.target.kind is TargetKind.NODE else "an unsigned evidence file"
        return f"as stated by {who}, not verified: {report.integrity.verdict.value.replace('_', ' ')}"
    return said


def agreement_rows(report: Report) -> list[tuple[str, str, str, str]]:
    """(bank, who states it, root hash, whether all of it agrees with the other places), one row a place."""
    rows: dict[tuple[str, str], tuple[str, list[bool | None], list[str]]] = {}
    for place in report.integrity.places:
        _, agrees, odd = rows.setdefault((place.scope, place.source), ("", [], []))
        agrees.append(place.agrees)
        if place.agrees is False:
            odd.append(place.parameter.replace("_", " "))
        if place.parameter == "root_hash":
            rows[place.scope, place.source] = (place.value, agrees, odd)
    said = {True: "agrees", False: "nothing to compare"}
    return [
        (scope, source, value, f"differs: {', '.join(odd)}" if odd else said[any(agrees)])
        for (scope, source), (value, agrees, odd) in rows.items()
    ]


def update_lines(report: Report) -> list[str]:
    """What the update repository leaves open or shows wrong; what is well in one line when all is."""
    answers = report.integrity.updates
    open_ones = [one for one in answers if one.state is not AnswerState.FINE]
    lines = [
        f"{one.scope + ': ' if one.scope else ''}{'unknown' if one.state is AnswerState.UNKNOWN else 'not so'}:"
        f" {one.question}: {one.answer}"
        for one in open_ones
    ]
    fine = list(dict.fromkeys(one.question for one in answers if one.state is AnswerState.FINE))
    return lines or ([f"as it should be: {'; '.join(fine)}"] if fine else [])


def results(report: Report) -> tuple[Result, ...]:
    """All results of all benchmarks."""
    return tuple(result for group in report.benchmarks for result in group.results)


def tasks(report: Report) -> tuple[Task, ...]:
    """What to fix, in order of weight: broken integrity; by severity rules of level 1, findings, other rules; gaps."""
    found = [*_integrity_task(report), *_finding_tasks(report), *_rule_tasks(report), *_gap_task(report)]
    return tuple(sorted(found, key=lambda task: (task.weight, task.id, task.where)))


def _integrity_task(report: Report) -> Iterable[Task]:
    integrity = report.integrity
    if integrity.verdict is not IntegrityVerdict.BROKEN:
        return
    where = ", ".join(bank.scope for bank in integrity.banks if bank.verdict is IntegrityVerdict.BROKEN)
    odd = sorted({odd for bank in integrity.banks for odd in bank.odd_ones_out})
    action = f"Do not boot {where or 'it'}: take a fresh image from the source that you trust{_odd_text(odd)}."
    yield Task(0, Severity.CRITICAL, f"Integrity is broken: {integrity.why}", action, where, 1, "integrity")


def _odd_text(odd: list[str]) -> str:
    return f" (the odd one out: {', '.join(odd)})" if odd else ""


def _finding_tasks(report: Report) -> Iterable[Task]:
    kinds: dict[str, set[str]] = {}
    for finding in report.findings:
        kinds.setdefault(finding.id, set()).add(finding.title)
    groups: dict[tuple[str, Severity, str], list[tuple[str, str]]] = {}
    for finding in report.findings:
        if finding.severity in (Severity.INFO, Severity.LOW) or finding.id in _SAID_BY_INTEGRITY:
            continue
        title = finding.title if len(kinds[finding.id]) <= MAX_ALIKE else ""
        groups.setdefault((finding.id, finding.severity, title), []).append((finding.title, str(finding.where)))
    for (identity, severity, title), places in groups.items():
        first, where = places[0]
        said = title or f"{first}, and {len(places) - 1} more of the kind"
        count = len(places) if title else 1
        yield Task(14 + 10 * SEVERITIES.index(severity), severity, said, "", where, count, identity)


def _rule_tasks(report: Report) -> Iterable[Task]:
    seen = set()
    for result in results(report):
        rule = result.rule
        if result.verdict is not Verdict.FAIL or result.waiver is not None or rule.id in seen:
            continue
        seen.add(rule.id)
        weight = 11 + 10 * SEVERITIES.index(rule.severity) + (4 if rule.level > 1 else 0) + (0 if rule.scored else 2)
        yield Task(
            weight, rule.severity, f"Fails: {rule.title}", rule.remediation.strip(), result.outcome.why, 1, rule.id
        )


def _gap_task(report: Report) -> Iterable[Task]:
    if report.unread:
        first = report.unread[0]
        where = f"{first.scope}:{first.path}: {first.reason}"
        yield Task(900, Severity.INFO, "Some places could not be read", "", where, len(report.unread), "unread")


def target_line(target: Target) -> str:
    """One line that identifies what was looked at."""
    stated = target.os_name or target.os_id
    version = "" if target.version and target.version in stated else target.version
    name = " ".join(part for part in (stated, version) if part)
    variant = "" if target.variant and target.variant in stated else target.variant
    build = f"build {target.build}" if target.build else ""
    kernel = f"kernel {target.kernel_version}" if target.kernel_version else ""
    parts = (name or target.name, variant, target.arch, build, kernel, target.layout)
    return " · ".join(part for part in parts if part)


def benchmark_name(benchmark: Benchmark) -> str:
    """Its title, with the version where the title does not say it."""
    return benchmark.title if benchmark.version in benchmark.title else f"{benchmark.title} {benchmark.version}"


def score_rows(report: Report) -> list[tuple[str, str, Score]]:
    """(benchmark, part, score) of every benchmark as a whole, as waived, by level and by section."""
    rows: list[tuple[str, str, Score]] = []
    for group in report.benchmarks:
        name = group.benchmark.id
        rows.append((name, "all rules, as found", group.score))
        if group.score.waived:
            rows.append((name, "all rules, with waivers", group.score_with_waivers))
        lower = sorted(group.by_level.items())[:-1]  # up to the highest level is all rules
        rows += [(name, f"up to level {level}", one) for level, one in lower]
        titles = group.benchmark.sections
        rows += [(name, f"{number} {titles.get(number, '')}".strip(), one) for number, one in group.by_section.items()]
    return rows


def score_text(score: Score) -> str:
    """The interval, as one number only when everything was decided."""
    return interval(score.worst, score.best)


def interval(worst: float | None, best: float | None) -> str:
    """Per cent, rounded down so that 100 is said only of 100."""
    if worst is None or best is None:
        return "nothing scored"
    low, high = int(worst), int(best)
    return f"{low} %" if worst == best else f"{low} to {high} %"


def fact_line(fact: Fact) -> str:
    """A fact in one line: key, state or value, place."""
    seen = value_text(fact.value) if fact.state is State.PRESENT else fact.state.value
    reason = f" ({fact.reason})" if fact.reason else ""
    return f"{fact.key} = {seen}{reason}"


def value_text(value: JsonValue) -> str:
    """A fact's value as a reader expects it."""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return ", ".join(value_text(part) for part in value) or "(empty)"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int | float):
        return str(value)
    return ", ".join(f"{name}: {value_text(part)}" for name, part in sorted(value.items()))


def count_by_verdict(found: Iterable[Result]) -> dict[Verdict, int]:
    """How many results of each verdict, in the order that a reader cares for."""
    listed = tuple(found)
    return {verdict: sum(1 for result in listed if result.verdict is verdict) for verdict in VERDICTS}


def node_lines(report: Report) -> tuple[tuple[str, str], ...]:
    """Where on a node this ran, what that shows and what it hides, as (label, text); empty for what is no node."""
    extra = report.extra or {}
    if "node:where" not in extra:
        return ()
    hidden = "node:hidden:"
    lines = [("Ran in", extra["node:where"]), ("Sees", extra.get("node:sees", ""))]
    lines += [("Hidden", f"{name.removeprefix(hidden)}: {extra[name]}") for name in extra if name.startswith(hidden)]
    return tuple(lines)


def plural(count: int, noun: str) -> str:
    """A count with its noun; nouns that only take an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def human_size(count: float) -> str:
    """Bytes in binary units, one decimal at most."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("the last unit takes all")
