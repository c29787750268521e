"""Our verdicts beside those of Bottlerocket's own checker, and why they differ where they do."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from rocketaudit.formats.apiclient_report import CheckReport, CheckRow, CheckStatus
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.model.rule import BenchmarkResult, Result
from rocketaudit.model.verdict import Verdict

FIPS = "fips"
OWN_CIS = Key("own_check", ("bottlerocket",), "status")
# the checkers that a node's API has, by the subject of their facts: what apiclient calls their reports
_OWN = {
    "bottlerocket": "CIS Bottlerocket Benchmark",
    "kubernetes": "CIS Kubernetes Benchmark (Worker Node)",
    "fips": "FIPS Security Policy",
}


class Comparison(StrEnum):
    """`contradicts`: one says pass and the other fail. `only_ours`, `only_theirs`: one of the two decided."""

    AGREES = "agrees"
    CONTRADICTS = "contradicts"
    ONLY_OURS = "only_ours"
    ONLY_THEIRS = "only_theirs"
    UNDECIDED = "undecided"
    EXCEPTION = "exception"
    NO_RULE = "no_rule"


_STATUSES = frozenset(CheckStatus)


@dataclass(frozen=True, slots=True)
class ParityRow:
    """One check of theirs and the rules of ours that answer it; `why` explains the difference."""

    check: CheckRow
    results: tuple[Result, ...]
    comparison: Comparison
    why: str


# what their checker is known to do, in our words, by (kind, number)
KNOWN = {
    ("cis", "1.1.1.1"): "it accepts only the text 'install /bin/true'; a module that does not exist is skipped",
    ("cis", "1.3.1"): "it searches the command line for three texts and reads neither the tree nor the kernel's table",
    ("cis", "1.4.3"): "it takes value 2, which is off as well, for a failure",
    ("cis", "1.5.2"): "it takes the stricter mode 'confidentiality' for a failure",
    ("cis", "2.1.1.1"): "it passes when chrony.conf cannot be read, and knows no source but 'pool'",
    ("cis", "3.2.7"): "it takes value 2, which always sends cookies, for a failure",
    ("cis", "3.4.1.1"): "newer releases do not run it at all",
    ("cis", "3.4.1.2"): "it compares columns of text, and passes when the INPUT chain cannot be listed",
    ("cis", "3.4.2.2"): "it compares columns of text, and passes when the INPUT chain cannot be listed",
    ("cis", "4.1.1.1"): "it looks into one file only, and a comment in it is enough",
    ("cis", "4.1.2"): "it passes when there is no journal, or when it cannot be read",
    ("cis-k8s", "4.2.5"): "it reads a duration as a number, so that 0s passes; a broken file passes too",
    ("cis-k8s", "4.2.6"): "a broken configuration file passes",
    ("cis-k8s", "4.2.9"): "a broken configuration file passes, and so does one of two settings",
    ("cis-k8s", "4.2.10"): "newer releases do not run it at all",
    ("cis-k8s", "4.2.11"): "a broken configuration file passes",
    ("cis-k8s", "4.3.1"): "any address but 0.0.0.0 and [::] passes, also one that others can reach",
    ("fips", "1.0"): "any text with the digit 1 passes",
    ("fips", "1.2"): "it trusts marker files that everybody who may write to /etc can make",
}


def compare(report: CheckReport, benchmarks: Sequence[BenchmarkResult]) -> tuple[ParityRow, ...]:
    """Every check of the report, in its order, with our verdict on the same item."""
    ours = _by_number(report, benchmarks)
    return tuple(_compare(report.kind, row, ours.get(row.id, ())) for row in report.rows)


def own_reports(evidence: Evidence) -> tuple[CheckReport, ...]:
    """What the node's own checker answered when its evidence was collected; numbers and results, no words."""
    found = []
    for name, title in _OWN.items():
        whole = evidence.get(Key("own_check", (name,), "status"), Plane.RUNTIME)
        if whole.state is not State.PRESENT:
            continue
        version = evidence.get(Key("own_check", (name,), "version"), Plane.RUNTIME)
        rows = tuple(
            CheckRow(fact.key.subject[1], "", CheckStatus(str(fact.value)))
            for fact in evidence.find("own_check", Plane.RUNTIME)
            if fact.key.subject[0] == name and len(fact.key.subject) == 2 and str(fact.value) in _STATUSES
        )
        said = str(version.value) if version.state is State.PRESENT else ""
        found.append(CheckReport(title, said, None, str(whole.value), "", tuple(sorted(rows, key=_number))))
    return tuple(found)


def _number(row: CheckRow) -> tuple[int, ...]:
    return tuple(int(part) for part in row.id.split(".") if part.isdigit())


def _by_number(report: CheckReport, benchmarks: Sequence[BenchmarkResult]) -> dict[str, tuple[Result, ...]]:
    found: dict[str, list[Result]] = {}
    mapping = _mapping(report)
    for benchmark in benchmarks:
        for result in benchmark.results:
            if mapping == FIPS:
                numbers: tuple[str, ...] = (result.rule.section,) if benchmark.benchmark.id == FIPS else ()
            else:
                numbers = (result.rule.maps_to or {}).get(mapping, ())
            for number in numbers:
                found.setdefault(number, []).append(result)
    return {number: tuple(results) for number, results in found.items()}


def _mapping(report: CheckReport) -> str:
    """Which of our `maps_to` names the report's numbers: Kubernetes numbers changed with 1.11."""
    if report.kind == FIPS:
        return FIPS
    if report.kind != "cis-k8s":
        return "cis_bottlerocket"
    parts = report.version.split(".")
    minor = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
    newer = parts[0].isdigit() and (int(parts[0]), minor) >= (1, 11)
    return "cis_kubernetes_1_11" if newer else "cis_kubernetes_1_8"


def _compare(kind: str, row: CheckRow, results: tuple[Result, ...]) -> ParityRow:
    if not results:
        return ParityRow(row, (), Comparison.NO_RULE, "none of the rules judged here answers this number")
    verdict = _worst(results)
    ours = "; ".join(f"{result.rule.id}: {result.outcome.why}" for result in results)
    note = KNOWN.get((kind, row.id), "")
    known = f" Their check: {note}." if note else ""
    decided = verdict in (Verdict.PASS, Verdict.FAIL)
    if row.status is CheckStatus.EXCEPTION:
        reason = row.reason or "no reason given"
        why = f"not run by them ({reason}): an exception is no pass. Ours is {verdict.value}: {ours}"
        return ParityRow(row, results, Comparison.EXCEPTION, why)
    if row.status is CheckStatus.SKIP:
        comparison = Comparison.ONLY_OURS if decided else Comparison.UNDECIDED
        skipped = row.error or ("a person must answer it" if row.mode == "Manual" else "no reason given")
        return ParityRow(row, results, comparison, f"skipped by them ({skipped}). Ours is {verdict.value}: {ours}")
    if not decided:
        return ParityRow(
            row, results, Comparison.ONLY_THEIRS, f"theirs is {row.status.value}; ours {verdict.value}: {ours}"
        )
    if verdict.value == row.status.value:
        return ParityRow(row, results, Comparison.AGREES, ours)
    theirs = f"{row.status.value}{f' ({row.error})' if row.error else ''}"
    why = f"theirs is {theirs}, ours {verdict.value}: {ours}.{known}"
    return ParityRow(row, results, Comparison.CONTRADICTS, why)


def _worst(results: tuple[Result, ...]) -> Verdict:
    order = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.MANUAL, Verdict.PASS, Verdict.NOT_APPLICABLE)
    return min((result.verdict for result in results), key=order.index)
