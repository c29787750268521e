"""The image of the release that the lab runs: it holds the kernel that boots, its modules and a policy to load."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tests.images import Built, ImageSpec, disk
from tests.images import release as documents
from tests.images.assemble import assemble
from tests.images.bottlerocket import label, root_of, small_tree
from tests.images.filesystems import make_ext4
from tests.images.release import Release
from tests.images.spec import SMALL, Bank
from tests.images.tree import Tree, manifest_of
from tests.lab.guest import FIREWALL_MODULES, kernel_tree, module_files, run

MORE_MODULES = ("overlay", "nf_conntrack", *FIREWALL_MODULES)  # which a node loads as it runs
POLICY_VERSION = 31
HERE = Path(__file__).parent


def make_release(folder: Path, arguments: str, *, name: str = "release") -> Built:
    """The lab's release with those arguments before the `--` of its command line; RuntimeError when a tool fails."""
    kernel = kernel_tree()
    version = next((kernel / "lib/modules").iterdir()).name
    release = Release(kernel=version)
    tree = small_tree(release, root_fs="erofs")
    usr = f"{root_of(release)}/usr"
    add_modules(tree, f"{usr}/lib/modules/{version}", kernel)
    policies = f"{usr}/share/factory/etc/selinux/fortified/policy"
    tree.remove(policies)
    tree.file(f"{policies}/policy.{POLICY_VERSION}", compile_policy(folder))
    tree.directory("/opt/cni")  # where the release's own unit mounts an overlay of this folder
    tree.directory(f"{usr}/libexec/cni")
    tree.file(f"{usr}/libexec/cni/README", "plugins\n")
    label(tree)
    spec = ImageSpec(root_fs="erofs", sizes=replace(SMALL, boot=24), release=release)
    made = folder / name
    made.mkdir()
    built = assemble(spec, {"A": Bank(tree, release, compressed=False)}, {"A": manifest_of(tree)}, made)
    words = (*arguments.split(), "--")
    text = disk.grub_cfg(
        built.verity["A"],
        pretty_name=release.pretty_name,
        arguments=[one for word in disk.KERNEL_ARGUMENTS for one in (words if word == "--" else (word,))],
    )
    put_boot(built, kernel, text, made / "boot.img")
    return replace(built, boot_configurations={"A": text})


def add_modules(tree: Tree, folder: str, kernel: Path) -> None:
    """Every module that the initramfs or the node loads, and the lists that depmod and the kernel's build write."""
    source = next((kernel / "lib/modules").iterdir())
    files = {path: path.relative_to(source) for path in module_files(kernel, MORE_MODULES)}
    places = {path.stem.replace("-", "_"): str(place) for path, place in files.items()}
    tree.remove(folder)
    for path, place in files.items():
        tree.file(f"{folder}/{place}", path)
    lines = (f"{place}: {' '.join(places[name] for name in _needed(path) if name in places)}".rstrip() + "\n"
             for path, place in files.items())  # fmt: skip
    tree.file(f"{folder}/modules.dep", "".join(lines))
    tree.file(f"{folder}/modules.builtin", source / "modules.builtin")


def _needed(module: Path) -> Iterable[str]:
    found = re.search(rb"\0depends=([^\0]*)\0", module.read_bytes())
    return (found[1].decode() if found else "").replace("-", "_").split(",")


def compile_policy(folder: Path) -> bytes:
    """policy.cil, as a policy that Linux 6.1 loads."""
    out = folder / "policy"
    run("secilc", f"--policyvers={POLICY_VERSION}", "-o", out, "-f", folder / "contexts", HERE / "policy.cil")
    return out.read_bytes()


def put_boot(built: Built, kernel: Path, text: str, scratch: Path) -> None:
    """The boot partition with the kernel itself, its configuration and the boot text."""
    image = next((kernel / "boot").glob("vmlinuz-*")).read_bytes()
    tree = Tree()
    tree.file("/vmlinuz", image, mode=0o600)
    tree.file("/.vmlinuz.hmac", documents.kernel_hmac(image), mode=0o600)
    for name in ("config", "System.map"):
        tree.file(f"/{name}", next((kernel / "boot").glob(f"{name}-*")), mode=0o600)
    tree.directory("/grub", mode=0o700)
    tree.file("/grub/grub.cfg", text, mode=0o600)
    part = built.partitions["BOOT-A"]
    with built.path.open("r+b") as whole:
        whole.seek(part.start)
        whole.write(bytes(part.length))
    make_ext4(label(tree), scratch, name="boot-A", mib=part.length >> 20, shrink=True)
    disk.put(built.path, part.start, scratch, room=part.length)
    scratch.unlink()
