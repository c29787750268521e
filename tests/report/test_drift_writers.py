"""Every rendering of a drift is valid, complete and steered by nothing that a target states."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from rocketaudit.errors import FormatError
from rocketaudit.model.advisory import AdvisoryChange, AdvisoryMove
from rocketaudit.model.change import Change, ChangeKind, Drift, DriftSide, Judgement, Relation
from rocketaudit.model.fact import Assurance, Locator
from rocketaudit.model.target import Target, TargetKind, Tool
from rocketaudit.model.verdict import Severity
from rocketaudit.report.drift_console import render_drift
from rocketaudit.report.drift_document import read_drift_json, to_document, write_drift_json
from rocketaudit.report.drift_html import write_drift_html
from rocketaudit.report.drift_markdown import write_drift_markdown
from rocketaudit.report.drift_sarif import write_drift_sarif
from rocketaudit.report.drift_text import groups, headline, pair
from rocketaudit.report.drift_update import update_figures
from rocketaudit.resources import read_text
from tests.report.samples import HOSTILE, TARGET
from tests.report.test_standards import sarif_schema

TOOL = Tool("rocketaudit", "0.1.0")
CREATED = "2026-09-01T10:00:00Z"


def change(subject: str, area: str = "files", judgement: Judgement = Judgement.UNEXPECTED, text: str = "x") -> Change:
    where = Locator("disk.img", "bank-a", f"/{subject}", 3)
    return Change(area, subject, "content", ChangeKind.CHANGED, {"sha256": text, "size": 1}, (text, 2, None, True),
                  where, where, judgement, Severity.HIGH, "a-ruling", f"because {text}")  # fmt: skip


def ordinary() -> Drift:
    changes = (
        change("bank-a:/usr/bin/a"),
        replace(change("bank-a:/usr/lib"), kind=ChangeKind.UNREADABLE, judgement=Judgement.CANNOT_SAY, before=None),
        change("bank-a:glibc", "packages", Judgement.EXPECTED),
    )
    advisory = AdvisoryChange("BRSA-x", ("CVE-2026-1",), "glibc", Severity.HIGH, "glibc", "1:2.43-1", "1:2.44-1",
                              "1:2.44", AdvisoryMove.CLOSED)  # fmt: skip
    return Drift(
        TARGET, replace(TARGET, version="1.58.0"), Relation.UPGRADE, Assurance.SIGNED_EVIDENCE, changes,
        {"unexpected": 1, "cannot-say": 1, "expected": 1}, ("a note",), 2,
        (DriftSide("a.json", "evidence", "sha256:" + "ab" * 32, CREATED, Assurance.SIGNED_EVIDENCE, ("key",)),
         DriftSide("b.img", "image")),
        (advisory,), "unexpected", 1, ("1 unexpected change",), "rocketaudit.toml sha256:ab",
    )  # fmt: skip


def clean() -> Drift:
    return replace(ordinary(), changes=(), counts={"unexpected": 0, "cannot-say": 0, "expected": 0}, exit_code=0,
                   notes=(), reasons=(), ignored=0, advisories=())  # fmt: skip


def hostile() -> Drift:
    changes = tuple(
        replace(
            change(text, text, judgement, text), attribute=text, decided_by=text, where_after=Locator(text, text, text)
        )
        for text in HOSTILE
        for judgement in Judgement
    )
    target = Target(HOSTILE[0] + HOSTILE[6] + HOSTILE[7], TargetKind.IMAGE, variant=HOSTILE[1], version=HOSTILE[10])
    advisories = tuple(
        AdvisoryChange(text, (text,), text, Severity.LOW, text, text, text, text, AdvisoryMove.OPENED)
        for text in HOSTILE
    )
    return replace(ordinary(), baseline=target, current=target, changes=changes, notes=HOSTILE, reasons=HOSTILE,
                   policy=HOSTILE[6], advisories=advisories)  # fmt: skip


SAMPLES = (ordinary, clean, hostile)


@pytest.mark.parametrize("make", SAMPLES, ids=lambda make: make.__name__)
def test_the_json_is_valid_and_comes_back_equal(make: Callable[[], Drift]) -> None:
    data = write_drift_json(make(), TOOL, CREATED)
    schema = json.loads(read_text("reports/schema/drift-1.0.json"))
    Draft202012Validator.check_schema(schema)
    assert list(Draft202012Validator(schema).iter_errors(json.loads(data))) == []
    assert read_drift_json(data) == to_document(make(), TOOL, CREATED)


@pytest.mark.parametrize("other", [b"{}", b"[]", b'{"schema":"rocketaudit-report-1.0"}', b"\xff", b'{"schema":1}'])
def test_what_is_no_drift_is_refused(other: bytes) -> None:
    with pytest.raises(FormatError):
        read_drift_json(other)


@pytest.mark.parametrize("make", SAMPLES, ids=lambda make: make.__name__)
def test_the_same_drift_gives_the_same_bytes(make: Callable[[], Drift]) -> None:
    for write in (write_drift_json, write_drift_html, write_drift_sarif):
        assert write(make(), TOOL, CREATED) == write(make(), TOOL, CREATED)


def test_html_shows_both_sides_and_runs_no_markup() -> None:
    text = write_drift_html(hostile(), TOOL, CREATED).decode()
    for attack in ("<script>alert", "<img src=x", "\x1b", "\u202e", "onmouseover=alert(4) x='\""):
        assert attack not in text
    assert "{{ 7*7 }}" in text and "49" not in text.partition("7*7")[0][-20:]
    plain = write_drift_html(ordinary(), TOOL, CREATED).decode()
    for shown in ("bank-a:/usr/bin/a", "a-ruling", "1 unexpected", "BRSA-x", "signed evidence", "key"):
        assert shown in plain


@pytest.mark.parametrize("verbose", [False, True])
def test_a_terminal_gets_no_control_characters(verbose: bool) -> None:
    text = render_drift(hostile(), verbose=verbose)
    assert not {char for char in text if ord(char) < 32 and char != "\n"} | {"\u202e", "\u200b"} & set(text)
    assert not any(line.lstrip().startswith(("::", "##[")) for line in text.splitlines())


def test_the_console_leads_with_the_verdict_and_folds_what_is_expected() -> None:
    text = render_drift(ordinary())
    assert "1 UNEXPECTED CHANGE" in text
    assert "bank-a:/usr/bin/a" in text and "bank-a:glibc" not in text
    assert "Expected: packages (1)" in text and "1 closed" in text
    assert "bank-a:glibc" in render_drift(ordinary(), verbose=True)
    assert "NO DRIFT" in render_drift(clean())


def test_markdown_holds_no_live_markup_of_the_target() -> None:
    text = re.sub(
        r"(`+)(?!`).*?(?<!`)\1(?!`)", "", write_drift_markdown(hostile(), TOOL).decode()
    )  # code shows as it is
    for attack in ("<script", "<img", "](http", "@octocat", "\n::error"):
        assert attack not in text
    whole = write_drift_markdown(ordinary(), TOOL).decode()
    tables = [line for line in whole.splitlines() if line.startswith("| high")]
    assert tables and {line.replace("\\|", "").count("|") for line in tables} == {6}


def test_sarif_fails_on_what_is_unexpected_and_leaves_open_what_nobody_can_say() -> None:
    run = json.loads(write_drift_sarif(ordinary(), TOOL, CREATED))["runs"][0]
    assert [(result["kind"], result["level"]) for result in run["results"]] == [("fail", "error"), ("open", "none")]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["drift/a-ruling"]
    json.loads(write_drift_sarif(hostile(), TOOL, CREATED))


@pytest.mark.parametrize("make", SAMPLES, ids=lambda make: make.__name__)
def test_sarif_is_valid_by_its_official_schema(make: Callable[[], Drift]) -> None:
    schema = sarif_schema()
    kind = validator_for(schema)
    document = json.loads(write_drift_sarif(make(), TOOL, CREATED))
    errors = list(kind(schema, format_checker=kind.FORMAT_CHECKER).iter_errors(document))
    assert [(error.json_path, error.message[:200]) for error in errors] == []


def test_an_update_is_told_in_figures_in_every_rendering() -> None:
    def one(area: str, attribute: str, before: object, after: object, ruling: str = "update") -> Change:
        kind = ChangeKind.ADDED if before is None else ChangeKind.REMOVED if after is None else ChangeKind.CHANGED
        made = replace(change("x", area), attribute=attribute, kind=kind, decided_by=ruling)
        return replace(made, before=before, after=after)  # type: ignore[arg-type]

    changes = (
        one("packages", "version", "1.9-1.1790000000.aaaaaaaa.br1", "1.10-1.1790000001.bbbbbbbb.br1"),
        one("packages", "version", "1:2.0-1", "1:1.0-1", "package-down"),
        one("packages", "version", "1.0-1.1790000000.bbbbbbbb.br1", "1.0-1.1790000000.aaaaaaaa.br1"),
        one("packages", "version", None, "1.0-1"),
        one("packages", "version", "1.0-1", None),
        one("packages", "version", ("1", "2"), "1"),
        one("files", "mode", "0755", "4755", "setuid"),
        one("binaries", "language", "rust", "c", "unsafe-language"),
        one("binaries", "hardening.pie", "pie", "exec", "hardening-lost"),
        one("rules", "verdict", "pass", "fail"),
        one("rules", "status", "pass", {"not": "a word"}),
        one("rules", "verdict", None, "fail"),
        one("languages", "rust_share_bytes", 40.25, None),
    )
    drift = replace(ordinary(), changes=changes)
    expected = (
        "packages: 1 up, 1 down, 1 rebuilt, 1 new, 1 gone, 1 changed",
        "files newly setuid, setgid or with capabilities: 1",
        "programs new in a language that is not memory-safe: 1",
        "protections lost by programs: 1",
        "rules that turned: 0 to pass, 1 to fail, 0 to unknown",
        "Rust, per cent of code: 40.25 to none",
    )
    assert update_figures(drift) == expected
    assert update_figures(replace(drift, relation=Relation.SAME_RELEASE)) == ()
    console = " ".join(render_drift(drift, width=200).split())
    html, text = write_drift_html(drift, TOOL, CREATED).decode(), write_drift_markdown(drift, TOOL).decode()
    for figure in expected:
        assert figure in console and figure in html
        assert figure.partition(":")[2].strip() in text.replace("\\", "")


def test_headline_says_no_more_than_was_compared() -> None:
    assert headline(clean()).tone == "good"
    open_one = replace(clean(), changes=(ordinary().changes[1],), counts={"cannot-say": 1}, exit_code=3, reasons=("x",))
    assert headline(open_one).tone == "open"
    assert headline(replace(open_one, exit_code=0)).tone == "open"


def test_groups_come_in_the_order_that_a_reader_wants() -> None:
    found = [(group.judgement, group.area) for group in groups(ordinary())]
    assert found == [
        (Judgement.UNEXPECTED, "files"),
        (Judgement.CANNOT_SAY, "files"),
        (Judgement.EXPECTED, "packages"),
    ]


def test_two_long_values_are_cut_to_where_they_differ() -> None:
    one, two = "a" * 300 + "ONE" + "b" * 300, "a" * 300 + "TWO" + "b" * 300
    before, after = pair(replace(change("x"), before=one, after=two))
    assert "ONE" in before and "TWO" in after and len(before) < 60
