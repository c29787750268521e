"""Whether a run meets its policy: the one place that turns results into an exit code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from rocketaudit.errors import UsageError
from rocketaudit.model.evidence import NOT_COLLECTED
from rocketaudit.model.fact import Plane, State
from rocketaudit.model.integrity import Integrity, IntegrityVerdict
from rocketaudit.model.report import Census, Finding
from rocketaudit.model.rule import BenchmarkResult, Result
from rocketaudit.model.verdict import Severity, Verdict

FAIL_ON = ("never", "integrity", "level1", "level2", "any")
DEFAULT_FAIL_ON = ("integrity", "level1")
MEETS, FAILS, UNREAD = 0, 1, 3
# findings of severity high or critical that say that the protected system is not, or need not be, what runs: whoever
# asks for integrity asks for these. The verdict itself tells of the first two
_TOLD_BY_VERDICT = frozenset(("integrity-broken", "bad-block"))
ABOUT_INTEGRITY = _TOLD_BY_VERDICT | frozenset(
    (
        "empty-bank-boots", "hidden-data", "image-in-doubt", "initrd-runs-first", "mount-hides-protected",
        "mounted-view-added", "mounted-view-hidden", "no-bank-boots", "verity-met-corruption", "verity-not-enforced",
    )
)  # fmt: skip
_GRAVE = (Severity.CRITICAL, Severity.HIGH)
_MAX_NAMED = 3


def parse_fail_on(text: str) -> tuple[str, ...]:
    """The words of `--fail-on`, or UsageError that lists the known ones."""
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    for word in words:
        if word not in FAIL_ON:
            raise UsageError(f"--fail-on does not know {word!r}", hint=f"one or more of: {', '.join(FAIL_ON)}")
    if not words:
        raise UsageError("--fail-on names nothing", hint=f"one or more of: {', '.join(FAIL_ON)}")
    return words


def decide(
    fail_on: Sequence[str],
    integrity: Integrity,
    benchmarks: Sequence[BenchmarkResult],
    findings: Sequence[Finding],
    required: Sequence[str] = (),
    demands: Sequence[str] = (),
) -> tuple[int, tuple[str, ...]]:
    """(exit code, reasons): 1 wins over 3. `required` are globs of rules that must be decided and pass;
    `demands` are thresholds of the policy that are not met.
    """
    if "never" in fail_on:
        return MEETS, ()
    failures = [*_failures(fail_on, integrity, benchmarks, findings, required), *demands]
    if failures:
        return FAILS, tuple(failures)
    gaps = list(_gaps(fail_on, integrity, benchmarks, required))
    return (UNREAD, tuple(gaps)) if gaps else (MEETS, ())


def share_of_c(census: Census) -> float | None:
    """Per cent of the code bytes that are C or C++, as far as languages are known; None when there is no code."""
    rows = [row for row in census.rows if row.group == "all"]
    total = sum(row.code_bytes for row in rows)
    unsafe = sum(row.code_bytes for row in rows if row.language in ("c", "c++"))
    return 100.0 * unsafe / total if total else None


def _failures(
    fail_on: Sequence[str],
    integrity: Integrity,
    benchmarks: Sequence[BenchmarkResult],
    findings: Sequence[Finding],
    required: Sequence[str],
) -> Iterable[str]:
    if _selects_integrity(fail_on) and integrity.verdict is IntegrityVerdict.BROKEN:
        yield f"integrity is broken: {integrity.why}"
    failed = [result for result in _selected(fail_on, benchmarks, required) if result.verdict is Verdict.FAIL]
    if failed:
        yield _fail_text(len({result.rule.id for result in failed}), fail_on, required)
    grave = [
        finding for finding in findings if finding.severity in _GRAVE and _is_selected(finding, fail_on, integrity)
    ]
    if grave:
        titles = list(dict.fromkeys(finding.title for finding in grave))
        more = f" and {len(titles) - _MAX_NAMED} more" if len(titles) > _MAX_NAMED else ""
        count = "1 finding" if len(grave) == 1 else f"{len(grave)} findings"
        yield f"{count} of severity high or critical: {'; '.join(titles[:_MAX_NAMED])}{more}"


def _is_selected(finding: Finding, fail_on: Sequence[str], integrity: Integrity) -> bool:
    """Whether a grave finding counts: with `any` all, with `integrity` those about it that its verdict leaves out."""
    if "any" in fail_on:
        return True
    told = integrity.verdict is IntegrityVerdict.BROKEN and finding.id in _TOLD_BY_VERDICT
    return "integrity" in fail_on and finding.id in ABOUT_INTEGRITY and not told


def _fail_text(count: int, fail_on: Sequence[str], required: Sequence[str]) -> str:
    """How many rules fail of those that count, and which those are."""
    levels = ("", "of level 1", "of levels 1 and 2")[_top_level(fail_on)]
    which = " or ".join(filter(None, (levels, "required by the policy" if required else "")))
    return f"{count} rule {which} fails" if count == 1 else f"{count} rules {which} fail"


def _top_level(fail_on: Sequence[str]) -> int:
    """The highest level whose rules may decide the exit code; 0: none."""
    return 2 if {"level2", "any"} & set(fail_on) else 1 if "level1" in fail_on else 0


def _gaps(
    fail_on: Sequence[str], integrity: Integrity, benchmarks: Sequence[BenchmarkResult], required: Sequence[str]
) -> Iterable[str]:
    if _selects_integrity(fail_on) and integrity.verdict is IntegrityVerdict.UNKNOWN:
        yield f"integrity is unknown: {integrity.why}"
    for result in _selected(fail_on, benchmarks, required):
        if result.verdict is not Verdict.UNKNOWN:
            continue
        if _is_required(result, required):
            yield f"required rule {result.rule.id} is undecided: {result.outcome.why}"
        elif _is_damage(result):
            yield f"rule {result.rule.id} needs what could not be read: {result.outcome.why}"


def _selects_integrity(fail_on: Sequence[str]) -> bool:
    return "integrity" in fail_on or "any" in fail_on


def _selected(
    fail_on: Sequence[str], benchmarks: Sequence[BenchmarkResult], required: Sequence[str]
) -> Iterable[Result]:
    top = _top_level(fail_on)
    for benchmark in benchmarks:
        for result in benchmark.results:
            counted = result.rule.scored and result.rule.level <= top
            if (counted or _is_required(result, required)) and result.waiver is None:
                yield result


def _is_required(result: Result, required: Sequence[str]) -> bool:
    return any(fnmatchcase(result.rule.id, pattern) for pattern in required)


def _is_damage(result: Result) -> bool:
    """A static fact that should have been readable was not; a rule that merely needs a node is no damage."""
    return any(
        fact.state is State.UNREAD and fact.plane is Plane.STATIC and fact.reason != NOT_COLLECTED
        for fact in result.outcome.facts
    )
