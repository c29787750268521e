"""What the running kernel enforces under its root: the mapped device's table, its status, its parts."""

from __future__ import annotations

from collections.abc import Iterator

from rocketaudit.errors import FormatError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.running import Running, running_node
from rocketaudit.formats.dm_verity_table import parse_table
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import JsonValue, Key, Locator, Plane
from rocketaudit.source.device_mapper import MappedDevice
from rocketaudit.source.protocol import Source

_FROM_TABLE = ("table", "algorithm", "root_hash", "salt", "data_blocks", "on_corruption", "options")
_FROM_KERNEL = (*_FROM_TABLE, "status", "read_only")


def dm_key(attribute: str) -> Key:
    return Key("dm", ("root",), attribute)


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    node = running_node(source)
    if node is None:
        return
    root = node.node.running.root_device
    where = Locator(node.node.target.name, "", "/sys/block")
    if root is None:
        yield node.unread(dm_key("name"), where, node.node.running.mapped_reason)
    elif not root.mapped_name:
        yield node.absent(dm_key("name"), where)
        yield node.covers("dm:root#*")
        return
    else:
        where = Locator(node.node.target.name, "", f"/sys/block/{root.name}")
        yield node.present(dm_key("name"), root.mapped_name, where)
        yield node.present(dm_key("uuid"), root.mapped_uuid, where)
        yield node.present(dm_key("device"), root.device, where)
        parts = tuple(f"{part.name} {part.device}" for part in node.node.running.parts)
        yield node.present(dm_key("parts"), parts, where)
    yield from _from_kernel(node, where)


def _from_kernel(node: Running, where: Locator) -> Iterator[Seen]:
    mapped = node.node.running.mapped
    if mapped is None:
        for attribute in _FROM_KERNEL:
            yield node.unread(dm_key(attribute), where, f"the kernel could not be asked: {_reason(node)}")
        return
    where = Locator(node.node.target.name, "", f"device-mapper:{mapped.name}")
    yield node.present(dm_key("status"), tuple(f"{kind} {text}" for _, _, kind, text in mapped.status), where)
    yield node.present(dm_key("read_only"), mapped.read_only, where)
    try:
        values = _values(mapped)
    except FormatError as error:
        yield from (node.unread(dm_key(name), where, str(error)) for name in _FROM_TABLE)
        return
    for name, value in values.items():
        yield node.present(dm_key(name), value, where)


def _reason(node: Running) -> str:
    return f"{node.node.running.mapped_reason}; it takes CAP_SYS_ADMIN and the device-mapper control device"


def _values(mapped: MappedDevice) -> dict[str, JsonValue]:
    if len(mapped.table) != 1:
        raise FormatError(f"the root is mapped by {len(mapped.table)} targets, one is expected")
    line = table_line(mapped)
    given = parse_table(line).parameters
    return {
        "table": line,
        "algorithm": given.algorithm,
        "root_hash": given.root_hash,
        "salt": given.salt,
        "data_blocks": given.data_blocks,
        "on_corruption": given.on_corruption,
        "options": given.options,
    }


def table_line(mapped: MappedDevice) -> str:
    """The table as `dmsetup table` prints it, of the first target."""
    start, length, kind, text = mapped.table[0]
    return f"{start} {length} {kind} {text}"


RUNTIME = Collector("device_mapper", Plane.RUNTIME, ("dm:root#*",), _collect)
