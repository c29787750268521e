"""Options of the kernel that a node cannot show, against what its release says of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rocketaudit.model.change import Judgement
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import State
from tests.analysis.drift.test_judge import CLEAN, RELEASE, judged, node, running, set_fact

SHOWS = "kconfig:CONFIG_IKCONFIG_PROC"
OPTIONS = ("kconfig:CONFIG_MODULE_SIG_FORCE", "kconfig:CONFIG_SECCOMP")
UNREAD = tuple(
    replace(running(key, None), state=State.UNREAD, reason="/proc/config.gz: No such file or directory")
    for key in OPTIONS
)


def told(release: Evidence) -> set[tuple[str, str]]:
    found = [c for c in judged(release, node(*CLEAN, *UNREAD)).changes if c.subject.startswith("node:kconfig")]
    assert {c.judgement for c in found} == {Judgement.CANNOT_SAY}
    mirrored = [c for c in judged(node(*CLEAN, *UNREAD), release).changes if c.subject.startswith("node:kconfig")]
    assert [(c.subject, c.decided_by) for c in mirrored] == [(c.subject, c.decided_by) for c in found]
    return {(c.subject, c.decided_by) for c in found}


def test_options_of_a_kernel_that_is_built_to_show_them_are_missing() -> None:
    release = set_fact(RELEASE, SHOWS, "y")
    assert told(release) == {(f"node:{key}", "unreadable") for key in OPTIONS}


@pytest.mark.parametrize("value", ["n", "m"])
def test_a_kernel_that_is_built_without_them_hides_nothing(value: str) -> None:
    assert told(set_fact(RELEASE, SHOWS, value)) == {("node:kconfig", "not-comparable")}


def test_a_release_that_does_not_say_so_excuses_nothing() -> None:
    unread = replace(running(SHOWS, None), state=State.UNREAD, plane=RELEASE.facts[0].plane, scope="bank-a")
    release = replace(RELEASE, facts=(*RELEASE.facts, unread), _facts={})
    assert told(release) == {(f"node:{key}", "unreadable") for key in OPTIONS}


def test_an_option_that_the_node_does_show_is_compared_all_the_same() -> None:
    release = set_fact(set_fact(RELEASE, SHOWS, "n"), OPTIONS[0], "y")
    found = judged(release, node(*CLEAN, running(OPTIONS[0], "n"), UNREAD[1])).changes
    (change,) = [c for c in found if c.subject == f"node:{OPTIONS[0]}"]
    assert change.judgement is Judgement.UNEXPECTED
