"""Where this process runs on a node, told by what it sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from rocketaudit.source.whereabouts import Whereabouts, find_places, find_standing
from tests.fake_node import ALL_POWERS, DEFAULT_POWERS, FakeNode


def host_below(base: Path) -> None:
    for name in ("proc/1", "usr", "run"):
        (base / name).mkdir(parents=True)


def standing_of(base: Path, **environment: str) -> tuple[Whereabouts, Path | None, bool | None]:
    places = find_places(base, rootfs=None, api=None)
    standing = find_standing(places, environment)
    return standing.where, places.rootfs, standing.host_network


def test_host_sees_its_own_root(tmp_path: Path) -> None:
    FakeNode(tmp_path).make()
    assert standing_of(tmp_path) == (Whereabouts.HOST, tmp_path, True)


@pytest.mark.parametrize(
    ("kind", "name", "powers", "where"),
    [
        ("host-containers", "control", False, Whereabouts.CONTROL),
        ("host-containers", "admin", True, Whereabouts.ADMIN),
        ("host-containers", "rocketaudit", False, Whereabouts.CUSTOM),
        ("host-containers", "rocketaudit", True, Whereabouts.SUPERPOWERED),
        ("host-containers", "control", True, Whereabouts.SUPERPOWERED),
        ("bootstrap-containers", "verify", True, Whereabouts.BOOTSTRAP),
    ],
)
def test_host_containers_are_told_apart(tmp_path: Path, kind: str, name: str, powers: bool, where: Whereabouts) -> None:
    FakeNode(tmp_path, capabilities=ALL_POWERS if powers else DEFAULT_POWERS, is_host=False).make()
    (tmp_path / ".bottlerocket" / kind / name).mkdir(parents=True)
    (tmp_path / ".bottlerocket" / kind / "current").mkdir()
    if powers:
        host_below(tmp_path / ".bottlerocket/rootfs")
    root = tmp_path / ".bottlerocket/rootfs" if powers else None
    assert standing_of(tmp_path) == (where, root, True)


@pytest.mark.parametrize(
    ("powers", "where"), [(DEFAULT_POWERS, Whereabouts.POD), (ALL_POWERS, Whereabouts.PRIVILEGED_POD)]
)
def test_a_pod_does_not_know_the_hosts_network(tmp_path: Path, powers: str, where: Whereabouts) -> None:
    FakeNode(tmp_path, capabilities=powers, is_host=False).make()
    host_below(tmp_path / "host")
    found = standing_of(tmp_path, KUBERNETES_SERVICE_HOST="10.0.0.1")
    assert found == (where, tmp_path / "host", None)


def test_a_pod_in_the_hosts_network_knows_it_by_comparison(tmp_path: Path) -> None:
    node = FakeNode(tmp_path, is_host=False).make()
    host_below(tmp_path / "host")
    node.link("proc/self/ns/net", "net:[1]")
    node.link("host/proc/1/ns/net", "net:[1]")
    assert standing_of(tmp_path, KUBERNETES_SERVICE_HOST="10.0.0.1")[2] is True
    (tmp_path / "host/proc/1/ns/net").unlink()
    node.link("host/proc/1/ns/net", "net:[2]")
    assert standing_of(tmp_path, KUBERNETES_SERVICE_HOST="10.0.0.1")[2] is False


def test_without_the_right_to_trace_the_kernels_tables_tell_networks_apart(tmp_path: Path) -> None:
    """Each network has its own inodes; here a hard link stands for the same one."""
    FakeNode(tmp_path, is_host=False).make()
    host_below(tmp_path / "host")
    table = tmp_path / "host/proc/1/net/tcp"
    table.parent.mkdir(parents=True)
    own = tmp_path / "proc/self/net/tcp"
    own.parent.mkdir(parents=True)
    own.write_text("")
    table.hardlink_to(own)
    assert standing_of(tmp_path, KUBERNETES_SERVICE_HOST="10.0.0.1")[2] is True
    table.unlink()
    table.write_text("another")
    assert standing_of(tmp_path, KUBERNETES_SERVICE_HOST="10.0.0.1")[2] is False


def test_what_is_no_node_is_a_container_of_unknown_kind(tmp_path: Path) -> None:
    assert standing_of(tmp_path) == (Whereabouts.CONTAINER, None, None)


def test_label_is_told_by_its_type_whatever_its_level(tmp_path: Path) -> None:
    for number, level in enumerate(("s0-s0:c0.c1023", "s0:c0.c1023", "s0")):
        base = tmp_path / str(number)
        FakeNode(base, label=f"system_u:system_r:control_t:{level}").make()
        assert find_standing(find_places(base, rootfs=None, api=None), {}).label_type == "control_t"
