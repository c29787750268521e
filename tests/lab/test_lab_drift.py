"""A running node against itself a moment ago, and against the image that it was started from."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from rocketaudit.analysis.benchmark import needs
from rocketaudit.analysis.drift import judge_drift
from rocketaudit.analysis.drift.judge import decide
from rocketaudit.audit import Looking, look
from rocketaudit.cli.main import main
from rocketaudit.cli.running import SHIPPED, read_benchmarks
from rocketaudit.formats.evidence_file import load_evidence
from rocketaudit.model.change import Change, Drift, Judgement, Relation
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Key, Plane
from rocketaudit.model.policy import DriftException, DriftPolicy
from rocketaudit.model.verdict import Severity
from tests.fake_node import command_line_of
from tests.lab.guest import NEEDED, kernel_tree, module_file, module_files
from tests.lab.machine import LAB_ARGUMENTS, boot, make_kit
from tests.lab.release import MORE_MODULES, POLICY_VERSION, make_release
from tests.lab.started import at_start
from tests.netfilter.scenarios import NATIVE
from tests.support import needs_tools

pytestmark = pytest.mark.lab_node
PROBE = "python /mnt/audit/probe.py /mnt/audit/keys.json /run/out/{}\n"
FULL = "python /mnt/audit/probe.py /mnt/audit/keys.json /run/out/{} full\n"
SCRIPT = (
    """
$B mount -o remount,nosuid,nodev,noexec /proc
$B ln -s ../usr/share/factory/etc/selinux /etc/selinux
$B ln -s ../usr/lib/os-release /etc/os-release
$B dd if=/etc/selinux/fortified/policy/policy.31 of=/sys/fs/selinux/load bs=16M
echo "policy: $?, enforcing $($B cat /sys/fs/selinux/enforce)"
for module in MODULES; do
    $B insmod "$($B find /lib/modules/ -name $module.ko)"
done
$B mkdir -p /etc/cni /var/lib/cni-plugins/upper /var/lib/cni-plugins/work
$B mount -t tmpfs -o nosuid,nodev,noexec,noatime,mode=0755 tmpfs /etc/cni
upper=/var/lib/cni-plugins/upper work=/var/lib/cni-plugins/work
$B mount -t overlay -o nosuid,nodev,noatime,lowerdir=/usr/libexec/cni,upperdir=$upper,workdir=$work overlay /opt/cni
$B mount -t ext4 -o nosuid,nodev,noexec,noatime /dev/vdaPRIVATE /var/lib/bottlerocket
$B grep -q "overlay /opt/cni overlay" /proc/mounts && $B ls /opt/cni
native nft -f /mnt/audit/firewall.nft && echo "packet filters set"
$B cat /mnt/audit/settings.json >/run/settings.json
$B sysctl -e -q -p /mnt/audit/sysctl.conf
$B mkdir -p /etc/containerd
$B cat /mnt/audit/kubelet >/etc/kubernetes/kubelet/config
$B cat /mnt/audit/containerd >/etc/containerd/config.toml
$B cat /mnt/audit/chrony >/etc/chrony.conf
python /mnt/audit/api.py &
while [ ! -S /run/api.sock ]; do $B sleep 1; done
"""
    + FULL.format("before.json")
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
LOWERED = PROBE.format("lowered.json")
MODULES = ("dummy.ko",)
SYSTEM = "/x86_64-bottlerocket-linux-gnu/"
API = """import json, os, socket
listener = socket.socket(socket.AF_UNIX)
os.umask(0o117)
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


@dataclass(frozen=True)
class Lab:
    """Evidence of one node: before, again without a change, and after ten changes; and its release.

    The release holds all that the node boots and loads. Only `before` has digests and programs. `lowered` is another
    boot of it, without the lockdown that its boot text asks for.
    """

    image: Path
    before: Path
    moments: dict[str, Evidence]
    release: Evidence
    lowered: Evidence


def as_probed(release: Evidence) -> Evidence:
    """Evidence as the probe collects it in a hurry: without digests and programs."""
    files = tuple(replace(one, sha256=None, content="") for one in release.files)
    return replace(release, files=files, binaries=(), _files={}, _children={})


def look_at(path: Path) -> Evidence:
    return look(path, Looking(workers=1), read_benchmarks(SHIPPED))


def loaded_later(tree: Path) -> list[str]:
    """The modules that the node loads as it runs, in their order, without those that its initramfs has loaded."""
    early = module_files(tree)
    return [path.stem for path in module_files(tree, MORE_MODULES) if path not in early]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    needs_tools(*NEEDED)
    folder = tmp_path_factory.mktemp("lab")
    image = make_release(folder, f"lockdown=integrity {LAB_ARGUMENTS}")
    release = look_at(image.path)
    keys = json.dumps([str(key) for key in needs(read_benchmarks(SHIPPED))])
    probe = Path(__file__).with_name("probe.py").read_text()
    tree = kernel_tree()
    extra: dict[str, str | bytes] = {name: module_file(tree, name.removesuffix(".ko")) for name in MODULES}
    extra |= at_start(release)
    changed = json.loads(extra["settings.json"])
    changed["host-containers"]["admin"]["enabled"] = True
    changed["updates"]["metadata-base-url"] = "https://elsewhere.example/"
    extra["firewall.nft"] = NATIVE
    extra |= {"keys.json": keys, "probe.py": probe, "api.py": API, "changed.json": json.dumps(changed)}
    kit = make_kit(folder, extra)
    private = str(list(image.partitions).index("PRIVATE") + 1)
    line, modules = command_line_of(image.path), " ".join(loaded_later(tree))
    ended = boot(
        kit,
        "drift",
        image.path,
        line,
        SCRIPT.replace("MODULES", modules, 1).replace("PRIVATE", private, 1),
        arguments="",
    )
    assert "policy: 0, enforcing 1" in ended.log and "README\npacket filters set" in ended.log, ended.log
    lowered = boot(kit, "lowered", image.path, line.replace("lockdown=integrity ", ""), LOWERED, arguments="")
    moments = {name: load_evidence(ended.text(f"{name}.json").encode()) for name in ("before", "again", "after")}
    before = folder / "before.json"
    before.write_bytes(ended.files["before.json"])
    return Lab(image.path, before, moments, release, load_evidence(lowered.text("lowered.json").encode()))


@pytest.fixture(scope="module")
def moments(lab: Lab) -> dict[str, Evidence]:
    return lab.moments


def drift(before: Evidence, after: Evidence) -> Drift:
    return judge_drift(before, after, policy=DriftPolicy(), today=date(2026, 6, 1))


def unexpected(found: Drift) -> list[Change]:
    return [change for change in found.changes if change.judgement is Judgement.UNEXPECTED]


def test_a_node_that_nobody_touched_has_only_expected_changes(moments: dict[str, Evidence]) -> None:
    found = drift(as_probed(moments["before"]), moments["again"])
    assert unexpected(found) == []
    assert decide(found, "unexpected") == (0, ())


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


OUTSIDE = {
    f"judged-root:{path}" for path in ("/dev", "/local", "/mnt", "/opt/cni", "/proc", "/sys", "/var/lib/bottlerocket")
}


def test_a_clean_node_has_only_expected_changes_from_its_release(lab: Lab) -> None:
    """Every file by its digest, every program, and what runs; what no release and no such kernel tells is named."""
    found = drift(lab.release, lab.moments["before"])
    assert found.relation is Relation.SAME_RELEASE
    assert [(c.area, c.subject, c.before, c.after) for c in unexpected(found)] == []
    untold = {c.subject: c for c in found.changes if c.judgement is Judgement.CANNOT_SAY}
    assert {c.decided_by for c in untold.values()} == {"not-comparable"}
    unstated = {c.subject for c in untold.values() if c.why.startswith("no release states it")}
    assert unstated >= {"node:listening", "node:units", "node:secure_boot"}
    assert untold.keys() - unstated == OUTSIDE | {"node:kconfig"}
    assert {c.decided_by for c in found.changes if c.judgement is Judgement.EXPECTED} == {"run-time-folder", "mounted"}
    assert decide(found, "unexpected") == (0, ())
    compared = [one for one in lab.moments["before"].files if one.sha256 is not None and one.path.startswith(SYSTEM)]
    assert len(compared) > 50 and len(lab.moments["before"].binaries) > 20


def test_the_command_finds_no_drift_of_a_clean_node_from_its_image(lab: Lab, tmp_path: Path) -> None:
    """Rules and scores with it: none of what runs breaks a rule that the image could not be asked."""
    out = tmp_path / "drift.json"
    assert main(["drift", str(lab.image), str(lab.before), "-q", "-o", f"json={out}"]) == 0
    document = json.loads(out.read_text())
    told = document["changes"]
    assert [one for one in told if one["judgement"] == "unexpected"] == []
    assert {one["decided_by"] for one in told} == {
        "run-time-folder", "not-comparable", "another-kind", "rule-turned", "score-moved",
        "mounted",
    }  # fmt: skip


def test_the_release_brings_all_that_the_lab_boots_and_loads(lab: Lab) -> None:
    """So that nothing above is equal because neither side has it."""
    (kernel,) = (kernel_tree() / "boot").glob("vmlinuz-*")  # what QEMU was given
    (shipped,) = [one for one in lab.release.scope_files("boot-a") if one.path == "/vmlinuz"]
    assert shipped.sha256 == sha256(kernel.read_bytes()).hexdigest()
    node = lab.moments["before"]
    assert {"dm_verity", "erofs", "nf_conntrack", "overlay", "virtio_blk"} <= set(told(node, "modules:loaded"))
    assert node.get(Key.parse("selinux:policy#version"), Plane.RUNTIME).value == POLICY_VERSION
    assert node.get(Key.parse("selinux:mode"), Plane.RUNTIME).value == "enforcing"
    assert node.get(Key.parse("selinux:type"), Plane.RUNTIME).value == "fortified"
    assert node.get(Key.parse("sysctl:net.netfilter.nf_conntrack_max"), Plane.RUNTIME).value == "1048576"
    assert node.get(Key.parse("setting:motd"), Plane.RUNTIME).value == "A test image"


def told(node: Evidence, key: str) -> tuple[str, ...]:
    value = node.get(Key.parse(key), Plane.RUNTIME).value
    assert isinstance(value, tuple)
    return tuple(str(part) for part in value)


RUN_TIME = {
    ("sysctls", "sysctl:kernel.panic", "anything-else"),
    ("modules", "module:dummy", "foreign-module"),
    ("selinux", "selinux:mode", "kernel-protection"),
    ("host-containers", 'setting:["host-containers","admin","enabled"]', "host-container"),
    ("settings", 'setting:["updates","metadata-base-url"]', "anything-else"),
    ("mounts", "mount:/tmp#options", "anything-else"),
}


def test_what_was_changed_at_run_time_is_told_against_the_release_too(lab: Lab) -> None:
    found = unexpected(drift(as_probed(lab.release), lab.moments["after"]))
    told = {(c.area, c.subject.partition(":")[2], c.decided_by) for c in found}
    assert told >= RUN_TIME
    (added,) = [c for c in found if c.subject.endswith("/libexec#added")]
    assert (added.decided_by, added.after, added.severity) == ("overlay", ("backdoor",), Severity.HIGH)
    rest = {(area, subject) for area, subject, _ in told - RUN_TIME}
    assert all(area in ("files", "licences") or subject.startswith("cover:") for area, subject in rest), rest


def test_a_lockdown_lower_than_the_release_asks_for_is_unexpected(lab: Lab) -> None:
    """A kernel that booted without it, as /sys/kernel/security/lockdown says; nobody can lower it later."""
    found = unexpected(drift(as_probed(lab.release), lab.lowered))
    (lowered,) = [c for c in found if c.area == "lockdown"]
    assert (lowered.decided_by, lowered.before, lowered.after) == ("kernel-protection", "integrity", "none")
    (argument,) = [c for c in found if c.area == "kernel-arguments"]
    assert (argument.decided_by, argument.subject) == ("boot-text", "node:kernel_arg:lockdown")
    (against_itself,) = [c for c in unexpected(drift(lab.moments["again"], lab.lowered)) if c.area == "lockdown"]
    assert (against_itself.before, against_itself.after) == ("integrity", "none")
    assert [c for c in unexpected(drift(lab.release, lab.moments["before"])) if c.area == "lockdown"] == []


def test_a_policy_accepts_one_of_the_changes_and_no_other(lab: Lab) -> None:
    allow = DriftException("asked for", "ada", date(2099, 1, 1), area="sysctls", subject="sysctl:kernel.panic")
    found = judge_drift(
        as_probed(lab.release), lab.moments["after"], policy=DriftPolicy(allow=(allow,)), today=date(2026, 6, 1)
    ).changes
    (change,) = [c for c in found if c.subject == "node:sysctl:kernel.panic"]
    assert (change.judgement, change.decided_by) == (Judgement.EXPECTED, "policy-allow")
    assert {c.subject for c in found if c.judgement is Judgement.UNEXPECTED} >= {"node:module:dummy"}
