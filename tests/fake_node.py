"""A node made of files: /proc, /sys, /dev and a disk image below one folder, for tests without a machine."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rocketaudit.model.budget import Budget
from rocketaudit.model.progress import NoProgress
from rocketaudit.source.image import ImageSource, open_image
from rocketaudit.source.live import Asking, LiveSource, open_node
from rocketaudit.source.whereabouts import find_places

FIRST_PIDS, FIRST_CGROUPS, FIRST_USERS = "pid:[4026531836]", "cgroup:[4026531835]", "user:[4026531837]"
ALL_POWERS, DEFAULT_POWERS = "000001ffffffffff", "00000000a80425fb"
ROOT_MOUNT = "21 1 253:0 / / ro,relatime shared:1 - erofs /dev/root ro,seclabel"
MOUNTS = (
    ROOT_MOUNT,
    "22 21 0:20 / /proc rw,nosuid,nodev,noexec,relatime shared:2 - proc proc rw",
    "23 21 0:21 / /sys rw,nosuid,nodev,noexec,relatime shared:3 - sysfs sysfs rw,seclabel",
    "24 21 0:22 / /etc rw,nosuid,nodev,noexec,relatime shared:4 - tmpfs tmpfs rw,seclabel,size=100k,mode=755",
    "25 21 0:23 / /tmp rw,nosuid,nodev,noexec shared:5 - tmpfs tmpfs rw,seclabel",
    "27 21 0:25 / /run rw,nosuid,nodev shared:7 - tmpfs tmpfs rw,seclabel,mode=755",
    "26 21 0:24 / /var rw,nosuid,nodev,noexec shared:6 - tmpfs tmpfs rw,seclabel",
)


def loaded_policy(version: int = 31, permissive: int = 0) -> bytes:
    """The head of a policy as the kernel writes out the one in force; `permissive` is a mask of its types."""
    head = struct.pack("<II8sIIII", 0xF97CFF8C, 8, b"SE Linux", version, 1, 8, 9)
    nodes = struct.pack("<IIIIQ", 64, 64, 1, 0, permissive) if permissive else struct.pack("<III", 64, 0, 0)
    return head + struct.pack("<III", 64, 0, 0) + nodes


@dataclass(slots=True)
class FakeNode:
    """A folder that looks like a node's root from inside; `files` are texts by relative path, written on `make`."""

    base: Path
    image: Path | None = None
    command_line: str = "console=ttyS0 root=/dev/dm-0 rootwait ro selinux=1 enforcing=1"
    mounts: tuple[str, ...] = MOUNTS
    capabilities: str = ALL_POWERS
    label: str = "system_u:system_r:super_t:s0-s0:c0.c1023"
    is_host: bool = True
    bank: str = "bank-a"
    files: Mapping[str, str | bytes] = field(default_factory=dict)

    def make(self) -> FakeNode:
        for folder in ("usr", "etc", "var", "run", "dev", "tmp", "sys/fs/cgroup/system.slice"):
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        self._proc()
        self._sys()
        for path, text in self.files.items():
            self.write(path, text)
        return self

    def write(self, path: str, text: str | bytes) -> Path:
        place = self.base / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode() if isinstance(text, str) else text)
        return place

    def link(self, path: str, target: str) -> None:
        place = self.base / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)

    def open(self, **asking: object) -> LiveSource:
        places = find_places(self.base, rootfs=None, api=None)
        return open_node(places, Budget(), Asking(environment={}, **asking))  # type: ignore[arg-type]

    def _proc(self) -> None:
        self.write("proc/self/status", f"Name:\tpython\nCapEff:\t{self.capabilities}\n")
        self.write("proc/self/attr/current", f"{self.label}\0")
        self.write("proc/cmdline", f"{self.command_line}\n")
        self.write("proc/1/mountinfo", "".join(f"{line}\n" for line in self.mounts))
        self.write("proc/1/attr/current", "system_u:system_r:init_t:s0\0")
        self.write("proc/modules", "erofs 118784 1 - Live 0x0000000000000000\ndm_verity 40960 1 - Live 0x0\n")
        self.write("proc/config.gz", gzip.compress(b"CONFIG_BPF=y\n# CONFIG_KEXEC is not set\n"))
        self.write("proc/sys/kernel/random/boot_id", "0f5c2bd0-8a1e-4f61-9c36-111111111111\n")
        self.write("proc/sys/kernel/osrelease", "6.1.112\n")
        self.write("proc/sys/kernel/hostname", "node-1\n")
        self.write("proc/sys/kernel/randomize_va_space", "2\n")
        self.write("proc/sys/kernel/tainted", "0\n")
        self.write("proc/sys/net/ipv4/conf/all/send_redirects", "1\n")
        self.write("proc/net/tcp", TCP)
        self.write("proc/net/udp", TCP.splitlines()[0] + "\n")
        self.link("proc/self/ns/pid", FIRST_PIDS if self.is_host else "pid:[4026532999]")
        self.link("proc/self/ns/cgroup", FIRST_CGROUPS)
        self.link("proc/self/ns/user", FIRST_USERS)
        if self.is_host:
            self.link("proc/1/root", str(self.base))

    def _sys(self) -> None:
        self.write("sys/kernel/security/lsm", "lockdown,capability,yama,selinux,bpf\n")
        self.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
        for name, text in (("enforce", "1"), ("mls", "1"), ("policyvers", "33"), ("checkreqprot", "0")):
            self.write(f"sys/fs/selinux/{name}", text)
        self.write("sys/fs/selinux/policy", loaded_policy())
        self.write("sys/fs/selinux/deny_unknown", "1")
        self.write("sys/fs/selinux/reject_unknown", "0")
        self.write("sys/fs/cgroup/system.slice/chronyd.service/cgroup.events", "populated 1\nfrozen 0\n")
        if self.image is not None:
            self._disk(self.image)

    def _disk(self, image: Path) -> None:
        """As the kernel shows a virtio disk whose bank A is mapped as dm-0."""
        (self.base / "dev/vda").symlink_to(image.resolve())
        opened = open_it(image)
        partitions = opened.disk.partitions
        opened.close()
        disk = "sys/devices/pci0/vda"
        self.write(f"{disk}/dev", "254:0\n")
        self.write(f"{disk}/size", f"{image.stat().st_size // 512}\n")
        self.link("sys/block/vda", "../devices/pci0/vda")
        self.link("sys/dev/block/254:0", "../../devices/pci0/vda")
        for one in partitions:
            part = f"{disk}/vda{one.number}"
            self.write(f"{part}/dev", f"254:{one.number}\n")
            self.write(f"{part}/size", f"{one.length // 512}\n")
            self.write(f"{part}/start", f"{one.start // 512}\n")
            self.write(f"{part}/partition", f"{one.number}\n")
            self.write(f"{part}/uevent", f"DEVNAME=vda{one.number}\nPARTN={one.number}\nPARTNAME={one.name}\n")
            self.link(f"sys/dev/block/254:{one.number}", f"../../devices/pci0/vda/vda{one.number}")
        mapped = "sys/devices/virtual/block/dm-0"
        root = next(one for one in partitions if one.scope == self.bank)
        self.write(f"{mapped}/dev", "253:0\n")
        self.write(f"{mapped}/size", f"{root.length // 512}\n")
        self.write(f"{mapped}/ro", "1\n")
        self.write(f"{mapped}/dm/name", "root\n")
        self.write(f"{mapped}/dm/uuid", "\n")
        for one in partitions:
            if one.scope in (self.bank, self.bank.replace("bank", "hash")):
                self.link(f"{mapped}/slaves/vda{one.number}", f"../../../../pci0/vda/vda{one.number}")
        self.link("sys/block/dm-0", "../devices/virtual/block/dm-0")
        self.link("sys/dev/block/253:0", "../../devices/virtual/block/dm-0")


def open_it(image: Path) -> ImageSource:
    return open_image(image, budget=Budget(), tmp_dir=None, progress=NoProgress())


def command_line_of(image: Path, bank: str = "bank-a") -> str:
    """What the boot files of a bank start its kernel with."""
    opened = open_it(image)
    try:
        return next(one.command_line for one in opened.disk.boot_entries if one.bank == bank)
    finally:
        opened.close()


TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2742 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17230 1 0 100 0 0 10 0
   1: 00000000:2806 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17231 1 0 100 0 0 10 0
   2: 0F02000A:A51E 2E01000A:01BB 01 00000000:00000000 00:00000000 00000000     0        0 17232 1 0 100 0 0 10 0
"""
