"""What was concluded from both sides by the same rules: verdicts that turned, scores, the share of safe languages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from rocketaudit.analysis.drift.sides import difference, unreadable
from rocketaudit.model.change import Change
from rocketaudit.model.fact import JsonValue, Locator
from rocketaudit.model.records import dataclass
from rocketaudit.model.report import Census, Report
from rocketaudit.model.rule import BenchmarkResult, Result, Score
from rocketaudit.model.target import Target
from rocketaudit.model.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Judged:
    """What was concluded from one side, without what a drift does not ask for."""

    target: Target
    benchmarks: tuple[BenchmarkResult, ...]
    census: Census


def compare_results(before: Report | Judged, after: Report | Judged) -> Iterator[Change]:
    """One change per rule that turned, per score and per share; both sides must be judged by the same rules."""
    where = (Locator(before.target.name), Locator(after.target.name))
    yield from _rules(before, after, where)
    yield from _scores(before.benchmarks, after.benchmarks, where)
    yield from _languages(before.census, after.census, where)


def compare_verdicts(before: Report, after: Report) -> Iterator[Change]:
    """The integrity verdicts of two reports, for sides whose trees are not at hand."""
    where = (Locator(before.target.name), Locator(after.target.name))
    old = {bank.scope: bank for bank in before.integrity.banks}
    new = {bank.scope: bank for bank in after.integrity.banks}
    for scope in sorted(old.keys() | new.keys()):
        left, right = old.get(scope), new.get(scope)
        for name in ("root_hash", "populated"):
            one, two = (None if bank is None else getattr(bank, name) for bank in (left, right))
            yield from difference("integrity", scope, name, one, two, where)
    one, two = before.integrity.verdict.value, after.integrity.verdict.value
    yield from difference("integrity", "image", "verdict", one, two, where)


def _rules(before: Report | Judged, after: Report | Judged, where: tuple[Locator, Locator]) -> Iterator[Change]:
    old, new = _by_rule(before.benchmarks), _by_rule(after.benchmarks)
    for benchmark, rule in sorted(old.keys() | new.keys()):
        left, right = old.get((benchmark, rule)), new.get((benchmark, rule))
        subject = f"{benchmark}:{rule}"
        if left is None or right is None:
            why = "one side was judged by rules that do not hold it"
            yield unreadable("rules", subject, "verdict", _verdict(left), _verdict(right), where, why)
            continue
        for change in difference("rules", subject, "verdict", _verdict(left), _verdict(right), where):
            yield replace(change, why=_why(left, right))


def _by_rule(benchmarks: Iterable[BenchmarkResult]) -> dict[tuple[str, str], Result]:
    return {(group.benchmark.id, result.rule.id): result for group in benchmarks for result in group.results}


def _verdict(result: Result | None) -> JsonValue:
    return None if result is None else result.verdict.value


def _why(left: Result, right: Result) -> str:
    told = right if right.verdict is not Verdict.PASS else left
    return f"{right.rule.title}: {told.outcome.why}"


def _scores(
    before: Iterable[BenchmarkResult], after: Iterable[BenchmarkResult], where: tuple[Locator, Locator]
) -> Iterator[Change]:
    old = {group.benchmark.id: group.score for group in before}
    new = {group.benchmark.id: group.score for group in after}
    for name in sorted(old.keys() & new.keys()):
        yield from difference("score", name, "score", _interval(old[name]), _interval(new[name]), where)


def _interval(score: Score) -> JsonValue:
    return {"worst": _rounded(score.worst), "best": _rounded(score.best)}


def _languages(before: Census, after: Census, where: tuple[Locator, Locator]) -> Iterator[Change]:
    for name in ("memory_safe_share_files", "memory_safe_share_bytes"):
        one, two = (_percent(getattr(census, name)) for census in (before, after))
        yield from difference("languages", "all programs", name, one, two, where)
    for kind, amount in (("rust_share_bytes", "code_bytes"), ("rust_share_files", "files")):
        one, two = (_share(census, amount) for census in (before, after))
        yield from difference("languages", "all programs", kind, one, two, where)


def _share(census: Census, amount: str) -> float | None:
    """Per cent of Rust among all programs, as in the report."""
    rows = [row for row in census.rows if row.group == "all"]
    total = sum(getattr(row, amount) for row in rows)
    rust = sum(getattr(row, amount) for row in rows if row.language == "rust")
    return _percent(rust / total) if total else None


def _percent(share: float | None) -> float | None:
    return None if share is None else _rounded(100 * share)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
