"""A running node against itself a moment ago, and against the image that it was started from."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from rocketaudit.analysis.benchmark import needs
from rocketaudit.analysis.drift import judge_drift
from rocketaudit.audit import Looking, look
from rocketaudit.cli.running import SHIPPED, read_benchmarks
from rocketaudit.formats.evidence_file import load_evidence
from rocketaudit.model.change import Change, Drift, Judgement
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.policy import DriftPolicy
from rocketaudit.model.verdict import Severity
from tests.conftest import SMALL_EROFS, built
from tests.fake_node import command_line_of
from tests.lab.guest import NEEDED
from tests.lab.machine import boot, make_kit
from tests.support import needs_tools

pytestmark = pytest.mark.lab_node
PROBE = "python /mnt/audit/probe.py /mnt/audit/keys.json /run/out/{}\n"
SCRIPT = (
    PROBE.format("before.json")
    + PROBE.format("again.json")
    + """
$B sysctl -w kernel.panic=77
$B mount -o remount,suid,dev /tmp
$B mount -t tmpfs tmpfs /usr/share/licenses
echo confidentiality >/sys/kernel/security/lockdown
echo 0 >/sys/fs/selinux/enforce
echo x >/etc/made-by-somebody
"""
    + PROBE.format("after.json")
)


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Evidence]:
    """Evidence of one node: before, again without a change, and after five changes."""
    needs_tools(*NEEDED)
    keys = json.dumps([str(key) for key in needs(read_benchmarks(SHIPPED))])
    probe = Path(__file__).with_name("probe.py").read_text()
    kit = make_kit(tmp_path_factory.mktemp("lab"), {"keys.json": keys, "probe.py": probe})
    image = built(SMALL_EROFS).path
    line = command_line_of(image).replace(" -- ", " lockdown=integrity -- ", 1)
    ended = boot(kit, "drift", image, line, SCRIPT)
    return {name: load_evidence(ended.text(f"{name}.json").encode()) for name in ("before", "again", "after")}


def drift(before: Evidence, after: Evidence) -> Drift:
    return judge_drift(before, after, policy=DriftPolicy(), today=date(2026, 6, 1))


def unexpected(found: Drift) -> list[Change]:
    return [change for change in found.changes if change.judgement is Judgement.UNEXPECTED]


def test_a_node_that_nobody_touched_has_only_expected_changes(moments: dict[str, Evidence]) -> None:
    assert unexpected(drift(moments["before"], moments["again"])) == []


def test_what_was_changed_at_run_time_is_unexpected_and_nothing_else_is(moments: dict[str, Evidence]) -> None:
    found = unexpected(drift(moments["again"], moments["after"]))
    told = {(change.area, change.subject.partition(":")[2]) for change in found if change.area != "files"}
    assert ("sysctls", "sysctl:kernel.panic") in told
    assert ("mounts", "mount:/tmp#options") in told
    assert ("lockdown", "lockdown:mode") in told
    assert {area for area, _ in told} <= {"sysctls", "mounts", "lockdown", "selinux", "licences"}
    files = [change for change in found if change.area == "files"]
    assert files and all("/share/licenses" in change.subject for change in files)
    assert {change.severity for change in files} == {Severity.CRITICAL}


def test_a_file_that_a_node_made_in_etc_is_documented_behaviour(moments: dict[str, Evidence]) -> None:
    found = drift(moments["again"], moments["after"]).changes
    (made,) = [change for change in found if change.subject.endswith(":/etc/made-by-somebody")]
    assert (made.judgement, made.decided_by) == (Judgement.EXPECTED, "run-time-folder")


def test_a_node_holds_the_files_and_the_tree_of_its_image(moments: dict[str, Evidence]) -> None:
    """The lab's own kernel and first process differ by design: what they decide is left out here."""
    image = look(built(SMALL_EROFS).path, Looking(workers=1), read_benchmarks(SHIPPED))
    bare = replace(image, files=tuple(replace(f, sha256=None) for f in image.files), _files={}, _children={})
    found = unexpected(drift(bare, moments["before"]))
    assert [change for change in found if change.area in ("integrity", "banks", "packages", "files")] == []
    changed = unexpected(drift(bare, moments["after"]))
    assert [c for c in changed if c.area == "files" and "/share/licenses" in c.subject]
