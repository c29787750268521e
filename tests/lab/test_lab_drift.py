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
from tests.api_double import SETTINGS
from tests.conftest import SMALL_EROFS, built
from tests.fake_node import command_line_of
from tests.lab.guest import NEEDED, kernel_tree, module_file
from tests.lab.machine import boot, make_kit
from tests.support import needs_tools

pytestmark = pytest.mark.lab_node
PROBE = "python /mnt/audit/probe.py /mnt/audit/keys.json /run/out/{}\n"
SCRIPT = (
    """
$B cat /mnt/audit/settings.json >/run/settings.json
python /mnt/audit/api.py &
$B insmod /mnt/audit/overlay.ko
while [ ! -S /run/api.sock ]; do $B sleep 1; done
"""
    + PROBE.format("before.json")
    + PROBE.format("again.json")
    + """
$B sysctl -w kernel.panic=77
$B mount -o remount,suid,dev /tmp
$B mount -t tmpfs tmpfs /usr/share/licenses
echo confidentiality >/sys/kernel/security/lockdown
echo 0 >/sys/fs/selinux/enforce
echo x >/etc/made-by-somebody
$B insmod /mnt/audit/dummy.ko
$B mkdir -p /local/upper /local/work
echo "#!/bin/sh" >/local/upper/backdoor
$B mount -t overlay -o lowerdir=/usr/libexec,upperdir=/local/upper,workdir=/local/work overlay /usr/libexec
$B cat /mnt/audit/changed.json >/run/settings.json
"""
    + PROBE.format("after.json")
)
MODULES = ("dummy.ko", "overlay.ko")
API = """import json, os, socket
listener = socket.socket(socket.AF_UNIX)
listener.bind("/run/api.sock")
listener.listen(8)
while True:
    channel, _ = listener.accept()
    path = channel.recv(65536).split(b" ")[1].partition(b"?")[0]
    body = open("/run/settings.json", "rb").read() if path == b"/settings" else b"none"
    status = b"200 OK" if path == b"/settings" else b"404 Not Found"
    channel.sendall(b"HTTP/1.1 %s\\r\\ncontent-length: %d\\r\\n\\r\\n%s" % (status, len(body), body))
    channel.close()
"""


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Evidence]:
    """Evidence of one node: before, again without a change, and after ten changes."""
    needs_tools(*NEEDED)
    keys = json.dumps([str(key) for key in needs(read_benchmarks(SHIPPED))])
    probe = Path(__file__).with_name("probe.py").read_text()
    tree = kernel_tree()
    extra: dict[str, str | bytes] = {name: module_file(tree, name.removesuffix(".ko")) for name in MODULES}
    changed = json.loads(json.dumps(SETTINGS))
    changed["host-containers"]["admin"]["enabled"] = True
    changed["updates"]["metadata-base-url"] = "https://elsewhere.example/"
    extra |= {"keys.json": keys, "probe.py": probe, "api.py": API}
    extra |= {"settings.json": json.dumps(SETTINGS), "changed.json": json.dumps(changed)}
    kit = make_kit(tmp_path_factory.mktemp("lab"), extra)
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
    assert ("modules", "modules:loaded") in told
    assert ("host-containers", 'setting:["host-containers","admin","enabled"]') in told
    assert ("settings", 'setting:["updates","metadata-base-url"]') in told
    assert {area for area, _ in told} <= {
        "sysctls", "mounts", "lockdown", "selinux", "licences", "modules", "kernel", "host-containers", "settings",
    }  # fmt: skip
    files = [change for change in found if change.area == "files"]
    assert files and all("/share/licenses" in change.subject or "/libexec" in change.subject for change in files)
    added = next(change for change in found if change.subject.endswith("/libexec#added"))
    assert added.after == ("backdoor",)
    covers = {change.subject.rpartition("/")[2]: change.after for change in found if "cover:" in change.subject}
    assert covers["libexec"] == "unexpected: overlay, rw"
    assert covers["licenses"] == "unexpected: tmpfs, rw"
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
