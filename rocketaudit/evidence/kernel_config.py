"""Options that the kernel of every bank, and the running kernel, was built with."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from rocketaudit.errors import FormatError, RocketauditError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.evidence.config_files import ConfigFile, Facts, at, list_folder, read_config, root_trees, wanted
from rocketaudit.evidence.kernel_modules import kernel_folders
from rocketaudit.evidence.running import running_node
from rocketaudit.formats.kernel_config import parse_kernel_config
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key, Plane, State
from rocketaudit.source.places import error_text, read_bytes
from rocketaudit.source.protocol import Source, find_tree
from rocketaudit.source.tree import Tree

SHOWS_ITSELF = Key("kconfig", ("CONFIG_IKCONFIG_PROC",))  # whether /proc/config.gz can be there at all
_PACKED, _UNPACKED = 1 << 20, 8 << 20


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    keys = tuple(dict.fromkeys(wanted(wants, "kconfig")))
    if not keys:
        return
    keys = tuple(dict.fromkeys((*keys, SHOWS_ITSELF)))
    for tree in root_trees(source):
        facts = Facts(tree)
        found = _config_file(source, tree)
        if found is None:
            continue
        try:
            if found.state is State.UNREAD:
                raise FormatError(found.reason)
            options = parse_kernel_config(found.data)
        except FormatError as error:
            yield from (facts.unread(key, found.where, f"{found.path}: {error}") for key in keys)
            continue
        for key in keys:
            value = options.get(key.subject[0])
            if value is None:
                yield facts.absent(key, found.where)  # an option that this kernel does not know
            else:
                yield facts.present(key, value[0], at(found.where, value[1]))


def _config_file(source: Source, tree: Tree) -> ConfigFile | None:
    """Bottlerocket keeps it on the boot partition of the bank; others beside the modules or in /boot."""
    boot = boot_tree(source, tree.scope)
    if boot is not None:
        found = read_config(boot, "/config")
        if found.state is not State.ABSENT:
            return found
    candidates = [f"{folder}/config" for folder in kernel_folders(tree)]
    candidates += ["/boot/config"]
    candidates += [f"/boot/{name}" for name in list_folder(tree, "/boot").names if name.startswith("config-")]
    for path in candidates:
        found = read_config(tree, path)
        if found.state is not State.ABSENT:
            return found
    return None


def boot_tree(source: Source, bank: str) -> Tree | None:
    """The tree of a bank's boot partition, None when it has none or it did not open."""
    if source.disk is None:
        return None
    numbers = {one.boot for one in source.disk.banks if one.scope == bank}
    scope = next((p.scope for p in source.disk.partitions if p.number in numbers), None)
    return None if scope is None else find_tree(source, scope)


def _collect_running(source: Source, wants: Wants) -> Iterator[Seen]:
    """/proc/config.gz, which a kernel with IKCONFIG_PROC shows to everybody."""
    node = running_node(source)
    keys = tuple(dict.fromkeys(wanted(wants, "kconfig")))
    if node is None or not keys:
        return
    path = node.node.places.proc / "config.gz"
    where = node.locate(path)
    try:
        options = running_options(node.node.places.proc)
    except (RocketauditError, OSError) as error:
        yield from (node.unread(key, where, f"/proc/config.gz: {error_text(error)}") for key in keys)
        return
    for key in keys:
        value = options.get(key.subject[0])
        yield node.absent(key, where) if value is None else node.present(key, value[0], where)


def running_options(proc: Path) -> Mapping[str, tuple[str, int]]:
    """Options of the running kernel with their value and place; FormatError, SourceError or OSError without them."""
    try:
        return parse_kernel_config(_gunzip(read_bytes(proc / "config.gz", _PACKED)))
    except zlib.error as error:
        raise FormatError(str(error)) from error


def _gunzip(data: bytes) -> bytes:
    expander = zlib.decompressobj(wbits=31)
    text = expander.decompress(data, _UNPACKED)
    if not expander.eof:
        raise FormatError(f"not one gzip member of at most {_UNPACKED} bytes")
    return text


STATIC = Collector("kernel_config", Plane.STATIC, ("kconfig:*",), _collect)
RUNTIME = Collector("kernel_config", Plane.RUNTIME, ("kconfig:*",), _collect_running)
