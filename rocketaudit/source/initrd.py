"""What an initrd that boot files name may do before the root is mounted: nothing, when it only holds boot arguments."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rocketaudit.errors import EntryNotFoundError, FormatError, RocketauditError
from rocketaudit.formats.bootconfig import parse_bootconfig, split_initrd
from rocketaudit.model import bytepath
from rocketaudit.model.disk import Partition
from rocketaudit.source.tree import Tree

MAX_BOOTCONFIG = 256 << 10  # the kernel reads 32 KiB of text; more is something else
MAX_NAMED = 8
_DEVICE = re.compile(r"\((?:hd\d+,)?(?:gpt|msdos)?(?P<number>\d+)\)(?P<path>/.*)")


def what_runs_first(paths: Sequence[str], own: tuple[Partition, Tree], trees: Sequence[tuple[Partition, Tree]]) -> str:
    """Why the files may run something before the root is mounted; "" when they hold boot arguments at most.

    A file that is not there is no initrd: GRUB says so and boots without.
    """
    for path in paths[:MAX_NAMED]:
        match = _DEVICE.fullmatch(path)
        if match is None and path.startswith("("):
            return f"initrd {path[:80]} is on a device that is not of this disk"
        found = own if match is None else next((one for one in trees if one[0].number == int(match["number"])), None)
        if found is None:
            return f"initrd {path[:80]} is on a partition that cannot be read"
        why = _content(found[1], path if match is None else match["path"])
        if why:
            return f"initrd {path[:80]} {why}"
    return "" if len(paths) <= MAX_NAMED else f"{len(paths)} initrd files are named"


def _content(tree: Tree, path: str) -> str:
    try:
        data = tree.read(bytepath.encode(path.encode("utf-8", "surrogateescape")), MAX_BOOTCONFIG)
    except EntryNotFoundError:
        return ""
    except RocketauditError as error:
        return f"cannot be read as boot arguments ({type(error).__name__})"
    try:
        unpacked, text = split_initrd(data)
        if text is not None:
            parse_bootconfig(text)
    except FormatError:  # its message may quote the file, and nothing of PRIVATE leaves the node
        return "holds no boot configuration that a kernel takes"
    return "holds more than boot arguments: it may run before the root is mounted" if any(unpacked) else ""
