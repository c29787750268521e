"""Which package a file belongs to, as far as the image lets one say.

A Bottlerocket root has no package database and its inventory lists no files, so ownership is inferred. Every answer
names its method and confidence; a file that nothing explains has no owner, and nobody is invented for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import translate
from functools import cache

from rocketaudit.model.binary import Binary
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.package import Package
from rocketaudit.model.records import dataclass

_LIBRARY = re.compile(r"(?P<stem>lib[^/]*?|[^/]*?)(?:-[\d.]+)?\.so(?:\.[\w.]+)?\Z")
_MODULES = re.compile(r"/lib/modules/(?P<version>\d+\.\d+(?:\.\d+)?)[^/]*/")
_VERSION_TAIL = re.compile(r"[-_.]?\d[\d.]*\Z")
_SKIPPED_FOLDERS = frozenset({"usr", "bin", "sbin", "lib", "lib64", "libexec", "share", "sys-root", "opt", "local"})

# names of files whose package has another name; where the same project ships them under every distribution
_KNOWN = (
    ("glibc", ("ld-linux*", "libc.so.*", "libm.so.*", "libpthread.so.*", "libdl.so.*", "librt.so.*", "libresolv.so.*",
               "libnss_*", "libmvec.so.*", "libutil.so.*", "libanl.so.*", "libBrokenLocale*", "ldconfig", "iconv",
               "getent", "localedef", "locale")),
    ("systemd", ("systemd-*", "libsystemd*", "libudev*", "udevadm", "systemctl", "journalctl", "busctl", "loginctl",
                 "networkctl", "resolvectl", "timedatectl", "hostnamectl", "bootctl")),
    ("util-linux", ("mount", "umount", "lsblk", "blkid", "fsck", "losetup", "findmnt", "swapon", "swapoff", "agetty",
                    "libmount*", "libblkid*", "libuuid*", "libsmartcols*", "libfdisk*")),
    ("e2fsprogs", ("mke2fs", "e2fsck", "resize2fs", "tune2fs", "libext2fs*", "libe2p*", "libcom_err*", "libss.so*")),
    ("coreutils", ("coreutils", "chmod", "chown", "cp", "cat", "ls", "mkdir", "mknod", "mv", "rm", "touch")),
    ("kmod", ("kmod", "modprobe", "insmod", "lsmod", "rmmod", "depmod", "modinfo", "libkmod*")),
    ("containerd", ("containerd-shim*", "ctr")),
    ("kubernetes", ("kubelet",)),
    ("iptables", ("xtables-*", "libxtables*", "libip4tc*", "libip6tc*", "libxt_*", "libipt_*", "libip6t_*")),
    ("libgcc", ("libgcc_s*",)),
    ("openssl", ("libcrypto.so*", "libssl.so*")),
    ("chrony", ("chronyd", "chronyc")),
    ("libstd-rust", ("libstd-*.so",)),
)  # fmt: skip


@cache
def _known_names() -> re.Pattern[str]:
    names = (f"(?P<k{number}>{'|'.join(map(translate, patterns))})" for number, (_, patterns) in enumerate(_KNOWN))
    return re.compile("|".join(names))


@dataclass(frozen=True, slots=True)
class Owner:
    """A package (by its name in the inventory), how it was found, and how sure that is (0..1)."""

    package: str
    method: str
    confidence: float


def owners(evidence: Evidence, scope: str | None = None) -> dict[str, Owner]:
    """Path -> owner for the ELF files of `scope` (default: the judged one); others are left out."""
    where = evidence.judged if scope is None else scope
    packages = _by_name(p for p in evidence.packages if p.scope == where and not p.synthetic)
    kernels = _kernels(packages)
    found = {}
    for binary in evidence.binaries:
        if binary.scope == where:
            owner = _owner(binary, packages, kernels)
            if owner is not None:
                found[binary.path] = owner
    return found


def _by_name(packages: Iterable[Package]) -> Mapping[str, Package]:
    found: dict[str, Package] = {}
    for package in packages:
        found.setdefault(package.name, package)
        plain = package.name.removeprefix("bottlerocket-")
        found.setdefault(plain, package)
        found.setdefault(_VERSION_TAIL.sub("", plain), package)  # containerd-2.2, systemd-257, kernel-6.18
    return found


def _owner(binary: Binary, packages: Mapping[str, Package], kernels: Mapping[str, Owner]) -> Owner | None:
    note = binary.package_note
    if note is not None and note.name is not None and note.name in packages:
        return Owner(packages[note.name].name, "elf-package-note", 1.0)
    modules = _MODULES.search(binary.path)
    if modules is not None:
        return kernels.get(modules["version"])
    for name, method, confidence in _candidates(binary):
        if name in packages:
            return Owner(packages[name].name, method, confidence)
    return None


def _kernels(packages: Mapping[str, Package]) -> Mapping[str, Owner]:
    """The owner of a kernel's modules by its version: the first package of a kernel that has it."""
    found: dict[str, Owner] = {}
    for name, package in packages.items():
        if name.startswith("kernel"):
            found.setdefault(package.version, Owner(package.name, "kernel-version", 0.9))
    return found


def _candidates(binary: Binary) -> Iterator[tuple[str, str, float]]:
    """(package name, method, confidence), the surest first."""
    base = binary.path.rpartition("/")[2]
    yield base, "file-name", 0.7
    known = _known_names().match(base)
    if known is not None:
        yield _KNOWN[int(str(known.lastgroup)[1:])][0], "known-file-name", 0.7
    library = _LIBRARY.match(base)
    if library is not None:
        stem = library["stem"]
        for name in (stem, stem.removeprefix("lib"), _VERSION_TAIL.sub("", stem), f"lib{stem}"):
            if name:
                yield name, "library-name", 0.6
    else:
        yield _VERSION_TAIL.sub("", base), "file-name", 0.5
    for folder in reversed(binary.path.split("/")[1:-1]):
        if folder not in _SKIPPED_FOLDERS:
            yield folder, "folder-name", 0.5
