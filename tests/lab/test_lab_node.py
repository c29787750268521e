"""A machine that boots our own images with the kernel's dm-verity and audits itself; its own tools must agree.

One boot runs the whole command; the others collect evidence with a small script, and are judged out here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rocketaudit.analysis.benchmark import needs
from rocketaudit.audit import TOOL, Judging, judge_evidence
from rocketaudit.cli.main import main
from rocketaudit.cli.running import SHIPPED, read_benchmarks
from rocketaudit.evidence.bundle import evidence_of_bundle
from rocketaudit.formats.bundle import parse_bundle
from rocketaudit.formats.dm_verity_table import parse_table
from rocketaudit.formats.evidence_file import load_evidence
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import JsonValue, Key, Plane, State
from rocketaudit.model.integrity import IntegrityVerdict
from rocketaudit.model.policy import Policy
from rocketaudit.model.report import Report
from rocketaudit.model.verity import TreeVerdict
from tests import api_double
from tests.conftest import SMALL_EROFS, SMALL_EXT4, built
from tests.fake_node import command_line_of, open_it
from tests.lab.containers import configurations
from tests.lab.guest import FIREWALL_MODULES, NEEDED, kernel_tree, module_files
from tests.lab.machine import Boot, Kit, boot, make_kit
from tests.netfilter.scenarios import NATIVE
from tests.support import REPO, needs_tools

pytestmark = pytest.mark.lab_node
RUNTIME = Plane.RUNTIME
BENCHMARKS = ("container_host", "bottlerocket", "kubernetes_worker")
HIDDEN = "/usr/bin/kubelet"  # nothing of this file is read while the node starts
HELD = "/usr/bin/containerd"
OWN_CHECKS = {"1.3.1": "PASS", "1.5.2": "PASS", "1.4.4": "SKIP"}  # as the node's own checker would answer
SHAPES = Path(__file__).with_name("shapes.sh").read_text()
PLACES = ("control", "superpowered", "bootstrap", "pod", "privileged")
RESIDENT = f"hold {HELD}\n$B cat /usr/lib/os-release >/dev/null\ncontain resident\n"
VERITYSETUP = """
set -- $(native dmsetup table root)
part() { $B sed -n s/^DEVNAME=//p "/sys/dev/block/$1/uevent"; }
native veritysetup dump "/dev/$(part $6)" >/run/out/dump
native veritysetup verify "/dev/$(part $5)" "/dev/$(part $6)" "${12}" 2>/run/out/verify
echo $? >/run/out/verify.code
"""


def probe(out: str) -> str:
    return f"python /mnt/audit/probe.py /mnt/audit/keys.json /run/out/{out}\n"


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    needs_tools(*NEEDED)
    folder = tmp_path_factory.mktemp("lab")
    keys = json.dumps([str(key) for key in needs(read_benchmarks(BENCHMARKS))])
    collector = (REPO / "deploy/control/collect.sh").read_text()
    probe_text = Path(__file__).with_name("probe.py").read_text()
    double = Path(api_double.__file__).read_text()
    checks = {number: {"id": number, "status": status, "level": 1} for number, status in OWN_CHECKS.items()}
    replies = {"/report/cis": {"name": "CIS", "version": "v1.0.0", "status": "PASS", "results": checks}}
    texts = {
        "api_double.py": double,
        "replies.json": json.dumps(replies),
        "keys.json": keys,
        "probe.py": probe_text,
        "collect.sh": collector,
        "firewall.nft": NATIVE,
        **firewall_modules(),
        **configurations(),
    }
    return make_kit(folder, texts)


def firewall_modules() -> dict[str, bytes]:
    """What packet filters need of the kernel, named in the order in which they load; this image has none."""
    tree = kernel_tree()
    early = module_files(tree)
    later = [path for path in module_files(tree, FIREWALL_MODULES) if path not in early]
    return {f"filter-{number:02}-{path.name}": path.read_bytes() for number, path in enumerate(later)}


@pytest.fixture(scope="module")
def clean(kit: Kit) -> Boot:
    """EROFS, locked down, the whole command."""
    image = built(SMALL_EROFS).path
    script = f"""{VERITYSETUP}
for module in /mnt/audit/filter-*; do $B insmod "$module"; done
native nft -f /mnt/audit/firewall.nft
native nft -j list ruleset >/run/out/ruleset
python /mnt/audit/api_double.py /run/api.sock /run/out/orders /mnt/audit/replies.json &
while [ ! -S /run/api.sock ]; do $B usleep 100000; done
native dmsetup table root >/run/out/table
native dmsetup status root >/run/out/status
$B sysctl -a >/run/out/sysctl 2>/dev/null
$B lsmod >/run/out/lsmod
$B cat /sys/kernel/security/lockdown >/run/out/lockdown
$B cat /sys/fs/selinux/enforce >/run/out/enforce
$B cat /proc/1/mountinfo >/run/out/mountinfo
python -c 'import resource, sys
from rocketaudit.cli.main import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=open("/run/out/peak", "w"))
sys.exit(code)' node -q --benchmark bottlerocket --io-budget unlimited -o json=/run/out/report.json \\
    -o evidence=/run/out/evidence.json
echo $? >/run/out/code
$B sleep 1
"""
    return boot(kit, "clean", image, f"{command_line_of(image)}".replace(" -- ", " lockdown=integrity -- ", 1), script)


@pytest.fixture(scope="module")
def shapes(kit: Kit) -> Boot:
    """The same node, seen from the containers that `shapes.sh` makes."""
    image = built(SMALL_EROFS).path
    script = (
        SHAPES + "".join(f"contain {name}\n" for name in PLACES) + "contain collector >/run/out/bundle\n" + RESIDENT
    )
    return boot(kit, "shapes", image, command_line_of(image), script)


@pytest.fixture(scope="module")
def corrupt(kit: Kit) -> tuple[Boot, str]:
    """ext4 with restart_on_corruption and one bad byte; the last thing that the node does is to read it."""
    disk = kit.folder / "corrupt.img"
    shutil.copy(built(SMALL_EXT4).path, disk)
    opened = open_it(disk)
    tree = next(one for one in opened.trees if one.scope == "bank-a")
    root = next(one for one in opened.disk.partitions if one.scope == "bank-a")
    path, node = tree.lookup(HIDDEN)
    extent = next(tree.fs.extents(node))
    opened.close()
    with disk.open("r+b") as file:
        file.seek(root.start + (extent.physical or 0) + 4096)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    script = (
        f"{SHAPES}$B ls -l {HIDDEN}\n{RESIDENT}"
        + probe("evidence.json")
        + (
            f"{VERITYSETUP}native dmsetup status root >/run/out/status\nsend\n"
            f"echo READING >/dev/kmsg\n$B cat {HIDDEN} >/dev/null\necho SURVIVED >/dev/kmsg\n"
        )
    )
    return boot(kit, "corrupt", disk, command_line_of(disk), script), path


@pytest.fixture(scope="module")
def tampered(kit: Kit) -> Boot:
    """The kernel is told to go on after corruption, not to enforce SELinux, and something else as first process."""
    image = built(SMALL_EROFS).path
    line = command_line_of(image).replace("restart_on_corruption", "ignore_corruption")
    line = line.replace("enforcing=1", "enforcing=0").replace(" -- ", " init=/mnt/init token=CANARY-0b5e -- ", 1)
    return boot(kit, "tampered", image, line, probe("evidence.json"))


@pytest.fixture(scope="module")
def swapped(kit: Kit) -> Boot:
    """Bank B runs although the partition table says that bank A is next."""
    image = built(replace(SMALL_EROFS, bank_b="same")).path
    return boot(kit, "swapped", image, command_line_of(image, "bank-b"), probe("evidence.json"))


def evidence_of(node: Boot, name: str = "evidence.json") -> Evidence:
    return load_evidence(node.text(name).encode())


def judged(evidence: Evidence) -> Report:
    today = datetime.now(UTC).date()
    return judge_evidence(evidence, Judging(read_benchmarks(BENCHMARKS), Policy(), today))


def value(evidence: Evidence, key: str) -> JsonValue:
    fact = evidence.get(Key.parse(key), RUNTIME)
    assert fact.state is State.PRESENT, f"{key}: {fact.state} {fact.reason}"
    return fact.value


def verdicts(report: Report) -> Mapping[str, str]:
    return {result.rule.id: result.verdict.value for one in report.benchmarks for result in one.results}


def test_shell_collector_gives_the_verdicts_of_python_in_the_control_container(shapes: Boot) -> None:
    """jq and busybox instead of Python; the same place, the same rules, the same answers."""
    bundle = parse_bundle(shapes.text("bundle").encode())
    assert (bundle.problems, bundle.nonce, bundle.where) == ((), "lab-1", "control")
    said = evidence_of_bundle(bundle, needs(read_benchmarks(SHIPPED)), name="node", tool=TOOL)
    read = evidence_of(shapes, "control.json")
    there, here = verdicts(judged(said)), verdicts(judged(read))
    decided = {rule: verdict for rule, verdict in there.items() if verdict in ("pass", "fail")}
    assert len(decided) >= 20
    assert decided == {rule: here[rule] for rule in decided}
    assert [rule for rule, verdict in there.items() if verdict not in ("unknown", here[rule])] == []
    for fact in said.facts:
        other = read.get(fact.key, RUNTIME)
        if fact.state is not State.UNREAD and fact.key.namespace not in ("node", "os") and other.state is State.PRESENT:
            assert fact.value == other.value, str(fact.key)


def test_clean_node_prints_a_full_report(clean: Boot) -> None:
    assert clean.text("code").strip() == "1"  # rules fail; integrity does not
    report = clean.json("report.json")
    assert report["integrity"]["verdict"] == "consistent_unsigned"
    assert report["extra"]["node:where"] == "the host itself"
    assert "device-mapper table and status" in report["extra"]["node:sees"]
    assert not clean.timed_out
    assert int(clean.text("peak")) < 150 << 10


def test_full_report_stands_on_every_kind_of_fact(clean: Boot) -> None:
    evidence = evidence_of(clean)
    runtime = [fact for fact in evidence.facts if fact.plane is RUNTIME]
    seen = {fact.key.namespace for fact in runtime if fact.state is not State.UNREAD}
    assert seen >= {
        "bootconfig", "config", "dm", "fips", "init_arg", "kernel", "kernel_arg", "kernel_command_line", "listening",
        "lockdown", "modules", "mount", "mounted_view", "node", "os_release", "secure_boot", "security_modules",
        "selinux", "sight", "sysctl", "unit", "units", "update_root",
    }  # fmt: skip
    asked_elsewhere = {"setting", "settings", "update", "os", "own_check", "kconfig", "units"}
    unread = {str(fact.key): fact.reason for fact in runtime if fact.state is State.UNREAD}
    no_policy = {"selinux:type", "selinux:policy#version", "selinux:policy#permissive_types"}  # this boot loads none
    assert {key for key in unread if key.partition(":")[0] not in asked_elsewhere} <= no_policy, unread
    assert {one.scope for one in evidence.binaries} >= {"node"}
    assert len([one for one in evidence.files if one.scope == "node" and one.sha256]) > 20


def test_packet_filters_are_what_nft_lists_and_decide_their_six_rules(clean: Boot) -> None:
    evidence = evidence_of(clean)
    objects = clean.json("ruleset")["nftables"]
    listed = [item["chain"] for item in objects if "chain" in item]
    rules = Counter(item["rule"]["chain"] for item in objects if "rule" in item)
    assert rules == {"in": 5, "out": 2}
    for table in ("iptables", "ip6tables"):
        for chain in listed:
            told = value(evidence, f"{table}:{chain['hook'].upper()}#chains")
            assert isinstance(told, tuple)
            (one,) = told
            assert isinstance(one, Mapping)
            assert (one["table"], one["chain"]) == (f"{chain['family']} {chain['table']} (nf_tables)", chain["name"])
            assert (one["priority"], one["policy"]) == (chain["prio"], chain["policy"].upper())
            assert bool(one["rules"]) == bool(rules[chain["name"]])
    found = verdicts(judged(evidence))
    names = ("firewall-denies-by-default", "loopback-is-filtered", "established-connections-are-accepted")
    assert {found[f"{family}-{name}"] for family in ("ipv4", "ipv6") for name in names} == {"pass"}


def test_api_of_the_node_is_asked_and_its_own_checks_are_explained(
    clean: Boot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence = evidence_of(clean)
    assert value(evidence, "os:variant_id") == api_double.OS["variant_id"]
    assert value(evidence, 'setting:["kernel","lockdown"]') == "integrity"
    assert value(evidence, "update:status#state") == "Idle"
    assert clean.text("orders") == "[]"
    path = tmp_path / "evidence.json"
    path.write_bytes(clean.files["evidence.json"])
    assert main(["compare-apiclient", str(path), "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)[0]["checks"]
    found = {row["id"]: row["comparison"] for row in told}
    assert found == {"1.3.1": "agrees", "1.4.4": "only_ours", "1.5.2": "agrees"}


def test_kernels_table_is_what_dmsetup_prints(clean: Boot) -> None:
    evidence = evidence_of(clean)
    assert value(evidence, "dm:root#table") == clean.text("table").strip()
    assert value(evidence, "dm:root#status") == ("verity V",)
    assert clean.text("status").split()[-1] == "V"
    assert value(evidence, "dm:root#root_hash") == parse_table(clean.text("table")).parameters.root_hash


def test_kernel_and_disk_state_the_same_tree(clean: Boot) -> None:
    bank = next(one for one in evidence_of(clean).verity if one.scope == "node")
    sources = ["boot text", "superblock", "kernel command line", "device-mapper table"]
    assert [one.source for one in bank.statements] == sources
    assert [one.problems for one in bank.statements] == [(), (), (), ()]
    assert bank.check is not None and bank.check.recomputed_root_hash == bank.statements[0].parameters.root_hash


def test_tree_is_what_veritysetup_says_of_it(clean: Boot) -> None:
    """Not `veritysetup status`: it knows only devices that it named itself (an uuid that starts with CRYPT-VERITY)."""
    evidence = evidence_of(clean)
    told = dict(re.findall(r"^([A-Za-z ]+):\s+(\S+)", clean.text("dump"), re.MULTILINE))
    assert told["Salt"] == value(evidence, "dm:root#salt")
    assert told["Hash algorithm"] == value(evidence, "dm:root#algorithm")
    assert int(told["Data blocks"]) == value(evidence, "dm:root#data_blocks")
    bank = next(one for one in evidence.verity if one.scope == "node")
    assert bank.check is not None
    assert (bank.check.verdict is TreeVerdict.VERIFIED) == (clean.text("verify.code").strip() == "0")


def test_kernel_parameters_are_what_sysctl_prints(clean: Boot) -> None:
    evidence = evidence_of(clean)
    told = dict(line.split(" = ", 1) for line in clean.text("sysctl").splitlines() if " = " in line)
    compared = 0
    for fact in evidence.find("sysctl", RUNTIME):
        name = fact.key.subject[0]
        if fact.state is State.PRESENT and name in told:
            assert fact.value == " ".join(told[name].split()), name
            compared += 1
    assert compared > 15


def test_mounted_root_shows_what_is_on_the_disk(clean: Boot) -> None:
    evidence = evidence_of(clean)
    assert value(evidence, "mounted_view:hidden") == ()
    assert value(evidence, "mounted_view:added") == ()
    assert int(str(value(evidence, "mounted_view:folders"))) > 20


def test_modules_are_what_lsmod_prints(clean: Boot) -> None:
    told = {line.split()[0] for line in clean.text("lsmod").splitlines()[1:]}
    assert set(value(evidence_of(clean), "modules:loaded") or ()) == told  # type: ignore[arg-type]


def test_lockdown_selinux_and_mounts_are_what_the_kernel_shows(clean: Boot) -> None:
    evidence = evidence_of(clean)
    assert f"[{value(evidence, 'lockdown:mode')}]" in clean.text("lockdown")
    assert value(evidence, "lockdown:mode") == "integrity"
    assert (value(evidence, "selinux:mode") == "enforcing") == (clean.text("enforce").strip() == "1")
    assert value(evidence, "mount:/tmp#fstype") == "tmpfs"
    assert "ro" in (value(evidence, "mount:/#options") or ())  # type: ignore[operator]
    assert value(evidence, "unit:chronyd.service#active") == "active"


def test_secrets_of_the_node_stay_on_it(clean: Boot, tampered: Boot, shapes: Boot) -> None:
    for node in (clean, tampered, shapes):
        assert all(b"CANARY-0b5e" not in data for data in node.files.values())


def test_corrupt_node_survives_the_audit_and_names_the_file(corrupt: tuple[Boot, str]) -> None:
    node, path = corrupt
    report = judged(evidence_of(node))
    assert report.integrity.verdict is IntegrityVerdict.BROKEN
    assert [block.path for block in report.integrity.bad_blocks] == [path]
    assert evidence_of(node).get(Key.parse("mounted_view:hidden"), RUNTIME).state is State.UNREAD
    assert node.text("verify.code").strip() != "0"
    (block,) = report.integrity.bad_blocks
    assert f"at position {block.block * 4096}" in node.text("verify")
    assert node.text("status").split()[-1] == "V"  # the kernel has still not seen the bad block


def test_reading_that_file_through_the_kernel_stops_the_node(corrupt: tuple[Boot, str]) -> None:
    console = corrupt[0].console
    assert "READING" in console
    assert "SURVIVED" not in console
    assert re.search(r"dm-verity device corrupted", console)


@pytest.mark.parametrize("name", ["shapes", "corrupt"])
def test_without_raw_disk_only_what_the_kernel_has_verified_is_read(
    name: str, shapes: Boot, corrupt: tuple[Boot, str]
) -> None:
    """EROFS, and ext4 with a bad block that would stop the node: not one sector is read through the verity device."""
    node = shapes if name == "shapes" else corrupt[0]
    image = built(SMALL_EROFS if name == "shapes" else SMALL_EXT4)
    evidence = evidence_of(node, "resident.json")
    assert node.text("before") == node.text("after") != ""
    assert evidence.get(Key.parse("sight:raw_disk"), RUNTIME).state is State.UNREAD
    assert evidence.get(Key.parse("os_release:ID"), Plane.STATIC).value == "bottlerocket"
    (held,) = [one for one in evidence.files if one.path.endswith(HELD) and one.scope == "node"]
    assert held.sha256 == next(one.sha256 for one in image.manifest if os.fsdecode(one.path) == held.path)
    for path in (HIDDEN, "/usr/lib/no-such-file"):
        fact = evidence.get(Key("file", (path,), "type"), Plane.STATIC)
        assert fact.state is State.UNREAD and "restart the node" in fact.reason
    assert evidence.get(Key.parse("file:/etc/no-such-file#type"), Plane.STATIC).state is State.ABSENT


def test_what_is_decided_without_raw_disk_is_what_the_disk_decides(shapes: Boot) -> None:
    """Files that were not proven make a rule unknown, never passed or failed."""
    less, more = (verdicts(judged(evidence_of(shapes, f"{name}.json"))) for name in ("resident", "privileged"))
    decided = {rule: verdict for rule, verdict in less.items() if verdict in ("pass", "fail")}
    assert len(decided) >= 20
    assert {rule: (verdict, more[rule]) for rule, verdict in decided.items() if more[rule] != verdict} == {}


def test_tampered_command_line_is_seen(tampered: Boot) -> None:
    evidence = evidence_of(tampered)
    report = judged(evidence)
    assert report.integrity.verdict is IntegrityVerdict.BROKEN
    assert "ignore_corruption" in report.integrity.why
    assert "init=/mnt/init" in report.integrity.why
    assert value(evidence, "dm:root#on_corruption") == "ignore"
    assert value(evidence, "selinux:mode") == "permissive"
    assert value(evidence, "lockdown:mode") == "none"
    found = verdicts(report)
    assert found["kernel-lockdown-is-on"] == "fail"
    assert found["selinux-enforces-the-fortified-policy"] == "fail"
    added = next(one for one in report.findings if one.id == "kernel-arguments-added")
    assert "token" in added.detail and "CANARY" not in added.detail


def test_bank_that_runs_is_judged_and_the_other_one_is_told_to_be_next(swapped: Boot) -> None:
    evidence = evidence_of(swapped)
    assert evidence.disk is not None
    assert {bank.scope for bank in evidence.disk.banks} == {"bank-a", "node"}
    assert next(bank for bank in evidence.disk.banks if bank.scope == "node").name == "b"
    report = judged(evidence)
    assert report.integrity.verdict is IntegrityVerdict.CONSISTENT_UNSIGNED
    assert any(one.id == "other-bank-boots-next" for one in report.findings)
    assert {bank.verdict.value for bank in report.integrity.banks} == {"consistent_unsigned"}


@pytest.mark.parametrize(
    ("shape", "where", "capabilities", "disk", "mounts"),
    [
        ("control", "the control container", "00000000a80425fb", False, False),
        ("superpowered", "a custom host container with superpowers (audit)", "000001ffffffffff", True, True),
        ("bootstrap", "a bootstrap container (verify)", "00000000e82535fb", True, True),
        ("pod", "a Kubernetes pod", "0000000000000000", False, True),
        ("privileged", "a privileged Kubernetes pod", "000001ffffffffff", True, True),
    ],
)
def test_every_place_knows_itself_and_sees_all_that_it_may(
    shapes: Boot, shape: str, where: str, capabilities: str, disk: bool, mounts: bool
) -> None:
    """No privilege beyond those that the place is said to have: the kernel would refuse."""
    evidence = evidence_of(shapes, f"{shape}.json")
    assert value(evidence, "node:where") == where
    assert value(evidence, "node:capabilities") == capabilities
    assert value(evidence, "kernel_arg:root") == "/dev/dm-0"
    assert value(evidence, "sysctl:kernel.randomize_va_space") == "2"
    assert value(evidence, "sysctl:net.ipv4.conf.all.send_redirects") in ("0", "1")
    for key, seen in (
        ("sight:raw_disk", disk),
        ("dm:root#table", disk),
        ("mount:/tmp#options", mounts),
        ("lockdown:mode", mounts),
        ("unit:chronyd.service#active", True),
        ("listening:sockets", True),
    ):
        fact = evidence.get(Key.parse(key), RUNTIME)
        assert (fact.state is State.PRESENT) == seen, f"{key}: {fact.state} {fact.reason}"
    release = evidence.get(Key.parse("os_release:ID"), Plane.STATIC)
    assert (release.state is State.PRESENT) == disk
    bank = next(one for one in evidence.verity if one.scope == "node")
    if disk:
        assert bank.check is not None and bank.check.verdict is TreeVerdict.VERIFIED
    else:
        assert bank.check is None and bank.statements[0].source == "kernel command line"


def test_all_boots_together_take_less_than_three_minutes(
    clean: Boot, shapes: Boot, corrupt: tuple[Boot, str], tampered: Boot, swapped: Boot
) -> None:
    """By the CPU, which a machine that others use too does not change; by the clock where nobody else uses it."""
    boots = {"clean": clean, "shapes": shapes, "corrupt": corrupt[0], "tampered": tampered, "swapped": swapped}
    times = {name: (round(one.cpu_seconds), round(one.seconds)) for name, one in boots.items()}
    print(times)
    assert sum(cpu for cpu, _ in times.values()) < 180, times
    if os.getloadavg()[1] < 1.5:
        assert sum(wall for _, wall in times.values()) < 180, times
