"""A machine that boots our own images with the kernel's dm-verity and audits itself; its own tools must agree.

One boot runs the whole command; the others collect evidence with a small script, and are judged out here.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rocketaudit.analysis.benchmark import needs
from rocketaudit.audit import TOOL, Judging, judge_evidence
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
from tests.conftest import SMALL_EROFS, SMALL_EXT4, built
from tests.fake_node import command_line_of, open_it
from tests.lab.guest import NEEDED
from tests.lab.machine import Boot, Kit, boot, make_kit
from tests.support import REPO, needs_tools

pytestmark = pytest.mark.lab_node
RUNTIME = Plane.RUNTIME
BENCHMARKS = ("container_host", "bottlerocket", "kubernetes_worker")
HIDDEN = "/usr/bin/kubelet"  # nothing of this file is read while the node starts


def probe(out: str) -> str:
    return f"python /mnt/audit/probe.py /mnt/audit/keys.json /run/out/{out}\n"


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    needs_tools(*NEEDED)
    folder = tmp_path_factory.mktemp("lab")
    keys = json.dumps([str(key) for key in needs(read_benchmarks(BENCHMARKS))])
    collector = (REPO / "deploy/control/collect.sh").read_text()
    probe_text = Path(__file__).with_name("probe.py").read_text()
    return make_kit(folder, {"keys.json": keys, "probe.py": probe_text, "collect.sh": collector})


@pytest.fixture(scope="module")
def clean(kit: Kit) -> Boot:
    """EROFS, locked down, the whole command."""
    image = built(SMALL_EROFS).path
    script = """
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
"""
    return boot(kit, "clean", image, f"{command_line_of(image)}".replace(" -- ", " lockdown=integrity -- ", 1), script)


@pytest.fixture(scope="module")
def shapes(kit: Kit) -> Boot:
    """The same node, seen from places that are mounted like host containers and a pod."""
    image = built(SMALL_EROFS).path
    script = "shapes() {\n" + SHAPES + "}\nshapes\n"
    return boot(kit, "shapes", image, command_line_of(image), script)


SHAPES = """
for shape in control superpowered pod; do
    top=/local/$shape
    $B mkdir -p $top/mnt $top/proc $top/sys $top/run $top/tmp $top/dev $top/usr $top/etc
    $B mount -o bind /mnt $top/mnt
    $B mount -o bind /mnt/audit $top/mnt/audit
    case $shape in
    control) $B mkdir -p $top/.bottlerocket/host-containers/control ;;
    superpowered)
        $B mkdir -p $top/.bottlerocket/host-containers/audit $top/.bottlerocket/rootfs
        $B mount -o rbind,ro / $top/.bottlerocket/rootfs ;;
    pod)
        $B mkdir -p $top/host $top/var/run/secrets/kubernetes.io
        $B mount -o rbind,ro / $top/host
        $B mount -t tmpfs tmpfs $top/host/dev ;;
    esac
    $B cat /mnt/audit/probe.py >$top/probe.py
    $B cat /mnt/audit/keys.json >$top/keys.json
    $B unshare -m -p -f $B chroot $top /mnt/bin/busybox sh -c '
        B=/mnt/bin/busybox
        $B mount -t proc proc /proc
        $B mount -t sysfs sysfs /sys
        PYTHONHOME=/mnt/py PYTHONPATH=/mnt/audit PYTHONDONTWRITEBYTECODE=1 /mnt/lib/ld-linux-x86-64.so.2 \\
            --library-path /mnt/lib /mnt/py/bin/python3 /probe.py /keys.json /evidence.json'
    $B cat $top/evidence.json >/run/out/$shape.json
    if [ $shape = control ]; then
        $B cat /mnt/audit/collect.sh >$top/collect.sh
        $B mkdir -p $top/bin
        for tool in cat date gzip head readlink sed timeout tr; do $B ln -s /mnt/bin/busybox $top/bin/$tool; done
        echo '#!/mnt/bin/busybox sh
exec /mnt/lib/ld-linux-x86-64.so.2 --library-path /mnt/lib /mnt/bin/jq "$@"' >$top/bin/jq
        $B chmod 755 $top/bin/jq
        $B unshare -m -p -f $B chroot $top /mnt/bin/busybox sh -c '
            B=/mnt/bin/busybox
            $B mount -t proc proc /proc
            $B mount -t sysfs sysfs /sys
            $B mount -t tmpfs tmpfs /dev && $B mknod -m 666 /dev/null c 1 3
            PATH=/bin $B sh /collect.sh --nonce lab-1 >/bundle'
        $B cat $top/bundle >/run/out/bundle
    fi
done
"""


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
    script = probe("evidence.json") + (
        "native dmsetup status root >/run/out/status\nsend\n"
        f"echo READING >/dev/kmsg\n$B cat {HIDDEN} >/dev/null\necho SURVIVED >/dev/kmsg\n"
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
    assert node.text("status").split()[-1] == "V"  # the kernel has still not seen the bad block


def test_reading_that_file_through_the_kernel_stops_the_node(corrupt: tuple[Boot, str]) -> None:
    console = corrupt[0].console
    assert "READING" in console
    assert "SURVIVED" not in console
    assert re.search(r"dm-verity device corrupted", console)


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
    ("shape", "where", "disk", "files"),
    [
        ("control", "the control container", False, False),
        ("superpowered", "a custom host container with superpowers (audit)", True, True),
        ("pod", "a privileged Kubernetes pod", False, False),
    ],
)
def test_every_place_knows_itself_and_what_it_sees(
    shapes: Boot, shape: str, where: str, disk: bool, files: bool
) -> None:
    evidence = evidence_of(shapes, f"{shape}.json")
    assert value(evidence, "node:where") == where
    assert (evidence.get(Key.parse("sight:raw_disk"), RUNTIME).state is State.PRESENT) == disk
    release = evidence.get(Key.parse("os_release:ID"), Plane.STATIC)
    assert (release.state is State.PRESENT) == files
    assert value(evidence, "kernel_arg:root") == "/dev/dm-0"
    assert value(evidence, "sysctl:kernel.randomize_va_space") == "2"
    mounts = evidence.get(Key.parse("mount:/tmp#options"), RUNTIME)
    assert (mounts.state is State.PRESENT) == (shape != "control")
    if not disk:
        bank = next(one for one in evidence.verity if one.scope == "node")
        assert bank.check is None and bank.statements[0].source == "kernel command line"
