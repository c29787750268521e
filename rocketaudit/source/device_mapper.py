"""The kernel's own word on a mapped device: its table and status by ioctl, its name and parts by sysfs.

include/uapi/linux/dm-ioctl.h. Only commands that ask are known here: version, table and status.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from pathlib import Path

from rocketaudit.errors import FormatError
from rocketaudit.model.records import dataclass
from rocketaudit.source.places import Places, names_in, quiet_text, read_text

_HEADER = struct.Struct("=3I I I I i I I I Q 128s 129s 7s")
_TARGET = struct.Struct("=QQiI16s")
_BUFFER = 64 << 10
_TABLE_STATUS = 12
_READ_ONLY_FLAG = 1 << 0
_STATUS_TABLE_FLAG = 1 << 4
_BUFFER_FULL_FLAG = 1 << 8
_MAX_TARGETS = 64
CONTROLS = ("dev/mapper/control", "dev/device-mapper")


@dataclass(frozen=True, slots=True)
class MappedDevice:
    """`table` and `status` are (start, length, type, text) of each target; `device` is major:minor."""

    name: str
    uuid: str
    device: str
    read_only: bool
    table: tuple[tuple[int, int, str, str], ...]
    status: tuple[tuple[int, int, str, str], ...]
    asked: str


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """A block device as sysfs shows it; `start` and `size` in bytes, `disk` the whole disk's name for a partition."""

    name: str
    device: str
    size: int
    read_only: bool
    partition: int | None = None
    start: int = 0
    disk: str = ""
    label: str = ""
    mapped_name: str = ""
    mapped_uuid: str = ""
    slaves: tuple[str, ...] = ()
    is_loop: bool = False


def ask_kernel(places: Places, name: str) -> MappedDevice:
    """Table and status of a mapped device; OSError where this process may not ask, FormatError for a strange answer."""
    error: OSError | None = None
    for base in (places.base, places.rootfs):
        for control in CONTROLS if base is not None else ():
            try:
                return _ask(base / control, name, _number_of(places)) if base is not None else _never()
            except OSError as problem:
                error = problem if error is None or error.errno == 2 else error
    raise error or OSError(2, "no device-mapper control device")


def _never() -> MappedDevice:
    raise FormatError("no place to ask")


def _number_of(places: Places) -> str:
    """The major:minor of the control device: registered as 10:236 (Documentation/admin-guide/devices.txt)."""
    return quiet_text(places.sys / "class/misc/device-mapper/dev") or "10:236"


def _ask(control: Path, name: str, number: str) -> MappedDevice:
    _check(os.stat(control), control, number)  # before it is opened: other devices act on that, and a fifo hangs
    descriptor = os.open(control, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _check(os.fstat(descriptor), control, number)
        flags, device, uuid, table = _targets(descriptor, name, _STATUS_TABLE_FLAG)
        _, _, _, status = _targets(descriptor, name, 0)
    finally:
        os.close(descriptor)
    place = f"{os.major(device)}:{os.minor(device)}"
    return MappedDevice(name, uuid, place, bool(flags & _READ_ONLY_FLAG), table, status, str(control))


def _check(status: os.stat_result, control: Path, number: str) -> None:
    if not stat.S_ISCHR(status.st_mode) or f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" != number:
        raise FormatError(f"{control} is not the control device {number} of device-mapper")


def _targets(descriptor: int, name: str, flags: int) -> tuple[int, int, str, tuple[tuple[int, int, str, str], ...]]:
    buffer = bytearray(_BUFFER)
    _HEADER.pack_into(buffer, 0, 4, 0, 0, _BUFFER, _HEADER.size, 0, 0, flags, 0, 0, 0, name.encode(), b"", b"")
    request = 0xC0000000 | (_HEADER.size << 16) | (0xFD << 8) | _TABLE_STATUS  # _IOWR(0xfd, 12, struct dm_ioctl)
    fcntl.ioctl(descriptor, request, buffer, True)
    return parse_answer(bytes(buffer))


def parse_answer(answer: bytes) -> tuple[int, int, str, tuple[tuple[int, int, str, str], ...]]:
    """(flags, device number, uuid, targets) of a struct dm_ioctl and its data; FormatError when they disagree."""
    if len(answer) < _HEADER.size:
        raise FormatError("the answer of device-mapper is shorter than its header")
    fields = _HEADER.unpack_from(answer)
    start, count, flags, device, uuid = fields[4], fields[5], fields[7], fields[10], fields[12]
    if flags & _BUFFER_FULL_FLAG or count > _MAX_TARGETS:
        raise FormatError(f"device-mapper tells of {count} targets, more than fit")
    found = []
    offset = start
    for _ in range(count):
        if offset + _TARGET.size > len(answer):
            raise FormatError("a target of the device-mapper table lies outside of the answer", offset=offset)
        first, length, _, following, kind = _TARGET.unpack_from(answer, offset)
        end = answer.find(b"\0", offset + _TARGET.size)
        text = answer[offset + _TARGET.size : end if end >= 0 else len(answer)]
        found.append((first, length, kind.split(b"\0")[0].decode("ascii", "replace"), text.decode("ascii", "replace")))
        offset = start + following
    return flags, device, uuid.split(b"\0")[0].decode("ascii", "replace"), tuple(found)


def block_device(places: Places, number: str) -> BlockDevice:
    """The block device major:minor by sysfs; OSError when there is none or sysfs does not show it."""
    folder = places.sys / "dev/block" / number
    return _block_device(folder.resolve(strict=True), number)


def _block_device(folder: Path, number: str) -> BlockDevice:
    partition = quiet_text(folder / "partition")
    event = dict(line.partition("=")[::2] for line in (quiet_text(folder / "uevent") or "").splitlines())
    slaves = tuple(quiet_text(folder / "slaves" / name / "dev") or "" for name in names_in(folder / "slaves", 64))
    start = quiet_text(folder / "start")
    return BlockDevice(
        name=folder.name,
        device=number,
        size=_number(read_text(folder / "size")) * 512,
        read_only=quiet_text(folder / "ro") == "1",
        partition=_number(partition) if partition else None,
        start=_number(start) * 512 if partition and start else 0,
        disk=folder.parent.name if partition else "",
        label=event.get("PARTNAME", ""),
        mapped_name=quiet_text(folder / "dm/name") or "",
        mapped_uuid=quiet_text(folder / "dm/uuid") or "",
        slaves=tuple(one for one in slaves if one),
        is_loop=(folder / "loop").is_dir(),
    )


def _number(text: str) -> int:
    if not text.isdigit() or len(text) > 18:
        raise FormatError(f"{text[:40]!r} is no number")
    return int(text)


def find_mapped(places: Places, name: str) -> BlockDevice | None:
    """The mapped device of that name by sysfs; None when there is none, or sysfs does not show any."""
    for folder in names_in(places.sys / "block", 4096):
        if folder.startswith("dm-") and quiet_text(places.sys / "block" / folder / "dm/name") == name:
            number = quiet_text(places.sys / "block" / folder / "dev")
            try:
                return _block_device((places.sys / "block" / folder).resolve(strict=True), number or "")
            except (OSError, FormatError):
                return None
    return None


def partitions_of(places: Places, disk: str) -> tuple[BlockDevice, ...]:
    """The partitions of a whole disk, by number."""
    folder = (places.sys / "block" / disk).resolve()
    found = []
    for name in names_in(folder, 4096):
        number = quiet_text(folder / name / "dev")
        if number and (folder / name / "partition").exists():
            try:
                found.append(_block_device(folder / name, number))
            except (OSError, FormatError):
                continue
    return tuple(sorted(found, key=lambda one: one.partition or 0))
