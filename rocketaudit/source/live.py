"""A running node as a target: its protected root read from the raw disk, its /proc, /sys and API beside it.

Files of a verity-protected root are never read through the mapped device while its tree is unproven: with
restart_on_corruption one bad block restarts the node. The raw partitions tell the same without that.
"""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rocketaudit.errors import RocketauditError, SourceError
from rocketaudit.model.bank_verity import BankVerity
from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import Container, DiskSummary
from rocketaudit.model.evidence import OUTSIDE, Gap
from rocketaudit.model.filesystem import FileSystem
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass
from rocketaudit.model.target import Target, TargetKind
from rocketaudit.model.verity import TreeVerdict
from rocketaudit.source.api_client import ApiClient
from rocketaudit.source.device_mapper import (
    partitions_of,
)
from rocketaudit.source.directory import DirectoryFileSystem
from rocketaudit.source.disk import Disk
from rocketaudit.source.gently import PacedReader
from rocketaudit.source.grafts import plan_grafts
from rocketaudit.source.image import ImageSource, open_parts
from rocketaudit.source.in_use import files_in_use
from rocketaudit.source.node_tree import TOP_NAMES, NodeFileSystem, WithheldFileSystem
from rocketaudit.source.places import NODE, Places, error_text, names_in, quiet_text
from rocketaudit.source.proven import ProvenFileSystem
from rocketaudit.source.raw import open_raw
from rocketaudit.source.resident import is_supported
from rocketaudit.source.running_root import Running, ask_running, why_not_to_read
from rocketaudit.source.tree import Tree
from rocketaudit.source.whereabouts import Standing, find_standing

_OWN_FILES = ("private", "data")  # scopes of what users and the API write: never opened on a node


@dataclass(frozen=True, slots=True)
class Asking:
    """How to open a node. `accept_restart`: read through the verity device although a bad block would stop the node."""

    rate: float | None = None
    accept_restart: bool = False
    environment: Mapping[str, str] | None = None
    name: str = ""


@dataclass(slots=True)
class LiveSource:
    """An opened node; `reader` is the disk that holds the running root, None where it cannot be read."""

    places: Places
    standing: Standing
    running: Running
    api: ApiClient
    target: Target
    trees: tuple[Tree, ...]
    disk: DiskSummary | None
    gaps: tuple[Gap, ...]
    budget: Budget
    reader: Reader | None
    disk_reason: str
    image: ImageSource | None
    judged: str = NODE
    proven: bool = False

    def take_verity(self, banks: Sequence[BankVerity]) -> None:
        """What recomputing the trees gave: from now on the mounted root may be listed if the running one is whole."""
        self.proven = any(
            bank.scope == NODE and bank.check is not None and bank.check.verdict is TreeVerdict.VERIFIED
            for bank in banks
        )

    def close(self) -> None:
        if self.image is not None:
            self.image.close()


def open_node(places: Places, budget: Budget, asking: Asking) -> LiveSource:
    """The node seen from `places`; what cannot be seen is a gap or a reason, never an error."""
    standing = find_standing(places, os.environ if asking.environment is None else asking.environment)
    running = ask_running(places, standing)
    image, disk_reason = _open_disk(places, running, budget, asking.rate)
    target = _target(places, asking.name)
    if image is not None:
        image = _as_node(image, running, target.name)
        target = replace(target, layout=image.target.layout)
    trees, gaps = _trees(places, standing, running, image, asking, target.name)
    return LiveSource(
        places=places,
        standing=standing,
        running=running,
        api=ApiClient(places.api),
        target=target,
        trees=trees,
        disk=None if image is None else image.disk,
        gaps=gaps,
        budget=budget,
        reader=None if image is None else image.reader,
        disk_reason=disk_reason,
        image=image,
    )


def _target(places: Places, name: str) -> Target:
    kernel = places.proc / "sys/kernel"
    return Target(
        name=name or quiet_text(kernel / "hostname", 256) or NODE,
        kind=TargetKind.NODE,
        container="node",
        arch=platform.machine(),
        boot_id=quiet_text(kernel / "random/boot_id", 256),
        kernel_version=quiet_text(kernel / "osrelease", 256) or "",
    )


def _open_disk(places: Places, running: Running, budget: Budget, rate: float | None) -> tuple[ImageSource | None, str]:
    """The disk under the running root as an image, or why it cannot be read."""
    disk = next((part.disk for part in running.parts if part.disk), "") or _labelled_disk(places)
    number = quiet_text(places.sys / "block" / disk / "dev") or ""
    if not disk:
        return None, "no disk with the node's partitions is shown by sysfs"
    reason = f"no device file of {disk}"
    for base in (places.base, places.rootfs):
        path = None if base is None else base / "dev" / disk
        if path is None or not path.exists():
            continue
        try:
            return _open_image(path, number, budget, rate, is_real=places.is_real), ""
        except (RocketauditError, OSError) as error:
            reason = error_text(error)
    return None, reason


def _labelled_disk(places: Places) -> str:
    for name in names_in(places.sys / "block", 4096):
        if any(part.label.startswith("BOTTLEROCKET-ROOT") for part in partitions_of(places, name)):
            return name
    return ""


def _open_image(path: Path, number: str, budget: Budget, rate: float | None, *, is_real: bool) -> ImageSource:
    raw, identity = open_raw(path)
    try:
        status = os.fstat(raw.descriptor)
        if is_real and not stat.S_ISBLK(status.st_mode):
            raise SourceError(f"{path} is no block device: somebody put a file in its place")
        if stat.S_ISBLK(status.st_mode) and f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" != number:
            raise SourceError(f"{path} is not the device {number} that the kernel means")
        container = Container("raw", ("raw",), raw.size, raw.size)
        disk = Disk(path, PacedReader(raw, rate), container, identity, raw, raw)
        return open_parts(path, disk, budget)
    except BaseException:
        raw.close()
        raise


def _as_node(image: ImageSource, running: Running, name: str) -> ImageSource:
    """The image with the running bank's scope called "node", and without the partitions that users write."""
    numbers = {part.partition for part in running.parts if part.partition is not None}
    summary = image.disk
    old = next((bank.scope for bank in summary.banks if bank.root in numbers), image.judged)

    def renamed(scope: str) -> str:
        return NODE if scope == old else scope

    summary = replace(
        summary,
        partitions=tuple(replace(one, scope=renamed(one.scope)) for one in summary.partitions),
        banks=tuple(replace(one, scope=renamed(one.scope)) for one in summary.banks),
        boot_entries=tuple(replace(one, bank=renamed(one.bank)) for one in summary.boot_entries),
    )
    kept = tuple(
        replace(tree, scope=renamed(tree.scope), source=name) for tree in image.trees if tree.scope not in _OWN_FILES
    )
    gaps = tuple(replace(gap, scope=renamed(gap.scope)) for gap in image.gaps if gap.scope not in _OWN_FILES)
    image.disk, image.trees, image.gaps, image.judged = summary, kept, gaps, NODE
    return image


def _trees(
    places: Places, standing: Standing, running: Running, image: ImageSource | None, asking: Asking, name: str
) -> tuple[tuple[Tree, ...], tuple[Gap, ...]]:
    """All trees to walk, the node's first, and what is known to be missing from them."""
    others = () if image is None else tuple(tree for tree in image.trees if tree.scope != NODE)
    gaps = [] if image is None else list(image.gaps)
    gaps += [Gap(scope, "", f"{OUTSIDE}what users and the API write stays on the node") for scope in _OWN_FILES]
    raw = None if image is None else next((tree.fs for tree in image.trees if tree.scope == NODE), None)
    if raw is None and places.rootfs is None:
        return others, (*gaps, Gap(NODE, "", "the host's files cannot be seen from here"))
    protected = "" if running.root_device is None else running.root_device.device
    grafts, problems = ({}, {}) if places.rootfs is None else plan_grafts(places, running.mounts, protected)
    if places.rootfs is None or not running.mounts:
        gaps.append(Gap(NODE, "/etc", running.mounts_reason or "what is mounted on the host cannot be seen from here"))
    gaps += [Gap(NODE, point, reason) for point, reason in problems.items()]
    base = raw or _mounted_base(places, standing, running, asking, frozenset(grafts))
    fs = NodeFileSystem(base, grafts)
    return (Tree(NODE, NODE, fs, name), *others), tuple(gaps)


def _mounted_base(
    places: Places, standing: Standing, running: Running, asking: Asking, points: frozenset[bytes]
) -> FileSystem:
    """The mounted root; where reading it could stop the node, only what the kernel has already verified of it."""
    reason = "" if asking.accept_restart else why_not_to_read(running)
    if not reason:
        return DirectoryFileSystem(str(places.rootfs))
    top = frozenset(one[1:] for one in points if one.count(b"/") == 1)
    device = "" if running.root_device is None else running.root_device.device
    if not device or not is_supported():
        return WithheldFileSystem(reason, top)
    used = files_in_use(places, device, host_pids=standing.host_pids)
    names = top | {name.encode() for name in TOP_NAMES.split()}
    told = f"{reason}; only what the kernel has verified already and still holds in memory was read"
    return ProvenFileSystem(str(places.rootfs), told, names, used)
