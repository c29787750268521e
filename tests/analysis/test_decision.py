"""What makes the exit code: findings beside verdicts."""

from __future__ import annotations

import re

import pytest

from rocketaudit.analysis.decision import ABOUT_INTEGRITY, decide
from rocketaudit.model.fact import Locator
from rocketaudit.model.integrity import Integrity, IntegrityVerdict
from rocketaudit.model.report import Finding
from rocketaudit.model.verdict import Severity
from tests.support import REPO

CONSISTENT = Integrity(IntegrityVerdict.CONSISTENT_UNSIGNED, "all places agree")
BROKEN = Integrity(IntegrityVerdict.BROKEN, "a block differs")
NOT_ABOUT_IT = {"update-root", "boots-older"}  # of updates; `any` counts them


def finding(name: str, severity: Severity = Severity.HIGH) -> Finding:
    return Finding(name, severity, f"the title of {name}", Locator("example"))


@pytest.mark.parametrize("name", sorted(ABOUT_INTEGRITY))
def test_grave_finding_about_integrity_fails_who_asks_for_integrity(name: str) -> None:
    code, reasons = decide(("integrity", "level1"), CONSISTENT, (), (finding(name),))
    assert (code, reasons) == (1, (f"1 finding of severity high or critical: the title of {name}",))
    assert decide(("level1",), CONSISTENT, (), (finding(name),))[0] == 0
    assert decide(("never",), CONSISTENT, (), (finding(name),))[0] == 0
    assert decide(("integrity",), CONSISTENT, (), (finding(name, Severity.MEDIUM),))[0] == 0


def test_other_grave_findings_count_for_any() -> None:
    other = (finding("update-root"),)
    assert decide(("integrity", "level1"), CONSISTENT, (), other)[0] == 0
    assert decide(("any",), CONSISTENT, (), other)[0] == 1


def test_what_the_verdict_says_is_not_said_twice() -> None:
    found = (finding("integrity-broken", Severity.CRITICAL), finding("bad-block", Severity.CRITICAL))
    assert decide(("integrity",), BROKEN, (), found) == (1, ("integrity is broken: a block differs",))


def test_many_findings_are_counted_and_the_first_named() -> None:
    found = tuple(Finding("mount-hides-protected", Severity.HIGH, f"t{n}", Locator("x")) for n in range(9))
    _, (reason,) = decide(("integrity",), CONSISTENT, (), found)
    assert reason == "9 findings of severity high or critical: t0; t1; t2 and 6 more"


def test_every_grave_finding_of_the_analyses_is_about_integrity_or_listed() -> None:
    """A new finding must be put on one side or the other."""
    named = set()
    for path in (REPO / "rocketaudit/analysis").rglob("*.py"):
        for match in re.finditer(
            r'Finding\(\s*f?"([a-z-]+)(\{name\})?",\s*(?:Severity\.(?:HIGH|CRITICAL)|severity)', path.read_text()
        ):
            named.update([match[1] + end for end in ("hidden", "added")] if match[2] else [match[1]])
    assert len(named) > 8
    assert named <= ABOUT_INTEGRITY | NOT_ABOUT_IT
