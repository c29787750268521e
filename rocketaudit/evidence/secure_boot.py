"""Whether the firmware enforced Secure Boot when this node started (UEFI 2.10, 3.3 and 32.4)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rocketaudit.errors import RocketauditError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.running import Running, running_node
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Fact, Key, Plane
from rocketaudit.source.places import error_text, read_bytes
from rocketaudit.source.protocol import Source

GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
VARIABLES = {"enabled": "SecureBoot", "setup_mode": "SetupMode"}
_FIRMWARE = "firmware/efi"


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:  # noqa: ARG001
    node = running_node(source)
    if node is None:
        return
    for attribute, variable in VARIABLES.items():
        yield _variable(node, Key("secure_boot", (attribute,)), variable)


def _variable(node: Running, key: Key, variable: str) -> Fact:
    places = node.node.places
    last = node.unread(key, node.locate(places.sys / _FIRMWARE), "the firmware's variables cannot be seen from here")
    for folder in places.below_sys(_FIRMWARE):
        path = folder / "efivars" / f"{variable}-{GLOBAL}"
        try:
            value = read_bytes(path, 16)
        except FileNotFoundError:
            if (folder.parent / "memmap").exists() and not folder.exists():  # /sys/firmware is not masked: no EFI
                return node.absent(key, node.locate(folder))
            continue
        except (RocketauditError, OSError) as error:
            last = node.unread(key, node.locate(path), error_text(error))
            continue
        return _fact(node, key, path, value)
    return last


def _fact(node: Running, key: Key, path: Path, value: bytes) -> Fact:
    """Four bytes of attributes, then one byte that is 0 or 1."""
    if len(value) != 5 or value[4] > 1:
        return node.unread(key, node.locate(path), f"{len(value)} bytes that are no truth value: {value.hex()}")
    return node.present(key, value[4] == 1, node.locate(path))


RUNTIME = Collector("secure_boot", Plane.RUNTIME, ("secure_boot:enabled", "secure_boot:setup_mode"), _collect)
