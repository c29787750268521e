"""Put partitions on a disk: Bottlerocket's partition plans, sgdisk, dm-verity and the boot configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.images.filesystems import fixed_uuid, run

MIB = 1 << 20
BLOCK = 4096

TYPES: Mapping[str, str] = {
    "BIOS-BOOT": "21686148-6449-6e6f-744e-656564454649",
    "EFI-A": "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
    "EFI-B": "b39ce39c-0a00-b4ab-2d11-f18f8237a21c",
    "BOOT": "6b636168-7420-6568-2070-6c616e657421",
    "ROOT": "5526016a-1a97-4ea4-b39a-b7c8c6ca4502",
    "HASH": "598f10af-c955-4456-6a99-7720068a6cea",
    "RESERVED": "0c5d99a5-d331-4147-baef-08e2b855bdc9",
    "PRIVATE": "440408bb-eb0b-4328-a6e5-a29038fad706",
    "DATA": "626f7474-6c65-6474-6861-726d61726b73",
}
LABELS = {"EFI-A": "EFI-SYSTEM", "EFI-B": "EFI-BACKUP", "BIOS-BOOT": "BIOS-BOOT", "DATA": ""}
DATA_PREFERRED = "5b94e8df-28b8-485c-9d19-362263b5944c"
DATA_FALLBACK = "69040874-417d-4e26-a764-7885f22007ea"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Partition sizes in MiB."""

    efi: int
    boot: int
    root: int
    hash: int
    reserved: int
    private: int
    data: int

    @classmethod
    def of_gib(cls, gib: int, *, data: int = 1) -> Sizes:
        """Bottlerocket's own sizes for an OS disk of that many GiB, two banks."""
        return cls(5, gib * 20, gib * 460, gib * 5, gib * 15 - 5, gib * 24 - 7, data)


@dataclass(frozen=True, slots=True)
class Partition:
    """Where a partition lies, in bytes."""

    name: str
    label: str
    type: str
    guid: str
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class VerityTree:
    """What veritysetup said when it made the tree."""

    root_hash: str
    salt: str
    data_blocks: int

    @property
    def sectors(self) -> int:
        return self.data_blocks * BLOCK // 512


@dataclass(frozen=True, slots=True)
class Site:
    """A disk that is being built, its partitions by name, and a folder for what goes onto it."""

    image: Path
    parts: Mapping[str, Partition]
    folder: Path

    def mib(self, name: str) -> int:
        return self.parts[name].length >> 20

    def put(self, name: str, content: Path | bytes, *, at: int = 0, keep: bool = False) -> None:
        """Copy bytes, or a file that is then removed unless it is kept, into a partition."""
        part = self.parts[name]
        put(self.image, part.start + at, content, room=part.length - at)
        if isinstance(content, Path) and not keep:
            content.unlink()


def plan(sizes: Sizes, *, kind: str, split: bool) -> tuple[Partition, ...]:
    """The partitions of one layout in disk order: grub (two banks), single, uki, standalone (a guest) or eif."""
    bank = {"EFI": sizes.efi, "BOOT": sizes.boot, "ROOT": sizes.root, "HASH": sizes.hash, "RESERVED": sizes.reserved}
    if kind == "uki":
        bank["EFI"] = bank["EFI"] + bank.pop("BOOT")
    if kind != "grub":
        bank = {name: 2 * size for name, size in bank.items()}
    if kind == "standalone":
        del bank["RESERVED"]
    if kind == "eif":
        bank = {"ROOT": sizes.root, "HASH": sizes.hash}
    rows = [(f"{name}-A", size) for name, size in bank.items()]
    if kind != "eif":
        rows.insert(0, ("BIOS-BOOT", 4))
    if kind == "grub":
        rows += [(f"{name}-B", size) for name, size in bank.items()]
    if kind not in ("standalone", "eif"):
        rows += [("PRIVATE", sizes.private), ("DATA", sizes.data)]
    partitions, at = [], 1
    for name, size in rows:
        partitions.append(_partition(name, at, size, split=split, kind=kind))
        at += size
    return tuple(partitions)


def _partition(name: str, start: int, size: int, *, split: bool, kind: str) -> Partition:
    guid = fixed_uuid(f"{kind}/{name}")
    if name == "DATA":
        guid = DATA_FALLBACK if split else DATA_PREFERRED
    kind_of = name if name in TYPES else name.rpartition("-")[0]
    label = LABELS.get(name, f"BOTTLEROCKET-{name}")
    return Partition(name, label, TYPES[kind_of], guid, start * MIB, size * MIB)


def partition_table(image: Path, partitions: Sequence[Partition]) -> None:
    """Create the disk file and write its GPT; bank A will boot: priority 1 and successful."""
    last = partitions[-1]
    with image.open("wb") as file:
        file.truncate(last.start + last.length + MIB)
    arguments: list[str] = []
    for number, part in enumerate(partitions, 1):
        arguments += ["-n", f"{number}:{part.start // 512}:{(part.start + part.length) // 512 - 1}"]
        arguments += ["-c", f"{number}:{part.label}", "-t", f"{number}:{part.type}", "-u", f"{number}:{part.guid}"]
        if part.name == "BOOT-A":
            arguments += ["-A", f"{number}:set:48", "-A", f"{number}:set:56"]
    run(["sgdisk", "--clear", "--disk-guid", fixed_uuid("disk"), *arguments, image])


def put(image: Path, at: int, content: Path | bytes, *, room: int) -> None:
    """Copy bytes onto the disk, leaving holes where they are zero; ValueError when they do not fit."""
    data = content.read_bytes() if isinstance(content, Path) else content
    if len(data) > room:
        raise ValueError(f"{len(data)} bytes do not fit into a partition of {room}")
    zeros = bytes(MIB)
    view = memoryview(data)
    with image.open("r+b") as disk:
        for offset in range(0, len(data), MIB):
            piece = view[offset : offset + MIB]
            if bytes(piece) != zeros[: len(piece)]:
                disk.seek(at + offset)
                disk.write(piece)


def verity(data: Path, tree: Path, *, name: str, salt: str, room: int) -> VerityTree:
    """Make the hash tree in a file of `room` bytes; the root hash as veritysetup prints it."""
    with tree.open("wb") as file:
        file.truncate(room)
    command = ["veritysetup", "format", "--format=1", "--hash=sha256", f"--data-block-size={BLOCK}"]
    command += [f"--hash-block-size={BLOCK}", f"--salt={salt}", f"--uuid={fixed_uuid(name)}"]
    said = run([*command, data, tree])
    values = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in said.splitlines()}
    return VerityTree(values["Root hash"], values["Salt"], int(values["Data blocks"]))


def dm_table(tree: VerityTree, device: str = "$boot_uuid") -> str:
    """The device-mapper table as the boot configuration spells it; ROOT and HASH follow the boot partition."""
    return (
        f"root,,,ro,0 {tree.sectors} verity 1 PARTUUID={device}/PARTNROFF=1 PARTUUID={device}/PARTNROFF=2 "
        f"{BLOCK} {BLOCK} {tree.data_blocks} 1 sha256 {tree.root_hash} {tree.salt} "
        "2 restart_on_corruption ignore_zero_blocks"
    )


KERNEL_ARGUMENTS = (
    "console=tty0",
    "console=ttyS0,115200n8",
    "net.ifnames=0",
    "quiet",
    "bootconfig",
    "root=/dev/dm-0 rootwait ro",
    "raid=noautodetect",
    "random.trust_cpu=on",
    "selinux=1 enforcing=1",
    'dm-mod.create="$dm_verity_root"',
    "--",
    "systemd.log_target=journal-or-kmsg",
    "systemd.log_color=0",
    "systemd.show_status=true",
)


def grub_cfg(
    tree: VerityTree, *, pretty_name: str, arguments: Sequence[str] = KERNEL_ARGUMENTS, bootconfig: bool = True
) -> str:
    """A boot configuration of Bottlerocket's shape: the table in a variable, one entry that uses it."""
    lines = " \\\n       ".join(arguments)
    initrd = "   initrd ($private)/bootconfig.data\n" if bootconfig else ""
    return (
        'set default="0"\nset timeout="0"\n'
        f'set dm_verity_root="{dm_table(tree)}"\n\n'
        f'menuentry "{pretty_name}" --unrestricted {{\n'
        f"   linux ($root)/vmlinuz \\\n       {lines}\n"
        f"{initrd}   boot\n}}\n"
    )
