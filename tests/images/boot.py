"""What boots a bank: kernel, boot configuration and loaders, as GRUB's partitions or as a unified kernel image."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import replace

from tests.images import disk, plants, release
from tests.images.bottlerocket import label
from tests.images.disk import Site, VerityTree
from tests.images.filesystems import make_ext4, make_fat
from tests.images.pe import pe_file
from tests.images.release import Release
from tests.images.tree import Tree

SBAT = b"sbat,1,SBAT Version,sbat,1,https://example.org/sbat\nrocket,1,rocketaudit,rocket,1,https://example.org\n"


def stated(tree: VerityTree, bank: str, planted: Sequence[str]) -> VerityTree:
    """What the boot configuration says of the tree: the truth, but for what is planted in bank A."""
    if bank == "A" and "wrong_root_hash" in planted:
        tree = replace(tree, root_hash=plants.wrong_digit(tree.root_hash))
    if bank == "A" and "wrong_salt" in planted:
        tree = replace(tree, salt=plants.wrong_digit(tree.salt))
    if bank == "A" and "wrong_block_count" in planted:
        tree = replace(tree, data_blocks=tree.data_blocks - 1)
    return tree


def put_grub(
    site: Site, bank: str, of: Release, tree: VerityTree, planted: Sequence[str], *, alone: bool = False
) -> str:
    """Fill BOOT and EFI of one bank; the text of grub.cfg. `alone`: a guest without PRIVATE and bootconfig."""
    arguments = plants.kernel_arguments(disk.KERNEL_ARGUMENTS, planted)
    if alone:
        arguments = tuple(word for word in arguments if word != "bootconfig")
    said = stated(tree, bank, planted)
    text = disk.grub_cfg(said, pretty_name=of.pretty_name, arguments=arguments, bootconfig=not alone)
    content = site.folder / "boot.img"
    make_ext4(boot_tree(of, text), content, name=f"boot-{bank}", mib=site.mib(f"BOOT-{bank}"), shrink=True)
    site.put(f"BOOT-{bank}", content)
    loaders = ("BOOTX64.EFI", "GRUBX64.EFI")
    put_esp(site, bank, {f"/EFI/BOOT/{name}": pe_file({".text": release.noise(name, 8192)}) for name in loaders})
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
    return label(tree)


def put_esp(site: Site, bank: str, files: dict[str, bytes]) -> None:
    content = site.folder / "efi.img"
    make_fat(files, content, mib=site.mib(f"EFI-{bank}"))
    site.put(f"EFI-{bank}", content)


def put_uki(site: Site, of: Release, tree: VerityTree, planted: Sequence[str]) -> str:
    """Fill the ESP with a unified kernel image; its command line, which names the ESP itself by PARTUUID."""
    table = disk.dm_table(stated(tree, "A", planted), site.parts["EFI-A"].guid)
    arguments = plants.kernel_arguments(disk.KERNEL_ARGUMENTS, planted)
    words = [word for word in arguments if word not in ("bootconfig", "quiet")]
    line = " ".join(words).replace("$dm_verity_root", table).replace("$boot_uuid", site.parts["EFI-A"].guid)
    image = pe_file(
        {
            ".text": release.noise("stub", 4096),
            ".sbat": SBAT,
            ".osrel": release.os_release(of).encode(),
            ".uname": of.kernel.encode(),
            ".cmdline": line.encode(),
            ".linux": release.kernel_image(of),
        }
    )
    mac = hmac.new(b"FIPS-FTW-RHT2009", image, "sha512").hexdigest()
    hmac_file = f"{mac}  EFI/BOOT/BOOTX64.EFI\n".encode()
    put_esp(site, "A", {"/EFI/BOOT/BOOTX64.EFI": image, "/EFI/BOOT/.bottlerocket.efi.hmac": hmac_file})
    return line
