"""Problems that a recipe can plant, by name: in the tree, in the boot configuration, or in the finished disk."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.images.compile import WEAK, Program, compile_program
from tests.images.release import Release
from tests.images.tree import Entry, Tree


@dataclass(frozen=True, slots=True)
class Flip:
    """XOR one byte at `offset` of a partition ("disk": of the whole disk) with `mask`."""

    partition: str
    offset: int
    mask: int = 0x01


@dataclass(frozen=True, slots=True)
class FileFlip:
    """XOR byte `offset` of a file that its file system stores plainly (not compressed, not inline)."""

    bank: str
    path: str  # below /usr
    offset: int
    mask: int = 0x01


def _usr(release: Release, path: str) -> str:
    return f"/{release.arch}-bottlerocket-linux-gnu/sys-root/usr/{path}"


def _replace_text(tree: Tree, path: str, old: str, new: str) -> None:
    text = tree[path].bytes().decode()
    if old not in text:
        raise ValueError(f"{path} does not hold {old!r}")
    tree.put(replace(tree[path], content=text.replace(old, new).encode()))


def _inventory(release: Release) -> str:
    return _usr(release, "share/bottlerocket/application-inventory.json")


def selinux_permissive(tree: Tree, release: Release) -> None:
    """SELinux's configuration says permissive."""
    path = _usr(release, "share/factory/etc/selinux/config")
    _replace_text(tree, path, "SELINUX=enforcing", "SELINUX=permissive")


def setuid_shell(tree: Tree, release: Release) -> None:
    """`/usr/bin/sh` runs what it reads and is setuid root."""
    binary = compile_program(Program("", "shell.c", WEAK))
    if binary is not None:
        tree.file(_usr(release, "bin/sh"), binary, mode=0o4755)


def shell_script(tree: Tree, release: Release) -> None:
    """An executable script, where the host has no business with an interpreter."""
    tree.file(_usr(release, "libexec/collect-logs"), b"#!/usr/bin/sh\ncat /var/log/messages\n", mode=0o755)


def weak_binary(tree: Tree, release: Release) -> None:
    """A C program with a fixed address, an executable stack, no RELRO, no canary, and RPATH into /tmp."""
    binary = compile_program(Program("", "chronyd.c", (*WEAK, "-Wl,--disable-new-dtags,-rpath,/tmp/lib")))
    if binary is not None:
        tree.file(_usr(release, "bin/legacy-agent"), binary, mode=0o755)


def weak_sysctl(tree: Tree, release: Release) -> None:
    """A later file of sysctl.d takes back what the release sets."""
    text = "kernel.unprivileged_bpf_disabled = 0\nkernel.kptr_restrict=0\n"
    tree.file(_usr(release, "lib/sysctl.d/99-tuning.conf"), text)


def world_writable(tree: Tree, release: Release) -> None:
    """Everybody may write the time service's configuration."""
    path = _usr(release, "share/factory/etc/chrony.conf")
    tree.put(replace(tree[path], mode=stat.S_IFREG | 0o666))


def anonymous_kubelet(tree: Tree, release: Release) -> None:
    """The kubelet's configuration lets everybody in."""
    path = _usr(release, "share/factory/etc/kubernetes/kubelet/config")
    _replace_text(tree, path, "anonymous:\n    enabled: false", "anonymous:\n    enabled: true")


def debug_shell(tree: Tree, release: Release) -> None:
    """The unit that gives a root shell without a password is wanted at boot."""
    wants = _usr(release, "lib/systemd/system/multi-user.target.wants/debug-shell.service")
    tree.link(wants, "../debug-shell.service")


def no_inventory(tree: Tree, release: Release) -> None:
    """The inventory is missing."""
    tree.remove(_inventory(release))


def package_without_files(tree: Tree, release: Release) -> None:
    """The inventory lists a package of which nothing is in the image."""
    document = json.loads(tree[_inventory(release)].bytes())
    row = dict(document["Content"][0]) | {"Name": "strace", "Version": "6.12", "Summary": "Traces system calls"}
    row["PackageId"] = ""
    document["Content"].append(row)
    tree.file(_inventory(release), json.dumps(document, indent=2) + "\n")


def stale_sbom(tree: Tree, release: Release) -> None:
    """The vendor's SBOM names another version of a package than the inventory, and one package that is gone."""
    path = _usr(release, "share/bottlerocket/cyclonedx-sbom.json")
    _replace_text(tree, path, "libopenssl@3.5.4", "libopenssl@3.5.1")
    _replace_text(tree, path, '"version": "3.5.4"', '"version": "3.5.1"')
    document = json.loads(tree[path].bytes())
    gone = {"type": "library", "bom-ref": "rpm-socat", "name": "socat", "version": "1.8.0"}
    gone["purl"] = f"pkg:rpm/bottlerocket/socat@1.8.0-1.br1?arch={release.arch}&epoch=0&distro={release.version}"
    document["components"].append(gone)
    tree.file(path, json.dumps(document, indent=2) + "\n")


def unlabelled_file(tree: Tree, release: Release) -> None:
    """A file without an SELinux label (bottlerocket.label leaves this name out)."""
    tree.file(_usr(release, "share/unlabelled"), b"no security.selinux here\n")


def hostile_names(tree: Tree, release: Release) -> None:
    """Names that break careless writers: markup, terminal controls, bidi, quotes, newlines, bad UTF-8."""
    for name in HOSTILE_NAMES:
        tree.put(Entry(os.fsencode(_usr(release, "share/")) + name, stat.S_IFREG | 0o644, content=name))


HOSTILE_NAMES = (
    b"<script>alert(1)<_script>",
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
    plant.__name__: plant
    for plant in (
        selinux_permissive,
        setuid_shell,
        shell_script,
        weak_binary,
        weak_sysctl,
        world_writable,
        anonymous_kubelet,
        debug_shell,
        no_inventory,
        package_without_files,
        stale_sbom,
        unlabelled_file,
        hostile_names,
    )
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


BOOT_PLANTS: Mapping[str, str] = {
    "selinux0": "The kernel's arguments switch SELinux off.",
    "no_verity": "The kernel's arguments boot the raw root partition, writable.",
    "init_shell": "The kernel's arguments start a shell as the first process.",
    "wrong_root_hash": "Bank A's boot configuration names another root hash than the tree has.",
    "wrong_salt": "Bank A's boot configuration names another salt.",
    "wrong_block_count": "Bank A's boot configuration leaves the last data block out.",
}
DISK_PLANTS: Mapping[str, str] = {
    "slack": "Bytes that nothing covers lie behind the hash tree of bank A.",
    "bootconfig_argument": "The unsigned bootconfig on PRIVATE adds a kernel argument that turns audit off.",
}
PLANTS = (*TREE_PLANTS, *BOOT_PLANTS, *DISK_PLANTS)


def describe(plant: str) -> str:
    """One sentence: what is planted."""
    if plant in TREE_PLANTS:
        return str(TREE_PLANTS[plant].__doc__)
    return {**BOOT_PLANTS, **DISK_PLANTS}[plant]
