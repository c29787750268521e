"""Files of the kubelet's --config-dir, merged into its configuration as the kubelet merges them.

cmd/kubelet/app/server.go, mergeKubeletConfigurations: all files below the folder whose names end in .conf, in the
order of their paths, each as a JSON merge patch (RFC 7386): tables are merged, everything else is replaced.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rocketaudit.errors import FormatError
from rocketaudit.evidence.config_files import FACTORY, list_folder, list_folders
from rocketaudit.evidence.kubelet import PROGRAM, UNIT
from rocketaudit.evidence.made_files import made_file
from rocketaudit.evidence.settings import Defaults
from rocketaudit.evidence.unit_flags import unit_flags
from rocketaudit.model.fact import Locator, State
from rocketaudit.model.records import dataclass
from rocketaudit.source.tree import Tree

DROP_INS = "kubelet_drop_ins"
_MAX_FILES, _MAX_DEPTH = 256, 8


@dataclass(frozen=True, slots=True)
class Layer:
    """One file that was merged, and what it says."""

    where: Locator
    values: Any


def merge_drop_ins(
    tree: Tree, defaults: Defaults, readings: tuple[Any, ...], parse: Callable[[bytes], Any]
) -> tuple[tuple[Any, ...], tuple[Layer, ...]]:
    """Every reading with all drop-ins in it, and these; FormatError where they cannot all be read."""
    flags = unit_flags(tree, UNIT, PROGRAM, defaults, single_dash=False)
    folder = None if flags is None else flags.value("config-dir")
    if folder is None:
        return readings, ()
    layers = []
    for path in _paths(tree, posixpath.normpath(folder), defaults):
        found, texts = made_file(tree, path, defaults)
        if found.state is not State.PRESENT:
            raise FormatError(f"{path}: {found.reason or 'not there'}")
        if len(texts) != 1:
            raise FormatError(f"only a node knows what {path} says")
        try:
            values = parse(texts[0])
        except FormatError as error:
            raise FormatError(f"{path}: {error}") from error
        if _has_null(values):
            raise FormatError(f"{path} takes values away (null): what is left is not known")
        layers.append(Layer(found.where, values))
        readings = tuple(_merged(reading, values) for reading in readings)
    return readings, tuple(layers)


def _paths(tree: Tree, folder: str, defaults: Defaults) -> Iterator[str]:
    """All drop-ins in the order of a walk; FormatError for a folder that nobody sees: the node makes it."""
    made = [one.path for one in defaults.made_files if one.path.startswith(f"{folder}/")]
    paths = dict.fromkeys(made)
    for base in (folder, f"{FACTORY}{folder}"):
        found = list(_below(tree, base, 0))
        paths.update(dict.fromkeys(f"{folder}{path.removeprefix(base)}" for path in found))
        if found or base.rpartition("/")[2] in list_folders(tree, posixpath.dirname(base)):
            break
    else:
        if not made:
            raise FormatError(f"{folder} (--config-dir) is not there: what the node puts into it is not known")
    wanted = [path for path in paths if path.endswith(".conf")]
    if len(wanted) > _MAX_FILES:
        raise FormatError(f"{folder} holds more than {_MAX_FILES} files")
    yield from sorted(wanted, key=lambda path: path.split("/"))


def _below(tree: Tree, folder: str, depth: int) -> Iterator[str]:
    listing = list_folder(tree, folder)
    if listing.reason:
        raise FormatError(f"{folder}: {listing.reason}")
    if depth > _MAX_DEPTH:
        raise FormatError(f"{folder} lies more than {_MAX_DEPTH} folders deep")
    folders = list_folders(tree, folder)
    for name in listing.names:
        if name in folders:
            yield from _below(tree, f"{folder}/{name}", depth + 1)
        else:
            yield f"{folder}/{name}"


def _merged(base: Any, patch: Any) -> Any:
    if not isinstance(base, Mapping) or not isinstance(patch, Mapping):
        return patch
    return {**base, **{name: _merged(base.get(name), value) for name, value in patch.items()}}


def _has_null(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_null(item) for item in value.values())
    return value is None
