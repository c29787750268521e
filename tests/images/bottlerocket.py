"""The small tree: Bottlerocket's folders, links, labels and documents around our own programs."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import lz4.frame

from tests.images import release as documents
from tests.images.compile import (
    HARDENED,
    Program,
    compile_policy,
    compile_program,
    rust_standard_library,
    strip,
)
from tests.images.filesystems import make_squashfs
from tests.images.release import Package, Release
from tests.images.signing import ca_bundle, signed_module, tuf_root
from tests.images.tree import Tree

ROOTFS = Path(__file__).with_name("rootfs")
BUILTIN_FOLDERS = ("boot", "dev", "home", "local", "media/cdrom", "mnt", "opt", "proc", "root/.aws", "run", "srv")
BUILTIN_FOLDERS += ("sys", "tmp", "var")
DYNAMIC = ("-Copt-level=3", "-Cprefer-dynamic", "-Clink-arg=-Wl,-z,relro,-z,now")
STATIC = ("-Copt-level=z", "-Cpanic=abort", "-Ctarget-feature=+crt-static")
LIBRARY_FLAGS = ("-shared", "-fPIC", "-O2", "-D_FORTIFY_SOURCE=2", "-fstack-protector-strong", "-s")
LIBRARY_FLAGS += ("-Wl,-z,relro,-z,now",)
GO_HARDENED = ("-buildmode=pie", "-ldflags=-s -w -bindnow")
MODULE_FLAGS = ("-c", "-O1", "-mcmodel=kernel", "-fno-pic")

PROGRAMS = (
    Program("/usr/bin/apiclient", "apiclient.rs", STATIC),
    Program("/usr/bin/apiserver", "apiclient.rs", DYNAMIC),
    Program("/usr/bin/signpost", "signpost.rs", DYNAMIC),
    Program("/usr/bin/host-ctr", "host_ctr.go", GO_HARDENED),
    Program("/usr/bin/containerd", "host_ctr.go"),
    Program("/usr/bin/kubelet", "pause.go"),
    Program("/usr/sbin/chronyd", "chronyd.c", HARDENED),
    Program("/usr/bin/journal-count", "journal.cc", HARDENED),
    Program("/usr/lib/librocket.so.1", "library.c", LIBRARY_FLAGS),
)
MODULES = ("fs/udf/udf", "net/sctp/sctp", "drivers/md/dm-log")
SYSTEM_FILES = ("ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6", "libcrypto.so.3")


def root_of(release: Release) -> str:
    return f"/{release.arch}-bottlerocket-linux-gnu/sys-root"


def small_tree(
    release: Release,
    *,
    root_fs: str,
    programs: Sequence[Program] = PROGRAMS,
    packages: Sequence[Package] = documents.PACKAGES,
    system_files: Sequence[str] = SYSTEM_FILES,
) -> Tree:
    """About 15 MB with all compilers at hand; without one, its programs are missing."""
    tree = Tree()
    skeleton(tree, release)
    if root_fs == "ext4":
        tree.directory("/lost+found")  # mkfs.ext4 makes it; mkfs.erofs leaves it out
    usr = root_of(release) + "/usr"
    tree.add_folder(ROOTFS / "usr", usr)
    add_documents(tree, release, packages, root_fs=root_fs)
    for program in programs:
        binary = compile_program(program)
        if binary is not None:
            tree.file(usr + program.path.removeprefix("/usr"), binary, mode=0o755)
    modules = f"{usr}/lib/modules/{release.kernel}"
    tree.file(f"{modules}/modules.dep", "".join(f"kernel/{path}.ko:\n" for path in MODULES))
    tree.file(f"{modules}/modules.builtin", "kernel/drivers/md/dm-verity.ko\nkernel/fs/erofs/erofs.ko\n")
    for path in MODULES:
        module = compile_program(
            Program("", "module.c", (*MODULE_FLAGS, f'-DMODULE_NAME="{Path(path).name.replace("-", "_")}"'))
        )
        if module is not None:
            tree.file(f"{modules}/kernel/{path}.ko", signed_module(module.read_bytes()))
    for name in system_files:
        found = _system_library(name)
        if found is not None:
            tree.file(f"{usr}/lib/{name}", found, mode=0o755)
    library = rust_standard_library()
    if library is not None and any("-Cprefer-dynamic" in program.flags for program in programs):
        tree.file(f"{usr}/lib/{library.name}", strip(library), mode=0o755)
    return tree


def skeleton(tree: Tree, release: Release) -> None:
    """The folders and links that every Bottlerocket root has."""
    root = root_of(release)
    for folder in BUILTIN_FOLDERS:
        tree.directory(f"/{folder}", mode=0o1777 if folder == "tmp" else 0o755)
    tree.directory(*(f"{root}/usr/{name}" for name in ("bin", "sbin", "lib", "libexec", "share", "fips")))
    for name, target in (("usr", "usr"), ("lib", "usr/lib"), ("lib64", "usr/lib")):
        tree.link(f"/{name}", f".{root}/{target}")
    tree.link(f"{root}/usr/lib64", "lib")
    tree.link("/bin", "./usr/bin")
    tree.link("/sbin", "./usr/sbin")
    tree.link("/etc/selinux", "../usr/share/factory/etc/selinux")
    tree.link("/etc/os-release", "../usr/lib/os-release")


def add_documents(tree: Tree, release: Release, packages: Sequence[Package], *, root_fs: str) -> None:
    """Identity, inventory, SBOM, licences, TUF root and policy, where each root file system keeps them."""
    usr = root_of(release) + "/usr"
    own = f"{usr}/share/bottlerocket"
    tree.file(f"{usr}/lib/os-release", documents.os_release(release))
    tree.file(f"{own}/application-inventory.json", documents.inventory(release, packages))
    sbom = documents.vendor_sbom(release, packages).encode()
    if root_fs == "erofs":
        tree.file(f"{own}/cyclonedx-sbom.json", sbom)
    else:
        tree.file(f"{own}/cyclonedx-sbom.json.lz4", lz4.frame.compress(sbom))
    if root_fs == "erofs":
        for entry in licence_texts(tuple(packages)):
            if entry.path != b"/":
                tree.put(replace(entry, path=os.fsencode(f"{usr}/share/licenses") + entry.path))
    else:
        tree.file(f"{own}/licenses.squashfs", licences_squashfs(tuple(packages)))
    tree.file(f"{usr}/share/updog/root.json", tuf_root())
    factory = f"{usr}/share/factory/etc"
    tree.file(f"{factory}/selinux/fortified/policy/policy.32", compile_policy())
    tree.file(f"{factory}/pki/tls/certs/ca-bundle.crt", ca_bundle(("Example Root One", "Example Root Two")))


def licence_texts(packages: tuple[Package, ...]) -> Tree:
    """What each package says about its licence, and one crate that a package carries."""
    tree = Tree()
    for package in packages:
        text = f"{package.name}-{package.version}\nSPDX-License-Identifier: Apache-2.0 OR MIT\n"
        tree.file(f"/{package.name}/attribution.txt", text)
    crate = "serde-1.0.228"
    text = f"{crate}\nSPDX-License-Identifier: MIT OR Apache-2.0\n"
    tree.file(f"/apiserver/vendor/{crate}/attribution.txt", text)
    return tree


@cache
def licences_squashfs(packages: tuple[Package, ...]) -> bytes:
    """The same texts as the squashfs file of ext4 images."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "licenses.squashfs")
        make_squashfs(licence_texts(packages), image)
        return image.read_bytes()


def _system_library(name: str) -> Path | None:
    for folder in ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64"):
        path = Path(folder, name)
        if path.exists():
            return path.resolve()
    return None


UNLABELLED = b"/unlabelled"  # a plant: the one path that gets no label
EXECUTABLE_LABELS = {b"apiclient": b"api_exec_t", b"containerd": b"runtime_exec_t", b"host-ctr": b"runtime_exec_t"}
EXECUTABLE_LABELS |= {b"chronyd": b"clock_exec_t", b"systemd": b"init_exec_t"}


def label(tree: Tree) -> Tree:
    """Give every entry the security.selinux value that Bottlerocket's policy would give it (NUL at the end)."""
    for entry in list(tree):
        if entry.path.endswith(UNLABELLED):
            continue
        kind = b"os_t"
        if entry.path.startswith(b"/etc"):
            kind = b"etc_t"
        elif stat.S_ISREG(entry.mode) and entry.mode & 0o111:
            kind = EXECUTABLE_LABELS.get(os.path.basename(entry.path), b"os_t")
        value = b"system_u:object_r:" + kind + b":s0\0"
        others = tuple(pair for pair in entry.xattrs if pair[0] != b"security.selinux")
        tree.put(replace(entry, xattrs=(*others, (b"security.selinux", value))))
    return tree
