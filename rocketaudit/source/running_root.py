"""What a running kernel says of the root that it runs from, and whether reading that root could stop the node."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rocketaudit.errors import FormatError, RocketauditError
from rocketaudit.formats.dm_verity_table import find_tables, parse_table
from rocketaudit.model.records import dataclass
from rocketaudit.source.device_mapper import (
    BlockDevice,
    MappedDevice,
    ask_kernel,
    block_device,
    find_mapped,
)
from rocketaudit.source.mounts import Mount, host_mounts
from rocketaudit.source.places import Places, error_text, quiet_text
from rocketaudit.source.whereabouts import Standing

_STOPS = ("restart", "panic")


@dataclass(frozen=True, slots=True)
class Running:
    """What the running kernel says of its root; a reason stands where it could not be asked."""

    mounts: tuple[Mount, ...] = ()
    mounts_from: Path | None = None
    mounts_reason: str = ""
    root_device: BlockDevice | None = None
    parts: tuple[BlockDevice, ...] = ()
    mapped: MappedDevice | None = None
    mapped_reason: str = ""
    command_line: str | None = None


def ask_running(places: Places, standing: Standing) -> Running:
    """Mounts, the device under the root, and what device-mapper says of it; nothing is raised."""
    running = Running(command_line=quiet_text(places.proc / "cmdline", 1 << 16))
    try:
        mounts, told = host_mounts(places, host_pids=standing.host_pids)
        running = replace(running, mounts=mounts, mounts_from=told)
    except (RocketauditError, OSError) as error:
        running = replace(running, mounts_reason=error_text(error))
    root = _root_device(places, running.mounts)
    if root is None:
        return replace(running, mapped_reason="sysfs shows no device under the root")
    running = replace(running, root_device=root, parts=_devices(places, root.slaves or (root.device,)))
    if not root.mapped_name:
        return replace(running, mapped_reason="the root is no mapped device")
    try:
        mapped = ask_kernel(places, root.mapped_name)
    except (OSError, FormatError) as error:
        return replace(running, mapped_reason=error_text(error))
    return replace(running, mapped=mapped)


def _root_device(places: Places, mounts: tuple[Mount, ...]) -> BlockDevice | None:
    """What is under /, by major:minor; where the host's mounts cannot be seen, the mapped device called root."""
    mount = next((one for one in reversed(mounts) if one.point == "/"), None)
    if mount is not None:
        try:
            return block_device(places, mount.device)
        except (OSError, FormatError):
            return None
    return find_mapped(places, "root")


def _devices(places: Places, numbers: tuple[str, ...]) -> tuple[BlockDevice, ...]:
    found = []
    for number in numbers:
        try:
            found.append(block_device(places, number))
        except (OSError, FormatError):
            continue
    return tuple(found)


def why_not_to_read(running: Running) -> str:
    """Why the mounted root must not be read; "" when a bad block costs no more than the file that it lies in."""
    if _is_plain(running):
        return ""
    lines = []
    if running.mapped is not None:
        lines = [f"{start} {length} {kind} {text}" for start, length, kind, text in running.mapped.table]
    elif running.command_line is not None:
        lines = list(find_tables(running.command_line))
    if lines and not any(map(_may_stop, lines)):
        return ""
    return "not read: one bad block read through the verity device could restart the node, and the raw disk is closed"


def _is_plain(running: Running) -> bool:
    """Whether the root is known to lie on no mapped device: nothing verifies it, so nothing stops the node."""
    device = running.root_device
    if device is not None:
        return not (device.mapped_name or device.name.startswith("dm-") or device.slaves)
    mount = next((one for one in reversed(running.mounts) if one.point == "/"), None)
    return mount is not None and mount.device.startswith("0:") and mount.fstype != "overlay"


def _may_stop(line: str) -> bool:
    """Whether a bad block would end the node under this table, or nobody can tell."""
    try:
        return parse_table(line).parameters.on_corruption in _STOPS
    except FormatError:
        return True
