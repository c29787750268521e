"""The console report fits a screen and leads with the verdict and what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rocketaudit.model.fact import Assurance
from rocketaudit.model.report import PolicyResult
from rocketaudit.report.console import render_console
from tests.report.samples import clean, hostile, ordinary


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_it_fits_one_screen(width: int) -> None:
    lines = render_console(ordinary(), width=width).splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= width


def test_the_verdict_comes_before_everything_but_the_name() -> None:
    lines = render_console(ordinary()).splitlines()
    assert "DOES NOT MEET THE POLICY" in lines[3]
    assert "integrity is broken" in lines[4]


def test_what_to_do_is_ordered_by_weight_and_leaves_waived_rules_out() -> None:
    text = render_console(ordinary())
    assert text.index("Integrity is broken") < text.index("Fails: The root file system")
    assert "Fails: Kernel modules are signed" not in text


def test_verified_is_said_only_of_what_this_process_or_a_signature_vouches_for() -> None:
    assert "verified from your anchor" in render_console(clean())
    told = render_console(replace(clean(), assurance=Assurance.ASSERTED))
    assert "as stated by an unsigned evidence file, not verified" in " ".join(told.split())
    assert "verified from your anchor" not in told


@pytest.mark.parametrize(
    ("code", "text"), [(0, "MEETS THE POLICY"), (1, "DOES NOT MEET THE POLICY"), (3, "CANNOT BE DECIDED")]
)
def test_the_headline_follows_the_exit_code(code: int, text: str) -> None:
    assert f" {text}" in render_console(replace(clean(), policy=PolicyResult(("level1",), code, ("why",))))


def test_verbose_shows_every_rule_and_the_reason_of_what_did_not_pass() -> None:
    text = render_console(ordinary(), verbose=True)
    for result in ordinary().benchmarks[0].results:
        assert result.rule.title in text
    assert "waived until 2027-01-31" in text


def test_colour_is_used_only_when_asked_for() -> None:
    assert "\x1b[" not in render_console(ordinary())
    assert "\x1b[" in render_console(ordinary(), colour=True)


def test_hostile_names_use_no_escape_sequence_of_their_own_even_in_colour() -> None:
    text = render_console(hostile(), colour=True, verbose=True)
    for sequence in ("\x1b[2J", "\x1b]0;", "\x9b", "\u202e", "\x07"):
        assert sequence not in text


def test_both_scores_are_shown_where_a_waiver_counts() -> None:
    text = render_console(ordinary())
    assert "  with waivers  33 to 66 %" in text
    assert "with waivers" not in render_console(clean())


def test_rules_that_are_not_as_shipped_are_said_beside_the_verdict() -> None:
    changed = replace(clean(), policy=PolicyResult(("level1",), 0, tailoring=("2 of 9 rules are left out: a, b",)))
    assert "rules are not as shipped: 2 of 9 rules are left out: a, b" in render_console(changed)


def test_what_is_wrong_is_shown_before_what_to_do_about_it() -> None:
    text = render_console(ordinary())
    task = text[text.index("Fails: The root file system") :]
    assert task.index("bank-a states another root hash") < task.index("To do: ")


def test_the_odd_one_out_and_what_updates_leave_open_are_said() -> None:
    text = render_console(ordinary())
    assert "recomputed tree: differs: root hash" in text
    assert "not so: no newer release is offered: newer: 1.8.0" in text
    assert "Updates" not in render_console(replace(ordinary(), integrity=replace(ordinary().integrity, updates=())))
