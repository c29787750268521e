"""From an ImageSpec to a disk image: cached by everything that goes into it, equal bytes for equal inputs."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.images import bottlerocket, disk, plants, release
from tests.images.boot import put_grub, put_uki
from tests.images.bottlerocket import label, small_tree
from tests.images.cache import digest, locked
from tests.images.disk import Partition, Site, Sizes, VerityTree
from tests.images.filesystems import EROFS_COMPRESSED, make_erofs, make_ext4
from tests.images.full import add_edges, add_packages
from tests.images.plants import PLANTS, FileFlip, Flip
from tests.images.release import Release
from tests.images.tree import Expected, Tree, manifest_of
from tests.support import CACHE, find_tool

TOOLS = ("sgdisk", "mkfs.ext4", "resize2fs", "debugfs", "mkfs.erofs", "veritysetup", "mkfs.vfat", "mcopy", "fakeroot")
TOOLS += ("gcc", "g++", "mksquashfs")
BASE = Release()
SMALL = Sizes(efi=5, boot=8, root=48, hash=2, reserved=1, private=4, data=1)


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """What to build. `bank_b`: empty (as released), same, corrupt (the same, one byte flipped) or older (demo only)."""

    root_fs: str = "erofs"  # or ext4
    tree: str = "small"  # or edges, full, demo
    kind: str = "grub"  # or single, uki, standalone, eif
    sizes: Sizes = SMALL
    split: bool = True
    bank_b: str = "empty"
    release: Release = BASE
    plants: tuple[str, ...] = ()
    flips: tuple[Flip | FileFlip, ...] = ()

    def __post_init__(self) -> None:
        unknown = set(self.plants) - set(PLANTS)
        if unknown:
            raise ValueError(f"no such plant: {', '.join(sorted(unknown))}")


@dataclass(frozen=True, slots=True)
class Bank:
    """What goes into one bank; `compressed` chooses between Bottlerocket's EROFS options and none."""

    tree: Tree
    release: Release
    compressed: bool = True


@dataclass(frozen=True, slots=True)
class Built:
    """A finished image and everything that a scan of it must find; mappings are by bank ("A", "B")."""

    path: Path
    spec: ImageSpec
    manifests: Mapping[str, tuple[Expected, ...]] = field(repr=False)
    verity: Mapping[str, VerityTree]
    partitions: Mapping[str, Partition] = field(repr=False)
    boot_configurations: Mapping[str, str] = field(repr=False)  # grub.cfg, or the UKI's command line

    @property
    def manifest(self) -> tuple[Expected, ...]:
        """What is in the root of bank A, which boots next."""
        return self.manifests["A"]

    @property
    def grub_cfg(self) -> str:
        """Bank A's boot configuration."""
        return self.boot_configurations["A"]

    def entry(self, path: str) -> Expected:
        """The manifest's record of one path as stored, such as "/x86_64-bottlerocket-linux-gnu/sys-root/usr/bin/x"."""
        wanted = os.fsencode(path)
        return next(entry for entry in self.manifest if entry.path == wanted)

    def usr(self, path: str) -> str:
        """The stored path of something below /usr."""
        return f"{bottlerocket.root_of(self.spec.release)}/usr/{path}"


def build(spec: ImageSpec) -> Built:
    """Build the image or take it from the cache; FileNotFoundError names a tool that is missing."""
    for tool in TOOLS:
        if find_tool(tool) is None:
            raise FileNotFoundError(f"{tool} is not installed")
    banks = make_banks(spec)
    manifests = {name: manifest_of(bank.tree) for name, bank in banks.items()}
    place = CACHE / "images" / digest(spec, manifests)
    with locked(place.with_suffix(".lock")):
        if not (place / "built.pickle").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
                made = Path(scratch, "made")
                made.mkdir()
                built = assemble(spec, banks, manifests, made)
                (made / "built.pickle").write_bytes(pickle.dumps(replace(built, path=Path("disk.img"))))
                os.replace(made, place)
    built = pickle.loads((place / "built.pickle").read_bytes())
    return replace(built, path=place / "disk.img")


def make_banks(spec: ImageSpec) -> dict[str, Bank]:
    """The content of each populated bank; planted problems go into bank A."""
    if spec.tree == "demo":
        from tests.images.demo import OLDER_PROGRAMS, PROGRAMS  # it imports this module

        tree = small_tree(spec.release, root_fs=spec.root_fs, programs=PROGRAMS, system_files=())
        older = replace(spec.release, version="1.61.1", build="8c21e0d4")
        previous = small_tree(older, root_fs=spec.root_fs, programs=OLDER_PROGRAMS, system_files=())
        banks = {"A": Bank(tree, spec.release), "B": Bank(label(previous), older, compressed=False)}
    else:
        tree = small_tree(spec.release, root_fs=spec.root_fs)
        if spec.tree == "full":
            add_packages(tree, spec.release)
        if spec.tree in ("full", "edges"):
            add_edges(tree, spec.release)
        banks = {"A": Bank(tree, spec.release)}
        if spec.bank_b != "empty":
            banks["B"] = banks["A"]
    for name in spec.plants:
        if name in plants.TREE_PLANTS:
            plants.TREE_PLANTS[name](tree, spec.release)
    label(tree)
    return banks


def assemble(
    spec: ImageSpec, banks: Mapping[str, Bank], manifests: Mapping[str, tuple[Expected, ...]], folder: Path
) -> Built:
    """Make every partition's content and put it on the disk."""
    partitions = disk.plan(spec.sizes, kind=spec.kind, split=spec.split)
    site = Site(folder / "disk.img", {part.name: part for part in partitions}, folder)
    disk.partition_table(site.image, partitions)
    hashes: dict[str, VerityTree] = {}
    configurations: dict[str, str] = {}
    for name, bank in banks.items():
        root = _make_root(spec, bank, folder, site.mib(f"ROOT-{name}"))
        hashes[name] = _put_root(site, root, name)
        configurations[name] = _put_boot(spec, site, name, bank, hashes[name])
    for scratch in folder.glob("root-*.img"):
        scratch.unlink()
    if "BIOS-BOOT" in site.parts:
        site.put("BIOS-BOOT", release.noise("core.img", 32 << 10))
    if "PRIVATE" in site.parts:
        _put_private(spec, site)
    if "slack" in spec.plants:
        site.put("HASH-A", b"hidden behind the hash tree", at=site.parts["HASH-A"].length - (64 << 10))
    for flip in spec.flips + ((Flip("ROOT-B", 5 * disk.BLOCK + 17),) if spec.bank_b == "corrupt" else ()):
        flip_byte(site.image, site.parts, flip if isinstance(flip, Flip) else _place_of(flip, banks, site))
    return Built(site.image, spec, manifests, hashes, site.parts, configurations)


def _make_root(spec: ImageSpec, bank: Bank, folder: Path, mib: int) -> Path:
    """The root file system, made once per tree."""
    root = folder / f"root-{id(bank.tree)}.img"
    if root.exists():
        return root
    if spec.root_fs == "erofs":
        make_erofs(bank.tree, root, name="root", arguments=EROFS_COMPRESSED if bank.compressed else ())
    else:
        make_ext4(bank.tree, root, name="root", mib=mib, shrink=True)
    return root


def _put_root(site: Site, root: Path, bank: str) -> VerityTree:
    site.put(f"ROOT-{bank}", root, keep=True)
    tree = site.folder / "hash.img"
    salt = hashlib.sha256(f"salt {bank}".encode()).hexdigest()
    made = disk.verity(root, tree, name=f"verity-{bank}", salt=salt, room=site.parts[f"HASH-{bank}"].length)
    site.put(f"HASH-{bank}", tree)
    return made


def _put_boot(spec: ImageSpec, site: Site, name: str, bank: Bank, tree: VerityTree) -> str:
    match spec.kind:
        case "eif":  # the enclave's kernel carries the table, outside of this disk
            return ""
        case "uki":
            return put_uki(site, bank.release, tree, spec.plants)
        case _:
            return put_grub(site, name, bank.release, tree, spec.plants, alone=spec.kind == "standalone")


def _put_private(spec: ImageSpec, site: Site) -> None:
    content = site.folder / "private.img"
    tree = Tree()
    said = 'kernel.audit = "0"\n' if "bootconfig_argument" in spec.plants else "kernel.quiet\n"
    tree.file("/bootconfig.data", release.bootconfig(said), mode=0o600)
    options = ("-i", "4096", "-I", "256")
    make_ext4(tree, content, name="private", mib=site.mib("PRIVATE"), arguments=options)
    site.put("PRIVATE", content)


def _place_of(flip: FileFlip, banks: Mapping[str, Bank], site: Site) -> Flip:
    """Find a file's bytes in its partition; ValueError when they are not stored plainly."""
    bank, part = banks[flip.bank], site.parts[f"ROOT-{flip.bank}"]
    content = bank.tree[f"{bottlerocket.root_of(bank.release)}/usr/{flip.path}"].bytes()
    with site.image.open("rb") as file:
        file.seek(part.start)
        at = file.read(part.length).find(content[:4096])
    if at < 0:
        raise ValueError(f"{flip.path} is not stored plainly in bank {flip.bank}")
    return Flip(part.name, at + flip.offset, flip.mask)


def flip_byte(image: Path, partitions: Mapping[str, Partition], flip: Flip) -> None:
    """Change one byte in place; ValueError when it lies outside its partition."""
    start = 0
    if flip.partition != "disk":
        part = partitions[flip.partition]
        if not 0 <= flip.offset < part.length:
            raise ValueError(f"{flip.partition} has {part.length} bytes, not {flip.offset}")
        start = part.start
    with image.open("r+b") as file:
        file.seek(start + flip.offset)
        byte = file.read(1)
        file.seek(start + flip.offset)
        file.write(bytes([byte[0] ^ flip.mask]))


def damaged_copy(built: Built, into: Path, *flips: Flip) -> Path:
    """A copy of the image (holes stay holes) with bytes flipped; for one quick check without a recipe of its own."""
    subprocess.run(["cp", "--sparse=always", str(built.path), str(into)], check=True)
    for flip in flips:
        flip_byte(into, built.partitions, flip)
    return into
