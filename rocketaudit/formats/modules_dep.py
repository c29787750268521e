"""modules.dep and modules.builtin of depmod(8): the modules that a kernel can load, or holds already."""

from __future__ import annotations

import posixpath

from rocketaudit.errors import FormatError
from rocketaudit.formats.modprobe_conf import plain_module

MAX_LINES = 100_000
_SUFFIXES = (".ko", ".ko.gz", ".ko.xz", ".ko.zst")


def parse_modules_dep(data: bytes) -> dict[str, str]:
    """Module names to their files, relative to the folder of modules.dep (or absolute, as the file says)."""
    found: dict[str, str] = {}
    for line in _lines(data):
        path = line.partition(":")[0].strip()
        name = module_name(path)
        if name:
            found[name] = path
    return found


def parse_modules_builtin(data: bytes) -> dict[str, str]:
    """Names of the modules that are part of the kernel image, to the path that each would have."""
    return {name: path for path in (line.strip() for line in _lines(data)) if (name := module_name(path))}


def module_name(path: str) -> str:
    """The module that a file holds, "" when the name is not that of a module."""
    base = posixpath.basename(path)
    for suffix in _SUFFIXES:
        if base.endswith(suffix) and len(base) > len(suffix):
            return plain_module(base[: -len(suffix)])
    return ""


def _lines(data: bytes) -> list[str]:
    if data.count(b"\n") > MAX_LINES:
        raise FormatError(f"more than {MAX_LINES} lines")
    return data.decode("utf-8", "replace").splitlines()
