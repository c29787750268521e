"""Results turned around: by the numbers of other catalogues that the rules answer."""

from __future__ import annotations

import re

from rocketaudit.model.records import dataclass
from rocketaudit.model.report import Report
from rocketaudit.model.rule import Result
from rocketaudit.model.verdict import Verdict
from rocketaudit.report.summary import VERDICTS, count_by_verdict, results

CATALOGUES = {
    "nist_800_53": "NIST SP 800-53",
    "nist_800_190": "NIST SP 800-190",
    "cis_bottlerocket": "CIS Bottlerocket 1.0.0",
    "cis_kubernetes_1_8": "CIS Kubernetes 1.8.0",
    "cis_kubernetes_1_11": "CIS Kubernetes 1.11.1",
}


@dataclass(frozen=True, slots=True)
class Control:
    """One number of another catalogue (NIST SP 800-53 AC-6) and all results that answer it."""

    catalogue: str
    number: str
    verdict: Verdict
    counts: dict[Verdict, int]
    results: tuple[Result, ...]


def controls(report: Report) -> tuple[Control, ...]:
    """The results by control: fails if one rule fails, passes only if all that apply pass."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results(report):
        for catalogue, numbers in (result.rule.maps_to or {}).items():
            for number in numbers:
                groups.setdefault((catalogue, number), []).append(result)
    return tuple(
        Control(catalogue, number, next(v for v in VERDICTS if counts[v]), counts, tuple(found))
        for (catalogue, number), found in sorted(
            groups.items(), key=lambda item: (_rank(item[0][0]), _natural(item[0][1]))
        )
        for counts in (count_by_verdict(found),)
    )


def _rank(catalogue: str) -> tuple[int, str]:
    names = list(CATALOGUES)
    return (names.index(catalogue) if catalogue in names else len(names), catalogue)


def _natural(number: str) -> list[tuple[int, str]]:
    """AC-6 before AC-17, 4.1.9 before 4.1.10."""
    parts = re.findall(r"[0-9]{1,9}|[^0-9]+", number)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]
