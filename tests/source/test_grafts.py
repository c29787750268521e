"""Which mounts of a node are entered, and which stay closed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rocketaudit.errors import SourceError
from rocketaudit.model.budget import Budget
from rocketaudit.model.evidence import LAYER
from rocketaudit.model.filesystem import BadNode
from rocketaudit.source.directory import DirectoryFileSystem
from rocketaudit.source.grafts import find_covers, plan_grafts, upper_names
from rocketaudit.source.mounts import parse_mountinfo
from rocketaudit.source.node_tree import Graft
from rocketaudit.source.tree import Entry
from rocketaudit.source.whereabouts import find_places
from tests.fake_node import MOUNTS, ROOT_MOUNT, FakeNode
from tests.images import Built


def graft_of(node: FakeNode, line: str, point: str) -> Graft | None:
    places = find_places(node.base, rootfs=None, api=None)
    mounts = parse_mountinfo(f"{ROOT_MOUNT}\n{line}\n".encode())
    return plan_grafts(places, mounts, "253:0")[0].get(point.encode())


@pytest.mark.parametrize(
    ("kind", "outside"),
    [("proc", True), ("sysfs", True), ("nfs4", True), ("fuse.sshfs", True), ("ceph", True), ("overlay", False)],
)
def test_these_file_systems_are_never_entered(tmp_path: Path, kind: str, outside: bool) -> None:
    (tmp_path / "srv").mkdir()
    graft = graft_of(FakeNode(tmp_path).make(), f"50 21 0:50 / /srv rw - {kind} x rw", "/srv")
    assert graft is not None and graft.fs is None and graft.outside is outside


def test_a_file_system_of_the_system_is_entered(tmp_path: Path) -> None:
    (tmp_path / "srv").mkdir()
    graft = graft_of(FakeNode(tmp_path).make(), "50 21 8:1 / /srv rw - xfs /dev/sda1 rw", "/srv")
    assert graft is not None and graft.fs is not None


def test_the_protected_root_under_another_name_is_not_read_through_it(tmp_path: Path) -> None:
    (tmp_path / "srv").mkdir()
    graft = graft_of(FakeNode(tmp_path).make(), "50 21 253:0 /usr /srv ro - erofs /dev/root ro", "/srv")
    assert graft is not None and graft.fs is None


def test_a_file_mounted_as_a_disk_is_not_read(tmp_path: Path, small_erofs_image: Built) -> None:
    node = FakeNode(tmp_path, small_erofs_image.path).make()
    node.write("sys/devices/virtual/block/loop0/size", "8\n")
    node.write("sys/devices/virtual/block/loop0/loop/backing_file", "/usr/share/licenses.squashfs\n")
    node.link("sys/dev/block/7:0", "../../devices/virtual/block/loop0")
    (tmp_path / "srv").mkdir()
    graft = graft_of(node, "50 21 7:0 / /srv ro - squashfs /dev/loop0 ro", "/srv")
    assert graft is not None and graft.fs is None and "verity" in graft.reason


def test_no_link_leads_out_of_the_hosts_root(tmp_path: Path) -> None:
    outside = tmp_path / "outside/inner"
    outside.mkdir(parents=True)
    (outside / "secret").write_text("x")
    base = tmp_path / "node"
    node = FakeNode(base).make()
    (base / "srv").symlink_to(tmp_path / "outside")
    graft = graft_of(node, "50 21 8:1 / /srv/inner rw - xfs /dev/sda1 rw", "/srv/inner")
    assert graft is not None and graft.fs is None and "link" in graft.reason
    places = find_places(base, rootfs=None, api=None)
    line = b"50 21 0:50 / /lib/modules rw - overlay overlay rw,lowerdir=/a,upperdir=/srv/inner,workdir=/w\n"
    with pytest.raises(SourceError, match="link"):
        upper_names(places, parse_mountinfo(line)[0])


def test_a_mount_that_may_hang_is_not_even_asked_for_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead server, or a file system whose owner does not answer: stat(2) would wait for ever."""
    base = tmp_path / "node"
    (base / "var/dead").mkdir(parents=True)
    (base / "var/alive").mkdir()
    line = "50 26 0:50 / /var/dead rw - nfs4 server:/x rw"
    node = FakeNode(base, mounts=(*MOUNTS, line)).make()
    asked: list[object] = []
    stat = os.stat

    def told(path: object, **options: object) -> os.stat_result:
        asked.append(path)
        return stat(path, **options)  # type: ignore[arg-type]

    tree = node.open().trees[0]
    monkeypatch.setattr("rocketaudit.source.directory.os.stat", told)
    found = {entry.path: entry.node for entry in tree.walk(Budget()) if isinstance(entry, Entry)}
    assert isinstance(found[b"/var/dead"], BadNode)
    assert "may hang" in found[b"/var/dead"].reason
    assert b"alive" in asked and b"dead" not in asked


@pytest.mark.parametrize("inside", ["srv/inner", "var/../../outside", "srv"])
def test_a_folder_that_becomes_a_link_after_it_was_looked_at_is_not_entered(tmp_path: Path, inside: str) -> None:
    """Opened step by step: the look before it may be out of date when somebody owns the node."""
    base = tmp_path / "node"
    (tmp_path / "outside/inner").mkdir(parents=True)
    (base / "var").mkdir(parents=True)
    (base / "srv").symlink_to(tmp_path / "outside")
    with pytest.raises(SourceError):
        DirectoryFileSystem(str(base), inside=inside)
    DirectoryFileSystem(str(base), inside="var").close()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/usr/share/licenses ro - squashfs /dev/loop0 ro", True),
        ("/usr/share/licenses rw - tmpfs tmpfs rw", False),
        ("/usr/lib/modules rw - overlay overlay rw,lowerdir=/a,upperdir=/u,workdir=/w", True),
        ("/usr/lib/modules rw - tmpfs tmpfs rw", False),
        ("/usr/bin ro - overlay overlay ro,lowerdir=/fips/bin:/usr/bin", True),
        ("/usr/bin ro - overlay overlay ro,lowerdir=/usr/bin,upperdir=/u,workdir=/w", False),
        ("/usr/bin rw - tmpfs tmpfs rw", False),
        ("/usr/bin ro - overlay overlay ro,lowerdir=/local/evil:/usr/bin", False),
        ("/usr/bin ro - overlay overlay ro,lowerdir+=/usr/bin,lowerdir+=/run/evil", False),
        ("/usr/lib/modules rw - overlay overlay rw,lowerdir=/var/evil,upperdir=/u,workdir=/w", False),
        ("/opt/cni rw - overlay overlay rw,lowerdir=/usr/libexec/cni,upperdir=/var/u,workdir=/var/w", True),
        ("/opt/cni rw - tmpfs tmpfs rw", False),
    ],
)
def test_only_what_a_boot_puts_there_is_an_expected_cover(line: str, expected: bool) -> None:
    mounts = parse_mountinfo(f"{ROOT_MOUNT}\n50 21 0:50 / {line}\n".encode())
    assert [cover.is_expected for cover in find_covers(mounts, "253:0")] == [expected]


@pytest.mark.parametrize(
    ("line", "is_layer"),
    [
        ("/opt/cni rw - overlay overlay rw,lowerdir=/usr/libexec/cni,upperdir=/var/u,workdir=/var/w", True),
        ("/usr/lib/modules rw - overlay overlay rw,lowerdir+=/usr/lib/modules,upperdir=/var/u", True),
        ("/usr/lib/modules rw - overlay overlay rw,lowerdir=/local/evil,upperdir=/var/u", False),
        ("/usr/lib/modules rw - overlay overlay rw,lowerdir=evil,upperdir=/var/u", False),
        ("/usr/lib/modules rw - overlay overlay rw,upperdir=/var/u", False),
        ("/usr/libexec rw - overlay overlay rw,lowerdir=/usr/libexec,upperdir=/var/u", False),
        ("/srv rw - overlay overlay rw,lowerdir=/usr/libexec,upperdir=/var/u", False),
    ],
)
def test_only_a_layer_of_every_boot_over_the_protected_root_is_named_one(
    tmp_path: Path, line: str, is_layer: bool
) -> None:
    base = tmp_path / "node"
    FakeNode(base).make()
    places = find_places(base, rootfs=None, api=None)
    mounts = parse_mountinfo(f"{ROOT_MOUNT}\n50 21 0:50 / {line}\n".encode())
    grafts, _ = plan_grafts(places, mounts, "253:0")
    assert grafts[mounts[1].point.encode()].reason.startswith(LAYER) == is_layer


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("0:24 /fake /proc/cmdline ro - tmpfs tmpfs rw", True),
        ("0:20 /version /proc/cmdline rw - proc proc rw", True),
        ("253:9 /x /sys/kernel/security/lockdown ro - ext4 /dev/vda9 rw", True),
        ("0:30 / /sys/kernel/security rw - securityfs securityfs rw", False),
        ("0:31 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw", False),
        ("0:32 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", False),
        ("0:32 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755", False),
        ("0:33 / /system rw - tmpfs tmpfs rw", False),
    ],
)
def test_a_mount_over_what_the_kernel_shows_is_an_unexpected_cover(line: str, found: bool) -> None:
    device, root, point, rest = line.split(" ", 3)
    mounts = parse_mountinfo(f"{ROOT_MOUNT}\n50 21 {device} {root} {point} {rest}\n".encode())
    assert [(cover.path, cover.is_expected) for cover in find_covers(mounts, "253:0")] == [(point, False)] * found


def test_names_in_an_upper_layer_are_counted_before_they_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "node"
    FakeNode(base).make()
    for number in range(30):
        (base / f"var/upper/{number % 3}/{number}").mkdir(parents=True)
    places = find_places(base, rootfs=None, api=None)
    line = b"50 21 0:50 / /lib/modules rw - overlay overlay rw,lowerdir=/a,upperdir=/var/upper,workdir=/w\n"
    (mount,) = parse_mountinfo(line)
    assert len(upper_names(places, mount)) == 33
    with pytest.raises(SourceError, match="more than 20 entries"):
        upper_names(places, mount, limit=20)
    monkeypatch.setattr("rocketaudit.source.directory.MAX_NAMES", 5)
    with pytest.raises(SourceError, match="more than 5 entries"):
        upper_names(places, mount)


@pytest.mark.parametrize("folder", ["/var/lib/bottlerocket", "/local", "/var/lib/containerd", "/var/lib/kubelet/pods"])
def test_data_and_secrets_stay_closed_whatever_is_mounted_there(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder.lstrip("/")).mkdir(parents=True)
    graft = graft_of(FakeNode(tmp_path).make(), f"50 21 8:1 / {folder} rw - ext4 /dev/sda1 rw", folder)
    assert graft is not None and graft.fs is None and graft.outside
