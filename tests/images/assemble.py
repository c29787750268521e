"""Make every partition's content and put it on the disk; the bytes of an image depend on this and what it calls."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from tests.images import disk, release
from tests.images.boot import put_grub, put_uki
from tests.images.bottlerocket import root_of
from tests.images.disk import Partition, Site, VerityTree
from tests.images.filesystems import EROFS_COMPRESSED, make_erofs, make_ext4
from tests.images.plants import FileFlip, Flip
from tests.images.spec import Bank, Built, ImageSpec
from tests.images.tree import Expected, Tree


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
    content = bank.tree[f"{root_of(bank.release)}/usr/{flip.path}"].bytes()
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
