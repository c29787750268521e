"""Where on a node this process runs, from what the kernel and the container's own folders show."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from rocketaudit.model.records import dataclass
from rocketaudit.source.places import ROOTFS, Places, names_in, quiet_text

# fixed inode numbers of the first namespaces: include/linux/proc_ns.h
_FIRST_PIDS, _FIRST_CGROUPS, _FIRST_USERS = "pid:[4026531836]", "cgroup:[4026531835]", "user:[4026531837]"
_CAP_SYS_ADMIN = 21
_SERVICE_ACCOUNT = "var/run/secrets/kubernetes.io"


class Whereabouts(StrEnum):
    HOST = "the host itself"
    CONTROL = "the control container"
    ADMIN = "the admin container"
    CUSTOM = "a custom host container"
    SUPERPOWERED = "a custom host container with superpowers"
    BOOTSTRAP = "a bootstrap container"
    POD = "a Kubernetes pod"
    PRIVILEGED_POD = "a privileged Kubernetes pod"
    CONTAINER = "a container of unknown kind"


@dataclass(frozen=True, slots=True)
class Standing:
    """`label` is the SELinux context, "" without SELinux; `host_network` None when nobody can tell."""

    where: Whereabouts
    name: str
    label: str
    capabilities: int
    host_pids: bool
    host_cgroups: bool
    host_users: bool
    host_network: bool | None

    @property
    def is_admin(self) -> bool:
        """Whether the kernel would let this process administer the system (CAP_SYS_ADMIN)."""
        return bool(self.capabilities >> _CAP_SYS_ADMIN & 1)

    @property
    def label_type(self) -> str:
        """The type of the SELinux context (control_t), which is what policies name; levels differ by release."""
        parts = self.label.split(":")
        return parts[2] if len(parts) > 2 else ""


def find_places(base: Path, *, rootfs: Path | None, api: Path | None) -> Places:
    """Where to look: the given folders, else where host containers and pods usually have them."""
    root = rootfs
    if root is None:
        candidates = [base / ROOTFS, base / "host", base / "rootfs"]
        root = next((path for path in candidates if (path / "proc/1").exists() and (path / "usr").exists()), None)
    if root is None and _is_host(base):
        root = base
    sockets = [base / "run/api.sock", *([root / "run/api.sock"] if root is not None else [])]
    chosen = api or next((path for path in sockets if path.exists()), sockets[0])
    return Places(base, root, base / "proc", base / "sys", chosen)


def _is_host(base: Path) -> bool:
    """Whether this process has the host's process numbers and shares its first process' root."""
    if _link(base / "proc/self/ns/pid") != _FIRST_PIDS or (base / ".bottlerocket").is_dir():
        return False
    try:
        first, own = (base / "proc/1/root").stat(), base.stat()
    except OSError:
        return False
    return (first.st_dev, first.st_ino) == (own.st_dev, own.st_ino)


def find_standing(places: Places, environment: Mapping[str, str]) -> Standing:
    """Who and where we are; never raises: what cannot be told is said to be unknown."""
    base = places.base
    status = quiet_text(places.proc / "self/status") or ""
    fields = dict(line.partition(":")[::2] for line in status.splitlines())
    try:
        capabilities = int(fields.get("CapEff", "0").strip() or "0", 16)
    except ValueError:
        capabilities = 0
    where, name = _classify(places, environment, bool(capabilities >> _CAP_SYS_ADMIN & 1))
    host_pids = _link(base / "proc/self/ns/pid") == _FIRST_PIDS
    return Standing(
        where=where,
        name=name,
        label=quiet_text(places.proc / "self/attr/current") or "",
        capabilities=capabilities,
        host_pids=host_pids,
        host_cgroups=_link(base / "proc/self/ns/cgroup") == _FIRST_CGROUPS,
        host_users=_link(base / "proc/self/ns/user") == _FIRST_USERS,
        host_network=_shares_network(places, where, host_pids=host_pids),
    )


def _classify(places: Places, environment: Mapping[str, str], is_admin: bool) -> tuple[Whereabouts, str]:
    base = places.base
    own = base / ".bottlerocket"
    if environment.get("KUBERNETES_SERVICE_HOST") or (base / _SERVICE_ACCOUNT).is_dir():
        return (Whereabouts.PRIVILEGED_POD if is_admin else Whereabouts.POD), ""
    if (own / "bootstrap-containers").is_dir():
        return Whereabouts.BOOTSTRAP, _own_name(own / "bootstrap-containers")
    if (own / "host-containers").is_dir():
        name = _own_name(own / "host-containers")
        powers = (base / ROOTFS).is_dir()
        if name == "admin" and powers:
            return Whereabouts.ADMIN, name
        if name == "control" and not powers:
            return Whereabouts.CONTROL, name
        return (Whereabouts.SUPERPOWERED if powers else Whereabouts.CUSTOM), name
    if _is_host(base):
        return Whereabouts.HOST, ""
    return Whereabouts.CONTAINER, ""


def _own_name(folder: Path) -> str:
    return next((name for name in names_in(folder, 64) if name != "current"), "")


def _shares_network(places: Places, where: Whereabouts, *, host_pids: bool) -> bool | None:
    """Host containers always share the host's network; otherwise only a comparison with process 1 tells.

    Without CAP_SYS_PTRACE the kernel does not name the namespace of process 1, but each namespace has its own entries
    under net, whose inode numbers no other has (fs/proc/generic.c: proc_alloc_inum).
    """
    if where not in (Whereabouts.POD, Whereabouts.PRIVILEGED_POD, Whereabouts.CONTAINER):
        return True
    first = places.proc / "1" if host_pids else None if places.host_proc is None else places.host_proc / "1"
    if first is None:
        return None
    mine, theirs = _link(places.proc / "self/ns/net"), _link(first / "ns/net")
    if mine and theirs:
        return mine == theirs
    own, its = _inode(places.proc / "self/net/tcp"), _inode(first / "net/tcp")
    return own == its if own and its else None


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
