"""A node opened from a folder that looks like one: what is read from where, and what is left alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rocketaudit.analysis.integrity import judge_integrity
from rocketaudit.analysis.node_view import node_findings
from rocketaudit.audit import Looking, look_at
from rocketaudit.cli.running import read_benchmarks
from rocketaudit.errors import SourceError
from rocketaudit.model.budget import Budget
from rocketaudit.model.evidence import OUTSIDE, Evidence
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.model.filesystem import BadNode, FileType
from rocketaudit.model.integrity import IntegrityVerdict
from rocketaudit.model.progress import NoProgress
from rocketaudit.model.target import TargetKind
from rocketaudit.source.device_mapper import MappedDevice
from rocketaudit.source.live import LiveSource, _open_image
from rocketaudit.source.node_tree import NodeFileSystem
from rocketaudit.source.protocol import find_tree
from rocketaudit.source.tree import Entry, Tree
from tests.api_double import api_double
from tests.fake_node import MOUNTS, ROOT_MOUNT, FakeNode, command_line_of
from tests.images import Built

RUNTIME = Plane.RUNTIME


def looked_at(source: LiveSource) -> Evidence:
    benchmarks = read_benchmarks(("container_host", "bottlerocket"))
    try:
        return look_at(source, Looking(workers=1), benchmarks, NoProgress())
    finally:
        source.close()


@pytest.fixture
def node(tmp_path: Path, small_erofs_image: Built) -> FakeNode:
    line = command_line_of(small_erofs_image.path)
    return FakeNode(tmp_path, small_erofs_image.path, line, files={"etc/live.conf": "x"}).make()


def test_running_bank_is_read_from_the_raw_disk_and_called_node(node: FakeNode) -> None:
    source = node.open()
    assert source.target.kind is TargetKind.NODE
    assert source.judged == "node"
    assert source.target.boot_id == "0f5c2bd0-8a1e-4f61-9c36-111111111111"
    tree = find_tree(source, "node")
    assert tree is not None and source.disk is not None
    assert tree.lookup("/usr/lib/os-release")
    assert {bank.scope for bank in source.disk.banks} == {"node", "bank-b"}
    source.close()


def test_whole_node_is_evidence_with_a_verified_tree_and_agreeing_statements(node: FakeNode) -> None:
    evidence = looked_at(node.open())
    bank = next(bank for bank in evidence.verity if bank.scope == "node")
    assert bank.check is not None and bank.check.verdict.value == "verified"
    assert [one.source for one in bank.statements] == ["boot text", "superblock", "kernel command line"]
    assert len({one.parameters.root_hash for one in bank.statements if one.parameters.root_hash}) == 1
    assert all(not one.problems for one in bank.statements)
    assert "node" in evidence.walked
    assert evidence.target.variant


def test_files_of_the_root_have_digests_and_files_of_etc_have_none(node: FakeNode) -> None:
    evidence = looked_at(node.open())
    protected = evidence.file("/usr/lib/os-release")
    live = evidence.file("/etc/live.conf")
    assert protected is not None and protected.sha256
    assert live is not None and live.sha256 is None and live.unread is None


def test_other_commands_of_the_machine_are_not_walked(node: FakeNode) -> None:
    node.write("var/lib/containerd/layer/bin/sh", "#!/bin/sh\n")
    node.write("var/lib/bottlerocket/datastore.json", "{}")
    evidence = looked_at(node.open())
    assert evidence.file("/var/lib/containerd/layer") is None
    assert evidence.file("/var/lib/bottlerocket/datastore.json") is None
    gaps = {gap.path: gap.reason for gap in evidence.gaps if gap.scope == "node"}
    assert gaps["/var/lib/bottlerocket"].startswith(OUTSIDE)
    assert gaps["/proc"].startswith(OUTSIDE)
    assert not evidence.is_known_absent("/var/lib/containerd/layer/bin/sh")


def test_no_partition_that_users_write_is_opened(node: FakeNode) -> None:
    source = node.open()
    assert {"private", "data"} & {tree.scope for tree in source.trees} == set()
    source.close()


def test_without_raw_disk_a_root_that_restarts_on_corruption_is_not_read(node: FakeNode) -> None:
    (node.base / "dev/vda").unlink()
    evidence = looked_at(node.open())
    fact = evidence.get(Key("file", ("/usr/lib/os-release",), "type"), Plane.STATIC)
    assert fact.state is State.UNREAD and "restart" in fact.reason
    assert evidence.get(Key("file", ("/etc/live.conf",), "type"), Plane.STATIC).state is State.PRESENT
    assert evidence.get(Key("kernel_arg", ("root",)), RUNTIME).value == "/dev/dm-0"
    stated = next(bank for bank in evidence.verity if bank.scope == "node")
    assert stated.check is None and stated.unread == "the raw partitions cannot be read from here"


def test_without_raw_disk_the_mounted_root_is_read_when_told_so(node: FakeNode) -> None:
    (node.base / "dev/vda").unlink()
    node.write("usr/lib/os-release", "ID=made\n")
    evidence = looked_at(node.open(accept_restart=True))
    assert evidence.get(Key("os_release", ("ID",)), Plane.STATIC).value == "made"


def test_without_raw_disk_a_root_that_only_refuses_bad_blocks_is_read(tmp_path: Path, small_erofs_image: Built) -> None:
    line = command_line_of(small_erofs_image.path).replace("2 restart_on_corruption ignore_zero_blocks", "0")
    node = FakeNode(tmp_path, small_erofs_image.path, line, files={"usr/lib/os-release": "ID=made\n"}).make()
    (node.base / "dev/vda").unlink()
    evidence = looked_at(node.open())
    assert evidence.get(Key("os_release", ("ID",)), Plane.STATIC).value == "made"


def test_bad_block_of_the_running_bank_is_named_by_its_file(tmp_path: Path, small_ext4_image: Built) -> None:
    copy = tmp_path / "disk.img"
    shutil.copy(small_ext4_image.path, copy)
    line = command_line_of(copy)
    clean = FakeNode(tmp_path / "a", copy, line).make().open()
    tree = find_tree(clean, "node")
    assert tree is not None and clean.disk is not None
    path, node = tree.lookup("/usr/lib/os-release")
    extent = next(tree.fs.extents(node))
    root = next(one for one in clean.disk.partitions if one.scope == "node")
    clean.close()
    with copy.open("r+b") as file:
        file.seek(root.start + (extent.physical or 0))
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    evidence = looked_at(FakeNode(tmp_path / "b", copy, line).make().open())
    bank = next(bank for bank in evidence.verity if bank.scope == "node")
    assert bank.check is not None and bank.check.bad_blocks_total == 1
    assert [owner.path for owner in bank.owners] == [path]


def table_of(line: str) -> str:
    return line.split("dm-mod.create=")[1].strip('"').split('"')[0].split(",", 4)[4].split('"')[0]


def mapped_with(text: str, *, status: str = "V", read_only: bool = True) -> MappedDevice:
    start, length, kind, parameters = text.split(" ", 3)
    words = parameters.split(" ")
    words[1:3] = ["254:4", "254:5"]
    return MappedDevice(
        "root",
        "",
        "253:0",
        read_only,
        ((int(start), int(length), kind, " ".join(words)),),
        ((int(start), int(length), kind, status),),
        "asked",
    )


def test_device_mapper_table_joins_the_statements(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    mapped = mapped_with(table_of(node.command_line))
    monkeypatch.setattr("rocketaudit.source.running_root.ask_kernel", lambda places, name: mapped)
    evidence = looked_at(node.open())
    bank = next(bank for bank in evidence.verity if bank.scope == "node")
    assert bank.statements[-1].source == "device-mapper table"
    assert bank.statements[-1].problems == ()
    assert evidence.get(Key("dm", ("root",), "on_corruption"), RUNTIME).value == "restart"
    assert evidence.get(Key("dm", ("root",), "status"), RUNTIME).value == ("verity V",)


def test_table_of_another_bank_is_a_problem(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    mapped = mapped_with(table_of(node.command_line).replace("254:4", "254:9"))
    swapped = MappedDevice(
        mapped.name,
        mapped.uuid,
        mapped.device,
        False,
        tuple((a, b, c, d.replace("254:4 254:5", "254:9 254:10")) for a, b, c, d in mapped.table),
        ((0, 1, "verity", "C"),),
        "asked",
    )
    monkeypatch.setattr("rocketaudit.source.running_root.ask_kernel", lambda places, name: swapped)
    evidence = looked_at(node.open())
    bank = next(bank for bank in evidence.verity if bank.scope == "node")
    problems = " ".join(bank.statements[-1].problems)
    assert "not the data partition of the running bank" in problems
    assert "not read-only" in problems
    assert "status C" in problems


def test_partition_table_that_was_moved_under_the_running_kernel_is_a_problem(node: FakeNode) -> None:
    """Who rewrites the table lets us read a clean copy, while the kernel goes on with what it read at start."""
    (number,) = [part.partition for part in node.open().running.parts][:1]
    start = node.base / f"sys/devices/pci0/vda/vda{number}/start"
    start.write_text(f"{int(start.read_text()) + 8}\n")
    evidence = looked_at(node.open())
    bank = next(bank for bank in evidence.verity if bank.scope == "node")
    assert f"partition {number} elsewhere" in " ".join(problem for one in bank.statements for problem in one.problems)
    assert judge_integrity(evidence).verdict is IntegrityVerdict.BROKEN


def test_a_hash_tree_on_another_disk_than_the_one_that_was_read_is_a_problem(node: FakeNode) -> None:
    """Its number there may be that of a sound tree here."""
    last = node.open().running.parts[-1]
    other = node.base / f"sys/devices/pci1/vdz/{last.name}"
    other.parent.mkdir(parents=True)
    shutil.copytree(node.base / f"sys/devices/pci0/vda/{last.name}", other)
    link = node.base / f"sys/dev/block/{last.device}"
    link.unlink()
    link.symlink_to(f"../../devices/pci1/vdz/{last.name}")
    evidence = looked_at(node.open())
    bank = next(bank for bank in evidence.verity if bank.scope == "node")
    assert "2 disks" in " ".join(problem for one in bank.statements for problem in one.problems)
    assert judge_integrity(evidence).verdict is IntegrityVerdict.BROKEN


def test_a_file_in_place_of_the_disk_is_not_read_on_a_real_node(tmp_path: Path) -> None:
    disk = tmp_path / "vda"
    disk.write_bytes(b"\0" * 8192)
    with pytest.raises(SourceError, match="somebody put a file in its place"):
        _open_image(disk, "254:0", Budget(), None, is_real=True)


def test_argument_that_no_boot_file_states_is_a_problem(tmp_path: Path, small_erofs_image: Built) -> None:
    line = command_line_of(small_erofs_image.path) + " init=/bin/sh"
    line = line.replace(" -- ", " init=/bin/sh -- ", 1)
    evidence = looked_at(FakeNode(tmp_path, small_erofs_image.path, line).make().open())
    bank = next(bank for bank in evidence.verity if bank.scope == "node")
    assert "init=/bin/sh" in " ".join(bank.statements[-1].problems)


def test_mount_over_programs_is_a_cover_and_one_over_modules_is_expected(node: FakeNode) -> None:
    lines = (
        *MOUNTS,
        "40 21 0:40 / /usr/bin rw - tmpfs tmpfs rw",
        "41 21 0:41 / /lib/modules rw - overlay overlay rw,lowerdir=/lib/modules,upperdir=/var/up,workdir=/var/work",
    )
    node.write("proc/1/mountinfo", "".join(f"{line}\n" for line in lines))
    node.write("var/up/evil.ko", "x")
    evidence = looked_at(node.open())
    assert str(evidence.get(Key("cover", ("/usr/bin",)), RUNTIME).value).startswith("unexpected")
    assert str(evidence.get(Key("cover", ("/lib/modules",)), RUNTIME).value).startswith("expected")
    assert evidence.get(Key("cover", ("/lib/modules",), "added"), RUNTIME).value == ("evil.ko",)


def test_a_node_without_any_view_of_the_host_says_so(tmp_path: Path) -> None:
    node = FakeNode(tmp_path, None, capabilities="0", is_host=False).make()
    (tmp_path / ".bottlerocket/host-containers/control").mkdir(parents=True)
    source = node.open()
    assert source.trees == ()
    evidence = looked_at(source)
    assert evidence.get(Key("node", ("where",)), RUNTIME).value == "the control container"
    fact = evidence.get(Key("file", ("/usr/bin/sh",), "type"), Plane.STATIC)
    assert fact.state is State.UNREAD
    assert evidence.get(Key("mount", ("/",), "options"), RUNTIME).state is State.UNREAD
    assert evidence.get(Key("sysctl", ("kernel.randomize_va_space",)), RUNTIME).value == "2"


def test_root_on_no_mapped_device_is_read_as_it_is_mounted(tmp_path: Path) -> None:
    lines = (ROOT_MOUNT.replace("253:0", "0:99"), *MOUNTS[1:])
    node = FakeNode(tmp_path, None, mounts=lines, files={"usr/lib/os-release": "ID=debian\n"}).make()
    evidence = looked_at(node.open())
    assert evidence.get(Key("os_release", ("ID",)), Plane.STATIC).value == "debian"


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("21 1 0:99 / / ro - tmpfs tmpfs ro", True),
        ("21 1 253:7 / / ro - erofs /dev/root ro", False),  # sysfs shows no such device: nobody knows what is below
        ("21 1 0:99 / / ro - overlay overlay ro,lowerdir=/a:/b", False),  # and here the lower layer may be verified
    ],
)
def test_a_root_of_which_nobody_knows_what_is_below_is_not_read(tmp_path: Path, line: str, read: bool) -> None:
    node = FakeNode(tmp_path, None, mounts=(line, *MOUNTS[1:]), files={"usr/lib/os-release": "ID=debian\n"}).make()
    fact = looked_at(node.open()).get(Key("os_release", ("ID",)), Plane.STATIC)
    assert (fact.state is State.PRESENT) == read


def test_where_there_is_no_bank_to_update_into_the_rule_about_updates_does_not_apply(
    tmp_path: Path, uki_image: Built, small_erofs_image: Built
) -> None:
    """404 alone may also mean that nobody ever asked, as on a node with an empty second bank."""
    for image, state, value in ((uki_image, State.PRESENT, False), (small_erofs_image, State.UNREAD, None)):
        base = tmp_path / state  # short, as the name of a socket must be
        node = FakeNode(base, image.path, command_line_of(image.path)).make()
        with api_double(base / "run/api.sock") as double:
            del double.replies["/updates/status"]
            fact = looked_at(node.open()).get(Key("update", ("status",), "in_place"), RUNTIME)
        assert (fact.state, fact.value) == (state, value)


def test_a_mapped_root_that_does_not_tell_its_name_is_not_read(node: FakeNode) -> None:
    (node.base / "dev/vda").unlink()
    (node.base / "sys/devices/virtual/block/dm-0/dm/name").unlink()
    assert looked_at(node.open()).get(Key("os_release", ("ID",)), Plane.STATIC).state is State.UNREAD


def test_mounted_root_that_hides_or_adds_a_file_is_told(node: FakeNode) -> None:
    """Names are compared only when the tree is whole."""
    source = node.open()
    tree = find_tree(source, "node")
    assert tree is not None and isinstance(tree.fs, NodeFileSystem)
    raw = Tree("raw", "raw", tree.fs.base)
    for item in raw.walk(source.budget):
        assert isinstance(item, Entry) and not isinstance(item.node, BadNode)
        place = node.base / item.path.decode().lstrip("/")
        if item.node.type is FileType.DIRECTORY:
            place.mkdir(parents=True, exist_ok=True)
        elif not place.exists() and not place.is_symlink():
            place.write_text("")
    source.close()
    clean = looked_at(node.open())
    assert clean.get(Key("mounted_view", ("hidden",)), RUNTIME).value == ()
    added = clean.get(Key("mounted_view", ("added",)), RUNTIME).value
    assert isinstance(added, tuple)
    ours = {"proc", "sys", "etc", "dev", "var", "run", "tmp"}
    assert {path for path in added if str(path).split("/")[1] not in ours} == set()
    hidden = next(path for path in (node.base / "x86_64-bottlerocket-linux-gnu").rglob("os-release"))
    hidden.rename(hidden.with_name("evil"))
    found = looked_at(node.open())
    told = found.get(Key("mounted_view", ("hidden",)), RUNTIME).value
    assert told == ("/" + str(hidden.relative_to(node.base)),)
    assert any(str(path).endswith("/evil") for path in found.get(Key("mounted_view", ("added",)), RUNTIME).value or ())
    assert any(one.id == "mounted-view-hidden" for one in node_findings(found))
