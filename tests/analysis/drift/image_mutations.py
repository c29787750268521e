"""One change to a real disk image, made by the tools of its formats, and what a drift must say of it."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from rocketaudit.model.change import Change
from tests.images import Built
from tests.images.disk import Partition
from tests.support import find_tool

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # VFS_CAP_REVISION_2, cap_net_raw, effective


@dataclass(frozen=True)
class Made:
    """`area`, `subject` (an end of it), `attribute` and `ruling` of the change that must be there; "" is any.

    `is_sealed`: the hash tree was made anew over the changed root, and the boot text names it.
    """

    kind: str
    area: str
    subject: str
    attribute: str
    ruling: str
    is_sealed: bool = False

    def is_told_by(self, change: Change) -> bool:
        return (
            change.area == self.area
            and (not self.subject or change.subject.endswith(self.subject))
            and (not self.attribute or change.attribute == self.attribute)
        )


class Disk:
    """A copy of an image (ext4 root) that may be changed."""

    def __init__(self, built: Built, path: Path) -> None:
        self.built = built
        self.path = path
        subprocess.run(["cp", "--sparse=always", str(built.path), str(path)], check=True)

    def debugfs(self, partition: str, *commands: str) -> str:
        """Run debugfs on a partition inside the disk; RuntimeError when it complains."""
        where = f"{self.path}?offset={self.built.partitions[partition].start}"
        script = self.path.with_suffix(".debugfs")
        script.write_text("\n".join(commands) + "\n")
        said = subprocess.run(
            [str(find_tool("debugfs")), "-w", "-f", str(script), where], capture_output=True, text=True, check=True
        )
        problems = [line for line in said.stderr.splitlines() if not line.startswith("debugfs ")]
        problems += [line for line in said.stdout.splitlines() if "No free" in line or "File not found" in line]
        if problems:
            raise RuntimeError(f"{commands}: {problems}")
        return said.stdout

    def block_of(self, partition: str, path: str) -> int:
        """The byte in the disk where a file's first block lies."""
        numbers = self.debugfs(partition, f"blocks {path}").splitlines()[-1].split()
        size = 4096 if partition.startswith("ROOT") else self._block_size(partition)
        return self.built.partitions[partition].start + int(numbers[0]) * size

    def _block_size(self, partition: str) -> int:
        said = self.debugfs(partition, "show_super_stats -h")
        return next(int(line.split()[-1]) for line in said.splitlines() if line.startswith("Block size"))

    def flip(self, at: int, mask: int = 1) -> None:
        with self.path.open("r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ mask]))

    def replace(self, partition: str, path: str, old: bytes, new: bytes) -> None:
        """Put `new` over `old`, of equal length, in the first block of a file."""
        assert len(old) == len(new)
        at = self.block_of(partition, path)
        with self.path.open("r+b") as file:
            file.seek(at)
            block = file.read(4096)
            file.seek(at + block.index(old))
            file.write(new)

    def sgdisk(self, *words: str) -> None:
        subprocess.run([str(find_tool("sgdisk")), *words, str(self.path)], check=True, capture_output=True)

    def seal(self) -> str:
        """Make the hash tree anew over the root as it is now, and put its root hash into the boot text."""
        tree, root, place = self.built.verity["A"], self.partition("ROOT-A"), self.partition("HASH-A")
        data, hashes = self.path.with_suffix(".data"), self.path.with_suffix(".hash")
        with self.path.open("rb") as file:
            file.seek(root.start)
            data.write_bytes(file.read(tree.data_blocks * 4096))
        hashes.unlink(missing_ok=True)
        words = [str(find_tool("veritysetup")), "format", f"--salt={tree.salt}", f"--uuid={UUID(int=7)}"]
        said = subprocess.run([*words, str(data), str(hashes)], check=True, capture_output=True, text=True).stdout
        root_hash = next(line.split()[-1] for line in said.splitlines() if line.startswith("Root hash"))
        made = hashes.read_bytes()
        assert len(made) <= place.length
        with self.path.open("r+b") as file:
            file.seek(place.start)
            file.write(made)
        self.replace("BOOT-A", "/grub/grub.cfg", tree.root_hash.encode(), root_hash.encode())
        return root_hash

    def number(self, partition: str) -> int:
        return list(self.built.partitions).index(partition) + 1

    @property
    def usr(self) -> str:
        return self.built.usr("").rstrip("/")

    def files(self, *ends: str) -> list[str]:
        """Paths of regular files with content of their own, by the recipe's own list."""
        found = [entry for entry in self.built.manifest if entry.type == "regular" and entry.size > 0]
        names = [entry.path.decode() for entry in found if entry.path.isascii()]
        return [name for name in names if not ends or name.endswith(ends)]

    def partition(self, name: str) -> Partition:
        return self.built.partitions[name]


def _choose(disk: Disk, chance: random.Random, *ends: str) -> str:
    return chance.choice([path for path in disk.files(*ends) if " " not in path and '"' not in path])


def added(disk: Disk, chance: random.Random) -> Made:
    path = f"{disk.usr}/share/added-{chance.randrange(10**6)}"
    content = disk.path.with_suffix(".added")
    content.write_bytes(chance.randbytes(chance.randrange(1, 9000)))
    folder, _, name = path.rpartition("/")
    made = (f"symlink {path} /etc/passwd", f"mkdir {path}", f"write {content} {path}")
    device = (f"cd {folder}", f"mknod {name} {chance.choice(['p', 'c 1 3', 'b 8 0'])}")
    disk.debugfs("ROOT-A", *chance.choice([*((one,) for one in made), device]))
    return Made("added", "files", f":{path}", "file", "same-root-hash")


def removed(disk: Disk, chance: random.Random) -> Made:
    path = _choose(disk, chance)
    disk.debugfs("ROOT-A", f"rm {path}")
    return Made("removed", "files", f":{path}", "file", "same-root-hash")


def byte(disk: Disk, chance: random.Random, *ends: str) -> Made:
    path = _choose(disk, chance, *ends)
    size = next(entry.size for entry in disk.built.manifest if entry.path.decode("utf-8", "replace") == path)
    disk.flip(disk.block_of("ROOT-A", path) + chance.randrange(min(size, 4096)), 1 << chance.randrange(8))
    return Made("byte", "files", f":{path}", "content", "same-root-hash")


def mode(disk: Disk, chance: random.Random) -> Made:
    path = _choose(disk, chance)
    disk.debugfs("ROOT-A", f"set_inode_field {path} mode 010{chance.choice(['4755', '0777', '2755', '0600'])}")
    return Made("mode", "files", f":{path}", "mode", "same-root-hash")


def owner(disk: Disk, chance: random.Random) -> Made:
    path = _choose(disk, chance)
    disk.debugfs("ROOT-A", f"set_inode_field {path} {chance.choice(['uid', 'gid'])} {chance.randrange(1, 60000)}")
    return Made("owner", "files", f":{path}", "owner", "same-root-hash")


def label(disk: Disk, chance: random.Random) -> Made:
    path = _choose(disk, chance)
    disk.debugfs("ROOT-A", f'ea_set {path} security.selinux "system_u:object_r:any_t:s0\\000"')
    return Made("label", "files", f":{path}", "selinux", "same-root-hash")


def capability(disk: Disk, chance: random.Random) -> Made:
    path = _choose(disk, chance)
    value = disk.path.with_suffix(".capability")
    value.write_bytes(CAPABILITY)
    disk.debugfs("ROOT-A", f"ea_set -f {value} {path} security.capability")
    return Made("capability", "files", f":{path}", "capability", "same-root-hash")


def target(disk: Disk, chance: random.Random) -> Made:
    links = [entry.path.decode() for entry in disk.built.manifest if entry.type == "symlink" and entry.path.isascii()]
    path = chance.choice(links)
    disk.debugfs("ROOT-A", f"rm {path}", f"symlink {path} /elsewhere/{chance.randrange(1000)}")
    return Made("target", "files", f":{path}", "target", "same-root-hash")


def unit(disk: Disk, chance: random.Random) -> Made:
    return byte(disk, chance, ".service", ".mount")


def sysctl(disk: Disk, chance: random.Random) -> Made:
    return byte(disk, chance, "sysctl.d/80-release.conf", "sysctl.d/50-default.conf")


def sysctl_value(disk: Disk, chance: random.Random) -> Made:
    del chance
    path = f"{disk.usr}/lib/sysctl.d/80-release.conf"
    disk.replace("ROOT-A", path, b"kernel.kptr_restrict", b"kernel.kptr_restrixt")
    return Made("sysctl value", "sysctls", "sysctl:kernel.kptr_restrict", "static", "anything-else")


def module(disk: Disk, chance: random.Random) -> Made:
    return byte(disk, chance, ".ko", ".ko.xz", ".ko.gz", ".ko.zst")


def root_json(disk: Disk, chance: random.Random) -> Made:
    byte(disk, chance, "updog/root.json")
    return Made("root.json", "tuf-root", ":root.json", "bytes", "tuf-root")


def boot_line(disk: Disk, chance: random.Random) -> Made:
    old, new = chance.choice([(b"selinux=1", b"selinux=0"), (b"enforcing=1", b"enforcing=0"), (b"quiet", b"debug")])
    disk.replace("BOOT-A", "/grub/grub.cfg", old, new)
    return Made("boot line", "boot", "/grub/grub.cfg", "command_line", "boot-text")


def verity_option(disk: Disk, chance: random.Random) -> Made:
    del chance
    disk.replace("BOOT-A", "/grub/grub.cfg", b"restart_on_corruption", b"ignore_corruption    ")
    return Made("verity option", "integrity", ":boot text", "options", "verity-weaker")


def root_hash(disk: Disk, chance: random.Random) -> Made:
    old = disk.built.verity["A"].root_hash
    digit = chance.randrange(64)
    new = old[:digit] + ("1" if old[digit] == "0" else "0") + old[digit + 1 :]
    disk.replace("BOOT-A", "/grub/grub.cfg", old.encode(), new.encode())
    return Made("root hash", "integrity", ":boot text", "root_hash", "fixed-tree")


def gpt_bit(disk: Disk, chance: random.Random) -> Made:
    """Priority 48 to 51, tries 52 to 55, successful 56: of either bank."""
    bank = chance.choice("AB")
    disk.sgdisk("-A", f"{disk.number(f'BOOT-{bank}')}:toggle:{chance.randrange(48, 57)}")
    return Made("GPT bit", "banks", f"bank-{bank.lower()}", "state", "bank-state")


def other_bit(disk: Disk, chance: random.Random) -> Made:
    name = chance.choice(["ROOT-A", "HASH-A", "PRIVATE", "BOOT-A"])
    disk.sgdisk("-A", f"{disk.number(name)}:toggle:{chance.choice([0, 2, 60, 63])}")
    return Made("another bit", "partitions", disk.partition(name).label, "attributes", "partitions")


def swap_banks(disk: Disk, chance: random.Random) -> Made:
    """Bank B gets the higher priority and the mark of success."""
    bits = [49, 56] if chance.random() < 0.5 else [49, 52, 56]
    words = [word for bit in bits for word in ("-A", f"{disk.number('BOOT-B')}:set:{bit}")]
    disk.sgdisk(*words)
    return Made("bank swap", "banks", "bank-b", "state", "bank-state")


def partition_name(disk: Disk, chance: random.Random) -> Made:
    number = disk.number(chance.choice(["ROOT-A", "BOOT-B", "PRIVATE"]))
    disk.sgdisk("-c", f"{number}:SOMETHING-{chance.randrange(100)}")
    return Made("partition name", "partitions", str(number), "name", "partitions")


def partition_guid(disk: Disk, chance: random.Random) -> Made:
    name = chance.choice(["ROOT-B", "HASH-B", "RESERVED-A"])
    disk.sgdisk("-u", f"{disk.number(name)}:{random.Random(chance.random()).randbytes(16).hex()}")
    return Made("partition GUID", "partitions", disk.partition(name).label, "unique_guid", "partitions")


def hash_block(disk: Disk, chance: random.Random) -> Made:
    leaves = -(-disk.built.verity["A"].data_blocks // 128)
    disk.flip(disk.partition("HASH-A").start + 4096 + chance.randrange(leaves) * 4096 + chance.randrange(32))
    return Made("hash block", "integrity", "bank-a", "bad_blocks", "tree-broken")


def superblock(disk: Disk, chance: random.Random) -> Made:
    disk.flip(disk.partition("HASH-A").start + 88 + chance.randrange(32))  # the salt
    return Made("superblock", "integrity", ":superblock", "salt", "fixed-tree")


def slack(disk: Disk, chance: random.Random) -> Made:
    part = disk.partition("HASH-A")
    disk.flip(part.start + part.length - chance.randrange(4096, 65536))
    return Made("slack", "integrity", "bank-a", "", "unprotected-bytes")


def boot_file(disk: Disk, chance: random.Random) -> Made:
    disk.flip(disk.block_of("BOOT-A", "/vmlinuz") + chance.randrange(1024, 4096))
    return Made("kernel", "files", "boot-a:/vmlinuz", "content", "boot-files")


def _raw(disk: Disk, place: str, at: int, chance: random.Random) -> Made:
    disk.flip(at, 1 << chance.randrange(8))
    return Made("raw bytes", "partitions", place, "bytes", "raw-bytes")


def boot_code(disk: Disk, chance: random.Random) -> Made:
    """The first sector, and the partition that it goes on in."""
    if chance.random() < 0.5:
        return _raw(disk, "outside of all partitions", chance.randrange(446), chance)
    part = disk.partition("BIOS-BOOT")
    return _raw(disk, part.label, part.start + chance.randrange(part.length), chance)


def gap(disk: Disk, chance: random.Random) -> Made:
    """Between the table and the first partition, or in what a header does not use of its sector."""
    first = min(part.start for part in disk.built.partitions.values())
    places = chance.randrange(40 * 512, first), 512 + chance.randrange(92, 512)
    return _raw(disk, "outside of all partitions", chance.choice(places), chance)


def free_block(disk: Disk, chance: random.Random) -> Made:
    """A byte in the second half of a small partition, which no file fills."""
    part = disk.partition(chance.choice(["EFI-A", "PRIVATE"]))
    return _raw(disk, part.label, part.start + chance.randrange(part.length * 3 // 4, part.length), chance)


def modified(disk: Disk, chance: random.Random) -> Made:
    disk.debugfs("BOOT-A", f"set_inode_field /grub/grub.cfg mtime 2020010{chance.randrange(1, 10)}000000")
    return Made("raw bytes", "partitions", disk.partition("BOOT-A").label, "bytes", "raw-bytes")


def xattr(disk: Disk, chance: random.Random) -> Made:
    path = _choose(disk, chance)
    name = chance.choice(["user.note", "security.ima", "trusted.overlay.opaque"])
    disk.debugfs("ROOT-A", f"ea_set {path} {name} x{chance.randrange(10)}")
    return Made("xattr", "files", f":{path}", "xattrs", "same-root-hash")


def file_type(disk: Disk, chance: random.Random) -> Made:
    path = _choose(disk, chance)
    folder, _, name = path.rpartition("/")
    made = (f"symlink {path} /etc/passwd", f"mkdir {path}")
    device = (f"cd {folder}", f"mknod {name} c 1 3")
    disk.debugfs("ROOT-A", f"rm {path}", *chance.choice([*((one,) for one in made), device]))
    return Made("file type", "files", f":{path}", "type", "same-root-hash")


KINDS: tuple[Callable[[Disk, random.Random], Made], ...] = (
    added, removed, byte, mode, owner, label, capability, target, unit, sysctl, sysctl_value, module, root_json,
    boot_line, verity_option, root_hash, gpt_bit, other_bit, swap_banks, partition_name, partition_guid, hash_block,
    superblock, slack, boot_file, boot_code, gap, free_block, modified, xattr, file_type,
)  # fmt: skip
IN_THE_ROOT = (*KINDS[:13], xattr, file_type)


def sealed(kind: Callable[[Disk, random.Random], Made], disk: Disk, chance: random.Random) -> Made:
    """The same change by somebody who makes the hash tree anew as well, as whoever builds images can."""
    made = kind(disk, chance)
    disk.seal()
    return replace(made, is_sealed=True, ruling="fixed-content" if made.ruling == "same-root-hash" else made.ruling)
