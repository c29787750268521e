"""The full tree: about 700 MiB of real files from Debian packages; and entries at the edges of file systems."""

from __future__ import annotations

import os
import pickle
import re
import stat
import subprocess
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.images.release import Release
from tests.images.tree import Entry, Tree
from tests.support import CACHE, find_tool

# Go, Rust, C++ and C, kernel modules, and trees of many small files; installed size in MiB behind each
PACKAGES = (
    "bat",  # 4
    "chrony",  # 1
    "containerd",  # 96
    "containernetworking-plugins",  # 43
    "coreutils",  # 17
    "crun",  # 1
    "docker.io",  # 144
    "etcd-server",  # 23
    "fd-find",  # 2
    "iproute2",  # 3
    "kubernetes-client",  # 36
    "libc6",  # 13
    "libicu72",  # 35
    "libllvm14",  # 104
    "libperl5.36",  # 28
    "libpython3.11-stdlib",  # 8
    "libssl3",  # 5
    "libstd-rust-1.63",  # 70
    "libstdc++6",  # 3
    "nftables",  # 1
    "openssl",  # 2
    "perl-modules-5.36",  # 17
    "ripgrep",  # 4
    "runc",  # 8
    "systemd",  # 9
    "tzdata",  # 2
    "udev",  # 10
    "util-linux",  # 4
)
KERNEL = "linux-image-cloud-amd64"  # a package that depends on the kernel of the day
TOP_LEVEL = re.compile(r"^(bin|sbin|lib|lib64|lib32|libx32)(/|$)")


def add_packages(tree: Tree, release: Release) -> None:
    """Add every file of the packages; FileNotFoundError when they cannot be downloaded."""
    root = f"/{release.arch}-bottlerocket-linux-gnu/sys-root"
    for package in fetch((*PACKAGES, kernel_package())):
        add_package(tree, package, root)


def kernel_package() -> str:
    """The kernel package that the moving one depends on today."""
    said = ask_apt("apt-cache", "depends", KERNEL)
    found = re.search(r"Depends: (linux-image-\S+)", said)
    if found is None:
        raise FileNotFoundError(f"no kernel package: apt-cache says {said!r}")
    return found[1]


def ask_apt(*command: str, folder: Path | None = None) -> str:
    """What an apt command prints; FileNotFoundError when it is not there or fails."""
    if find_tool(command[0]) is None:
        raise FileNotFoundError(f"{command[0]} is not installed")
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        raise FileNotFoundError(f"{' '.join(command[:2])} failed: {result.stderr.strip()[-300:]}")
    return result.stdout


def fetch(names: Iterable[str]) -> list[Path]:
    """The packages' files, downloaded once."""
    folder = CACHE / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {name: sorted(folder.glob(f"{name}_*.deb")) for name in names}
    missing = [name for name, found in wanted.items() if not found]
    if missing:
        ask_apt("apt-get", "-q", "download", *missing, folder=folder)
    return [max(folder.glob(f"{name}_*.deb")) for name in wanted]


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a package's archive."""

    name: str
    kind: bytes  # tarfile's type flags
    mode: int
    uid: int
    gid: int
    linkname: str
    content: Path | None


def members_of(package: Path) -> list[Member]:
    """A package's members, unpacked beside it once (without owners or modes: those stay in the records)."""
    contents = package.with_suffix("")
    index = contents / "members.pickle"
    if index.exists():
        return pickle.loads(index.read_bytes())
    contents.mkdir(exist_ok=True)
    members = []
    command = [str(find_tool("dpkg-deb")), "--fsys-tarfile", str(package)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for number, member in enumerate(archive):
                content = contents / str(number) if member.isreg() else None
                if content is not None:
                    taken = archive.extractfile(member)
                    assert taken is not None
                    content.write_bytes(taken.read())
                members.append(
                    Member(
                        member.name,
                        member.type,
                        member.mode & 0o7777,
                        member.uid,
                        member.gid,
                        member.linkname,
                        content,
                    )
                )
    index.write_bytes(pickle.dumps(members))
    return members


def add_package(tree: Tree, package: Path, root: str) -> None:
    """Add a package's members with their owners and modes, moved below the sys-root's /usr."""
    for member in members_of(package):
        path = placed(member.name, root)
        if path is None or path in tree:
            continue
        name, owner = os.fsencode(path), (member.uid, member.gid)
        if member.kind == tarfile.SYMTYPE:
            tree.put(Entry(name, stat.S_IFLNK | 0o777, *owner, target=os.fsencode(member.linkname)))
        elif member.kind == tarfile.LNKTYPE:
            tree.hard_link(path, str(placed(member.linkname, root)))
        elif member.content is not None:
            tree.put(Entry(name, stat.S_IFREG | member.mode, *owner, content=member.content))


def placed(name: str, root: str) -> str | None:
    """Where a package's path lies in the image; None for what stays out."""
    name = name.removeprefix("./").rstrip("/")
    if TOP_LEVEL.match(name):
        name = "usr/" + name
    name = name.replace("usr/lib64/", "usr/lib/", 1)
    if name.startswith("etc/"):
        return f"{root}/usr/share/factory/{name}"
    if not name.startswith("usr/") or name.startswith("usr/share/doc/") or name == "usr/lib64":
        return None
    return f"{root}/{name}"


def add_edges(tree: Tree, release: Release) -> None:
    """Sizes around block borders, holes, links of every length, devices, attributes, deep and wide folders."""
    base = f"/{release.arch}-bottlerocket-linux-gnu/sys-root/usr/share/edge"
    phrase = b"The quick brown fox jumps over the lazy dog. "
    for size in (0, 1, 59, 60, 61, 100, 4095, 4096, 4097, 8193, 65536, 262143, 262144, 262145):
        tree.file(f"{base}/text-{size}", (phrase * (size // len(phrase) + 1))[:size])
    holes = bytearray(8 << 20)
    for at in (0, 5 << 20, (5 << 20) + 12288, (8 << 20) - 4096):
        holes[at : at + 4096] = (b"%8d" % at) * 512
    tree.file(f"{base}/holes", bytes(holes))
    tree.file(f"{base}/zeros", bytes(1 << 20))
    for length in (1, 59, 60, 1004, 4000):
        tree.link(f"{base}/link-{length}", "x" * length)
    tree.hard_link(f"{base}/hard-1", f"{base}/text-8193")
    tree.hard_link(f"{base}/hard-2", f"{base}/text-8193")
    for name, mode, rdev in (
        ("null", stat.S_IFCHR | 0o666, (1, 3)),
        ("block", stat.S_IFBLK | 0o660, (259, 300000)),
        ("fifo", stat.S_IFIFO | 0o640, None),
    ):
        tree.put(Entry(os.fsencode(f"{base}/{name}"), mode, rdev=rdev))
    owned = Entry(os.fsencode(f"{base}/owned"), stat.S_IFREG | 0o640, 100_000, 70_000, content=b"high owner\n")
    tree.put(owned)
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    marked = ((b"security.capability", capability), (b"user.big", b"B" * 800), (b"user.small", b"v"))
    tree.put(Entry(os.fsencode(f"{base}/marked"), stat.S_IFREG | 0o755, content=b"attributes\n", xattrs=marked))
    for number in range(2000):
        tree.file(f"{base}/wide/an-entry-with-a-rather-long-name-{number:05d}", b"%d\n" % number)
    tree.file(base + "".join(f"/deep{level}" for level in range(40)) + "/leaf", b"leaf\n")
