"""Boots a lab node and brings back what it found."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.guest import audit_disk, kernel_tree, make_initramfs, tools_disk
from tests.support import find_tool

SECONDS = 400  # a node that hangs; of a machine that others use too the clock says little
LAB_ARGUMENTS = "console=ttyS0 loglevel=5 panic=-1 security=selinux"


@dataclass(frozen=True, slots=True)
class Kit:
    """What every boot shares."""

    kernel: Path
    initramfs: Path
    tools: Path
    folder: Path
    extra: Mapping[str, str | bytes]


@dataclass(frozen=True, slots=True)
class Boot:
    """What one boot left: files by name, the kernel's log, and how long it took, by the clock and of the CPU."""

    files: dict[str, bytes] = field(repr=False)
    console: str = field(repr=False)
    seconds: float
    cpu_seconds: float
    timed_out: bool

    def text(self, name: str) -> str:
        assert name in self.files, f"{sorted(self.files)}\n{self.log}\n{self.console[-3000:]}"
        return self.files[name].decode()

    def json(self, name: str) -> Any:
        return json.loads(self.text(name))

    @property
    def log(self) -> str:
        return self.files.get("log", b"").decode("utf-8", "replace")


def make_kit(folder: Path, extra: Mapping[str, str | bytes]) -> Kit:
    """`extra` are texts that every boot finds below /mnt/audit."""
    tree = kernel_tree()
    kernel = next((tree / "boot").glob("vmlinuz*"))
    return Kit(kernel, make_initramfs(tree, folder / "initramfs"), tools_disk(), folder, extra)


def boot(
    kit: Kit, name: str, image: Path, command_line: str, script: str, *, arguments: str = f"{LAB_ARGUMENTS} "
) -> Boot:
    """Start the node from `image` with the given command line, run `script` in it, and wait until it is off.

    `arguments` are those of the lab, "" where the command line has them already.

    Always under TCG: some machines have a /dev/kvm that starts no ordinary kernel.
    """
    folder = kit.folder / name
    folder.mkdir()
    result, console = folder / "result", folder / "console"
    result.touch()
    os.truncate(result, 64 << 20)
    disks = (
        f"file={image},format=raw,if=virtio,snapshot=on",
        f"file={kit.tools},format=raw,if=virtio,readonly=on",
        f"file={audit_disk(folder / 'audit.img', {'run.sh': script, **kit.extra})},format=raw,if=virtio,readonly=on",
        f"file={result},format=raw,if=virtio,cache=unsafe",
    )
    line = command_line.replace(" -- ", f" {arguments}-- ", 1)
    command = [
        str(find_tool("qemu-system-x86_64")),
        *("-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "512", "-smp", "1"),
        *("-nographic", "-nodefaults", "-no-reboot", "-monitor", "none", "-net", "none"),
        *("-serial", f"file:{console}", "-kernel", str(kit.kernel), "-initrd", str(kit.initramfs), "-append", line),
        *(word for disk in disks for word in ("-drive", disk)),
    ]
    started, used = time.monotonic(), _used()
    timed_out = False
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False, text=True)
        assert done.returncode == 0, done.stderr
    except subprocess.TimeoutExpired:
        timed_out = True
    seconds = time.monotonic() - started
    return Boot(_unpack(result), console.read_text(errors="replace"), seconds, _used() - used, timed_out)


def _used() -> float:
    """CPU seconds of all processes that ended before this one."""
    times = os.times()
    return times.children_user + times.children_system


def _unpack(result: Path) -> dict[str, bytes]:
    try:
        with tarfile.open(result) as archive:
            members = [member for member in archive if member.isfile()]
            return {m.name.removeprefix("./"): file.read() for m in members if (file := archive.extractfile(m))}
    except tarfile.ReadError:
        return {}
