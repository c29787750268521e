"""Which mounts of a node are part of its system and safe to read, and which are left alone, and why."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from rocketaudit.errors import FormatError, SourceError
from rocketaudit.model.evidence import LAYER
from rocketaudit.model.filesystem import BadNode, FileType, Node
from rocketaudit.model.records import dataclass
from rocketaudit.source.device_mapper import block_device
from rocketaudit.source.directory import DirectoryFileSystem
from rocketaudit.source.mounts import Mount, is_below, visible
from rocketaudit.source.node_tree import Graft
from rocketaudit.source.places import Places

MAX_GRAFTS = 64
_INTERFACES = (
    "autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue nsfs "
    "proc pstore ramfs rpc_pipefs securityfs selinuxfs sysfs tracefs"
)
KERNEL_INTERFACES = frozenset(_INTERFACES.split())
_REMOTE = ("nfs", "cifs", "smb", "fuse", "ceph", "9p", "lustre", "gluster", "efs", "virtiofs")
# what workloads write, and secrets of the node: PRIVATE (settings, keys) and the folders of host containers
WORKLOADS = (
    "/.bottlerocket",
    "/local",
    "/mnt",
    "/run/containerd",
    "/run/docker",
    "/run/host-containerd",
    "/run/netns",
    "/run/user",
    "/var/lib/bottlerocket",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/lib/host-containerd",
    "/var/lib/kubelet/pods",
    "/var/lib/kubelet/plugins",
    "/var/log/containers",
    "/var/log/pods",
)
# what a boot puts over the system's own folders by design; anything else there is worth a look
_EXPECTED = {
    "/lib/modules": "overlay",
    "/opt/cni": "overlay",
    "/opt/csi": "overlay",
    "/usr/lib/modules": "overlay",
    "/usr/share/licenses": "squashfs",
    "/usr/src/kernels": "overlay",
}
# folders that a node may write: a layer over one of them is no layer over the protected root
_WRITABLE = tuple(
    f"/{name}" for name in ("etc", "var", "run", "local", "tmp", "mnt", "media", "home", "root", "dev", "srv", "proc",
                            "sys", "boot", "opt", ".bottlerocket")
)  # fmt: skip
_FIPS = ("/usr/bin", "/usr/libexec")  # programs of FIPS variants, in an overlay without an upper layer
_SYSTEM = ("/bin", "/lib", "/lib64", "/sbin", "/usr", "/opt/cni", "/opt/csi")  # and plugins that nodes run
_SYS_ROOT = "-bottlerocket-linux-gnu/sys-root"


@dataclass(frozen=True, slots=True)
class Cover:
    """A mount that hides a part of the protected root or of the kernel's own files; `is_expected`: every boot does."""

    mount: Mount
    path: str
    is_expected: bool


def plan_grafts(places: Places, mounts: tuple[Mount, ...], protected: str) -> tuple[dict[bytes, Graft], dict[str, str]]:
    """({mount point: what to do with it}, {mount point: what went wrong}); `protected` is the root's device number."""
    grafts: dict[bytes, Graft] = {path.encode(): _outside("data of workloads or secrets") for path in WORKLOADS}
    problems: dict[str, str] = {}
    entered = 0
    for mount in visible(mounts):
        if mount.point == "/" or any(is_below(mount.point, folder) for folder in WORKLOADS):
            continue
        graft = _without_entering(places, mount, protected)
        if graft is None and entered >= MAX_GRAFTS:
            graft = Graft(None, f"more than {MAX_GRAFTS} mounts; this one is not entered")
        if graft is None:
            graft = _enter(places, mount, problems)
            entered += 1
        if graft is not None:
            grafts[mount.point.encode("utf-8", "surrogateescape")] = graft
    return grafts, problems


def _without_entering(places: Places, mount: Mount, protected: str) -> Graft | None:
    """The graft of a mount that stays closed; None for one to enter."""
    if mount.fstype in KERNEL_INTERFACES:
        return _outside(f"an interface of the kernel ({mount.fstype})")
    if mount.fstype.startswith(_REMOTE):
        return _outside(f"a remote or user-space file system ({mount.fstype}) may hang its reader")
    if mount.fstype == "overlay":
        return Graft(None, f"{_layer(mount)}an overlay: its lower layer is read through the verity device")
    if mount.device == protected:
        return Graft(None, "the protected root under another name")
    if _is_loop(places, mount.device):
        return Graft(None, f"{_layer(mount)}a file mounted as a disk: its bytes may come through the verity device")
    return None


def _enter(places: Places, mount: Mount, problems: dict[str, str]) -> Graft | None:
    path = places.rootfs_path(mount.point.lstrip("/"))
    try:
        if not _is_plain(places, path):
            return Graft(None, "a symbolic link leads there, perhaps out of the host's root")
        if not path.is_dir():
            return None  # a file is mounted over a file: see `find_covers`
        return Graft(_open_inside(places, mount.point))
    except (SourceError, OSError) as error:
        problems[mount.point] = str(error)
        return Graft(None, str(error))


def _open_inside(places: Places, path: str) -> DirectoryFileSystem:
    """A folder of the host, opened step by step: what was no link a moment ago may be one now."""
    return DirectoryFileSystem(str(places.rootfs_path("")), inside=path.strip("/"))


def _is_plain(places: Places, path: Path) -> bool:
    """Whether a path below the host's root goes through no link: one to /etc would lead to this container's own."""
    rootfs = places.rootfs_path("")
    return path.resolve() == rootfs.resolve() / path.relative_to(rootfs)


def _outside(reason: str) -> Graft:
    return Graft(None, reason, outside=True)


def _is_loop(places: Places, number: str) -> bool:
    try:
        return block_device(places, number).is_loop
    except (OSError, FormatError, ValueError):
        return False


def find_covers(mounts: Iterable[Mount], protected: str) -> Iterator[Cover]:
    """Mounts on the system's own programs, libraries and plugins, and on what the kernel shows in /proc and /sys."""
    for mount in visible(tuple(mounts)):
        path = _short(mount.point)
        if _hides_kernel(mount):
            yield Cover(mount, path, is_expected=False)
        if mount.point == "/" or not any(is_below(path, folder) for folder in _SYSTEM):
            continue
        same = mount.device == protected and mount.root == mount.point
        if not same:
            yield Cover(mount, path, _is_expected(mount, path))


def _hides_kernel(mount: Mount) -> bool:
    """A mount in /proc or /sys that is no interface of the kernel, or only a piece of one."""
    if not any(is_below(mount.point, top) for top in ("/proc", "/sys")):
        return False
    if mount.point == "/sys/fs/cgroup" and mount.fstype == "tmpfs":
        return False  # control groups of version 1 are mounted in there, one by one
    return mount.fstype not in KERNEL_INTERFACES or mount.root != "/"


def _is_expected(mount: Mount, path: str) -> bool:
    if any(is_below(lower, folder) for lower in _lowers(mount) for folder in _WRITABLE):
        return False
    if path in _FIPS:
        return mount.fstype == "overlay" and mount.is_read_only and not mount.super_option("upperdir")
    return _EXPECTED.get(path) == mount.fstype and (mount.fstype != "squashfs" or mount.is_read_only)


def _lowers(mount: Mount) -> list[str]:
    """What an overlay lies over, as it was told when it was mounted."""
    listed = [o.partition("=") for o in mount.super_options if o.startswith(("lowerdir=", "lowerdir+="))]
    return [path for _, _, paths in listed for path in paths.split(":") if path]


def _layer(mount: Mount) -> str:
    """The mark of a layer that every boot makes, and that lies over the protected root alone."""
    lowers = _lowers(mount)
    is_known = mount.fstype != "overlay" or (bool(lowers) and all(lower.startswith("/") for lower in lowers))
    return LAYER if is_known and _is_expected(mount, _short(mount.point)) else ""


def _short(path: str) -> str:
    """A path as it is known on the running system: without Bottlerocket's sysroot in front."""
    first, mark, rest = path.partition(_SYS_ROOT)
    return (rest or "/") if mark and "/" not in first.lstrip("/") else path


def upper_names(places: Places, mount: Mount, limit: int = 1000) -> tuple[str, ...]:
    """Paths that an overlay's upper layer holds, relative to it: what was added to or replaced in the lower one.

    SourceError when it cannot be listed to its end: names that nobody saw may be there.
    """
    upper = mount.super_option("upperdir")
    if not upper:
        return ()
    top = places.rootfs_path(upper.lstrip("/"))
    if not _is_plain(places, top):
        raise SourceError(f"the way to {upper} goes through a link")
    fs = _open_inside(places, upper)
    try:
        return tuple(sorted(_names_below(fs, upper, limit)))
    except FormatError as error:
        raise SourceError(f"{upper}: {error}") from error
    finally:
        fs.close()


def _names_below(fs: DirectoryFileSystem, upper: str, limit: int) -> list[str]:
    found: list[str] = []
    pending: list[tuple[str, Node]] = [("", fs.root())]
    while pending:
        prefix, folder = pending.pop()
        for raw, node in fs.entries(folder):
            name = prefix + os.fsdecode(raw)
            if len(found) >= limit:
                raise SourceError(f"{upper} holds more than {limit} entries")
            if isinstance(node, BadNode):
                raise SourceError(f"{upper}/{name}: {node.reason}")
            found.append(name)
            if node.type is FileType.DIRECTORY:
                pending.append((f"{name}/", node))
    return found
