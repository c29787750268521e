"""From an ImageSpec to a disk image: cached by everything that goes into it, equal bytes for equal inputs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.images import bottlerocket, disk, plants, release
from tests.images.compile import versions
from tests.images.disk import Partition, Sizes, VerityTree
from tests.images.filesystems import make_erofs, make_ext4, make_fat
from tests.images.plants import PLANTS, TREE_PLANTS, Flip
from tests.images.release import Release
from tests.images.tree import Expected, Tree, manifest_of
from tests.support import CACHE, find_tool

HERE = Path(__file__).parent
TOOLS = ("sgdisk", "mkfs.ext4", "resize2fs", "debugfs", "mkfs.erofs", "veritysetup", "mkfs.vfat", "mcopy", "fakeroot")
TOOLS += ("gcc", "g++")
BASE = Release()
SMALL = Sizes(efi=5, boot=8, root=48, hash=2, reserved=1, private=4, data=1)


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """What to build. `bank_b`: empty (as released), same (the same tree again), corrupt (one byte flipped)."""

    root_fs: str = "erofs"  # or ext4
    tree: str = "small"  # or full
    kind: str = "grub"  # or single, standalone
    sizes: Sizes = SMALL
    split: bool = True
    bank_b: str = "empty"
    release: Release = BASE
    plants: tuple[str, ...] = ()
    flips: tuple[Flip, ...] = ()

    def __post_init__(self) -> None:
        unknown = set(self.plants) - set(PLANTS)
        if unknown:
            raise ValueError(f"no such plant: {', '.join(sorted(unknown))}")


@dataclass(frozen=True, slots=True)
class Built:
    """A finished image and everything that a scan of it must find."""

    path: Path
    spec: ImageSpec
    manifest: tuple[Expected, ...] = field(repr=False)
    verity: Mapping[str, VerityTree]  # by bank: "A", "B"
    partitions: Mapping[str, Partition]
    grub_cfg: str = field(repr=False)

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
    tree = make_tree(spec)
    manifest = manifest_of(tree)
    place = CACHE / "images" / digest(spec, manifest)
    with locked(place.with_suffix(".lock")):
        if not (place / "built.pickle").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
                made = Path(scratch, "made")
                made.mkdir()
                built = assemble(spec, tree, manifest, made)
                (made / "built.pickle").write_bytes(pickle.dumps(replace(built, path=Path("disk.img"))))
                os.replace(made, place)
    built = pickle.loads((place / "built.pickle").read_bytes())
    return replace(built, path=place / "disk.img")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time, so that parallel test workers build each image once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def digest(spec: ImageSpec, manifest: tuple[Expected, ...]) -> str:
    """What decides the image's bytes: the spec, the tree, the recipe's own code and the tools' versions."""
    sha = hashlib.sha256(repr((spec, manifest, versions(), _tool_versions())).encode())
    for source in sorted(HERE.glob("*.py")):
        sha.update(source.read_bytes())
    return sha.hexdigest()[:24]


def _tool_versions() -> tuple[str, ...]:
    commands = (["mkfs.ext4", "-V"], ["veritysetup", "--version"], ["sgdisk", "--version"], ["mkfs.erofs", "-V"])
    said = []
    for name, option in commands:
        result = subprocess.run([str(find_tool(name)), option], capture_output=True, text=True, check=False)
        said.append((result.stdout + result.stderr).splitlines()[0])
    return tuple(said)


def make_tree(spec: ImageSpec) -> Tree:
    tree = bottlerocket.small_tree(spec.release, root_fs=spec.root_fs)
    if spec.tree == "full":
        from tests.images.full import add_packages

        add_packages(tree, spec.release)
    for name in spec.plants:
        if name in TREE_PLANTS:
            TREE_PLANTS[name](tree, spec.release)
    return tree


def assemble(spec: ImageSpec, tree: Tree, manifest: tuple[Expected, ...], folder: Path) -> Built:
    """Make every partition's content and put it on the disk."""
    partitions = disk.plan(spec.sizes, kind=spec.kind, split=spec.split)
    by_name = {part.name: part for part in partitions}
    image = folder / "disk.img"
    disk.partition_table(image, partitions)
    root = folder / "root.img"
    if spec.root_fs == "erofs":
        make_erofs(tree, root, name="root")
    else:
        make_ext4(tree, root, name="root", mib=by_name["ROOT-A"].length >> 20, shrink=True)
    hashes: dict[str, VerityTree] = {}
    grub_cfg = ""
    for bank in ("A",) if spec.bank_b == "empty" else ("A", "B"):
        hashes[bank] = _put_root(image, by_name, root, folder, bank)
        grub_cfg = _put_boot(spec, image, by_name, folder, bank, hashes[bank])
    disk.put(image, by_name["BIOS-BOOT"].start, release.noise("core.img", 32 << 10), room=by_name["BIOS-BOOT"].length)
    if "PRIVATE" in by_name:
        _put_private(image, by_name["PRIVATE"], folder)
    root.unlink()
    flips = spec.flips + ((Flip("ROOT-B", 5 * disk.BLOCK + 17),) if spec.bank_b == "corrupt" else ())
    for flip in flips:
        flip_byte(image, by_name, flip)
    return Built(image, spec, manifest, hashes, by_name, grub_cfg)


def _put_root(image: Path, parts: Mapping[str, Partition], root: Path, folder: Path, bank: str) -> VerityTree:
    part, hash_part = parts[f"ROOT-{bank}"], parts[f"HASH-{bank}"]
    disk.put(image, part.start, root, room=part.length)
    tree = folder / "hash.img"
    salt = hashlib.sha256(f"salt {bank}".encode()).hexdigest()
    made = disk.verity(root, tree, name=f"verity-{bank}", salt=salt, room=hash_part.length)
    disk.put(image, hash_part.start, tree, room=hash_part.length)
    tree.unlink()
    return made


def _put_boot(
    spec: ImageSpec, image: Path, parts: Mapping[str, Partition], folder: Path, bank: str, tree: VerityTree
) -> str:
    said = tree
    if bank == "A" and "wrong_root_hash" in spec.plants:
        said = replace(said, root_hash=plants.wrong_digit(said.root_hash))
    if bank == "A" and "wrong_salt" in spec.plants:
        said = replace(said, salt=plants.wrong_digit(said.salt))
    if bank == "A" and "wrong_block_count" in spec.plants:
        said = replace(said, data_blocks=said.data_blocks - 1)
    arguments = plants.kernel_arguments(disk.KERNEL_ARGUMENTS, spec.plants)
    text = disk.grub_cfg(said, pretty_name=spec.release.pretty_name, arguments=arguments)
    content = folder / "content.img"
    part = parts[f"BOOT-{bank}"]
    make_ext4(boot_tree(spec.release, text), content, name=f"boot-{bank}", mib=part.length >> 20, shrink=True)
    disk.put(image, part.start, content, room=part.length)
    efi = parts[f"EFI-{bank}"]
    loaders = {f"/EFI/BOOT/{name}": pe_stub(name) for name in ("BOOTX64.EFI", "GRUBX64.EFI")}
    make_fat(loaders, content, mib=efi.length >> 20)
    disk.put(image, efi.start, content, room=efi.length)
    content.unlink()
    return text


def boot_tree(of: Release, grub_cfg: str) -> Tree:
    """The boot partition's files."""
    tree = Tree()
    kernel = release.kernel_image(of)
    tree.file("/vmlinuz", kernel, mode=0o600)
    tree.file("/.vmlinuz.hmac", release.kernel_hmac(kernel), mode=0o600)
    tree.file("/config", release.KERNEL_CONFIG, mode=0o600)
    tree.file("/System.map", release.SYSTEM_MAP, mode=0o600)
    tree.directory("/grub", mode=0o700)
    tree.file("/grub/grub.cfg", grub_cfg, mode=0o600)
    return bottlerocket.label(tree)


def pe_stub(name: str) -> bytes:
    """A DOS and a PE header with no sections: enough to be told from other files."""
    header = bytearray(512)
    header[0:2] = b"MZ"
    header[0x3C] = 0x80
    header[0x80:0x86] = b"PE\0\0\x64\x86"
    return bytes(header) + release.noise(name, 8192)


def _put_private(image: Path, part: Partition, folder: Path) -> None:
    content = folder / "private.img"
    tree = Tree()
    tree.file("/bootconfig.data", b"#BOOTCONFIG\n", mode=0o600)
    options = ("-i", "4096", "-I", "256")
    make_ext4(tree, content, name="private", mib=part.length >> 20, arguments=options)
    disk.put(image, part.start, content, room=part.length)
    content.unlink()


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
