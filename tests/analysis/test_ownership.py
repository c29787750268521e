"""Ownership is inferred with its method and confidence, and left open where nothing explains a file."""

from __future__ import annotations

import pytest

from rocketaudit.analysis.ownership import owners
from rocketaudit.model.binary import PackageNote
from tests.analysis.made import binary, evidence, package

PACKAGES = (
    package("glibc"), package("systemd-257"), package("bottlerocket-apiserver"), package("kernel-6.12", "6.12.37"),
    package("containerd-2.1"), package("libseccomp"), package("zlib"), package("util-linux"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "owner", "method"),
    [
        ("/usr/bin/apiserver", "bottlerocket-apiserver", "file-name"),
        ("/usr/bin/containerd", "containerd-2.1", "file-name"),
        ("/usr/bin/containerd-shim-runc-v2", "containerd-2.1", "known-file-name"),
        ("/usr/lib/libc.so.6", "glibc", "known-file-name"),
        ("/usr/lib/systemd/systemd-networkd", "systemd-257", "known-file-name"),
        ("/usr/lib/libseccomp.so.2.5.5", "libseccomp", "library-name"),
        ("/usr/lib/libz.so.1", None, None),
        ("/usr/lib/libzlib.so.1", "zlib", "library-name"),
        ("/usr/lib/modules/6.12.37/kernel/x.ko", "kernel-6.12", "kernel-version"),
        ("/usr/lib/modules/6.1.1/kernel/x.ko", None, None),
        ("/usr/lib/containerd-2.1/helper", "containerd-2.1", "folder-name"),
        ("/usr/bin/umount", "util-linux", "known-file-name"),
        ("/usr/bin/nc", None, None),
    ],
)
def test_a_path_leads_to_its_package_or_to_none(path: str, owner: str | None, method: str | None) -> None:
    found = owners(evidence(packages=PACKAGES, binaries=(binary(path),))).get(path)
    assert (found and found.package, found and found.method) == (owner, method)


def test_a_package_note_is_certain() -> None:
    note = PackageNote("rpm", "glibc", "2.43", None, None, None)
    found = owners(evidence(packages=PACKAGES, binaries=(binary("/opt/x", package_note=note),)))["/opt/x"]
    assert (found.package, found.confidence) == ("glibc", 1.0)


def test_a_source_row_owns_nothing() -> None:
    value = evidence(packages=(package("tool", synthetic=True),), binaries=(binary("/usr/bin/tool"),))
    assert owners(value) == {}
