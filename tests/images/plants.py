"""Problems that a recipe can plant, by name: in the tree, in the boot configuration, or in the finished disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.images.release import Release
from tests.images.tree import Entry, Tree


@dataclass(frozen=True, slots=True)
class Flip:
    """XOR one byte at `offset` of a partition ("disk": of the whole disk) with `mask`."""

    partition: str
    offset: int
    mask: int = 0x01


def _usr(release: Release, path: str) -> str:
    return f"/{release.arch}-bottlerocket-linux-gnu/sys-root/usr/{path}"


def _replace_text(tree: Tree, path: str, old: str, new: str) -> None:
    text = tree[path].bytes().decode()
    if old not in text:
        raise ValueError(f"{path} does not hold {old!r}")
    tree.put(replace(tree[path], content=text.replace(old, new).encode()))


def selinux_permissive(tree: Tree, release: Release) -> None:
    path = _usr(release, "share/factory/etc/selinux/config")
    _replace_text(tree, path, "SELINUX=enforcing", "SELINUX=permissive")


def setuid_shell(tree: Tree, release: Release) -> None:
    """A script that is a shell's stand-in, owned by root, setuid, with an interpreter line."""
    path = _usr(release, "bin/sh")
    tree.file(path, b"#!/usr/bin/sulogin\n", mode=0o4755)


def weak_sysctl(tree: Tree, release: Release) -> None:
    """A later file wins over the release's own values."""
    tree.file(
        _usr(release, "lib/sysctl.d/99-tuning.conf"), "kernel.unprivileged_bpf_disabled = 0\nkernel.kptr_restrict=0\n"
    )


def world_writable(tree: Tree, release: Release) -> None:
    path = _usr(release, "share/factory/etc/chrony.conf")
    tree.put(replace(tree[path], mode=stat.S_IFREG | 0o666))


def no_inventory(tree: Tree, release: Release) -> None:
    tree.remove(_usr(release, "share/bottlerocket/application-inventory.json"))


def unlabelled_file(tree: Tree, release: Release) -> None:
    tree.file(_usr(release, "share/unlabelled"), b"no security.selinux here\n")


def hostile_names(tree: Tree, release: Release) -> None:
    """Names that break careless writers: markup, terminal controls, bidi, quotes, newlines, bad UTF-8."""
    for name in HOSTILE_NAMES:
        tree.put(Entry(os.fsencode(_usr(release, "share/")) + name, stat.S_IFREG | 0o644, content=name))


HOSTILE_NAMES = (
    b"<script>alert(1)</script>".replace(b"/", b"_"),
    b"[bold red]markup[_bold red]",
    b"\x1b[31mred\x1b[0m",
    "txt.\u202egpj".encode(),
    b"=HYPERLINK(1)",
    b"a|b`c",
    b"new\nline",
    b"quote\"s'",
    b"not-utf8-\xff\xfe",
    b"percent%20",
)

TREE_PLANTS: Mapping[str, Callable[[Tree, Release], None]] = {
    "selinux_permissive": selinux_permissive,
    "setuid_shell": setuid_shell,
    "weak_sysctl": weak_sysctl,
    "world_writable": world_writable,
    "no_inventory": no_inventory,
    "unlabelled_file": unlabelled_file,
    "hostile_names": hostile_names,
}


def kernel_arguments(arguments: Sequence[str], plants: Sequence[str]) -> tuple[str, ...]:
    """The kernel's arguments with the planted changes."""
    changed = list(arguments)
    if "selinux0" in plants:
        changed[changed.index("selinux=1 enforcing=1")] = "selinux=0 enforcing=0"
    if "no_verity" in plants:
        changed.remove('dm-mod.create="$dm_verity_root"')
        changed[changed.index("root=/dev/dm-0 rootwait ro")] = "root=PARTUUID=$boot_uuid/PARTNROFF=1 rootwait rw"
    if "init_shell" in plants:
        changed.insert(changed.index("--"), "init=/bin/sh")
    return tuple(changed)


def wrong_digit(text: str) -> str:
    """The same hexadecimal text with its first digit changed."""
    return ("1" if text[0] == "0" else "0") + text[1:]


BOOT_PLANTS = ("selinux0", "no_verity", "init_shell", "wrong_root_hash", "wrong_salt", "wrong_block_count")
PLANTS = (*TREE_PLANTS, *BOOT_PLANTS)
