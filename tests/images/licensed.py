"""What a release says of the Debian packages in the full tree: inventory rows, licences, and the crates they carry.

Bottlerocket's build writes both for everything that it ships. Here the rows come from the packages' own control files,
the licence texts from the packages, and a crate's licence from its Cargo.toml, as Bottlerocket's licence scan takes it.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path

from tests.images.full import PACKAGES, ask_apt, fetch, kernel_package, members_of
from tests.images.release import PACKAGES as STAND_INS
from tests.images.release import Release
from tests.images.tree import Tree
from tests.support import find_tool

# as the License tag of a spec file would say it; the texts themselves lie beside
LICENCES = {
    "bat": "Apache-2.0 OR MIT",
    "chrony": "GPL-2.0-only",
    "containerd": "Apache-2.0",
    "containernetworking-plugins": "Apache-2.0",
    "coreutils": "GPL-3.0-or-later",
    "crun": "GPL-2.0-or-later AND LGPL-2.1-or-later",
    "docker.io": "Apache-2.0",
    "etcd-server": "Apache-2.0",
    "fd-find": "Apache-2.0 OR MIT",
    "iproute2": "GPL-2.0-or-later",
    "kubernetes-client": "Apache-2.0",
    "libc6": "LGPL-2.1-or-later",
    "libicu72": "ICU",
    "libllvm14": "Apache-2.0 WITH LLVM-exception",
    "libperl5.36": "Artistic-1.0-Perl OR GPL-1.0-or-later",
    "libpython3.11-stdlib": "Python-2.0",
    "libssl3": "Apache-2.0",
    "libstd-rust-1.63": "MIT OR Apache-2.0",
    "libstdc++6": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "nftables": "GPL-2.0-only",
    "openssl": "Apache-2.0",
    "perl-modules-5.36": "Artistic-1.0-Perl OR GPL-1.0-or-later",
    "ripgrep": "Unlicense OR MIT",
    "runc": "Apache-2.0",
    "systemd": "LGPL-2.1-or-later",
    "tzdata": "CC-PDDC",
    "udev": "LGPL-2.1-or-later AND GPL-2.0-or-later",
    "util-linux": "GPL-2.0-or-later AND LGPL-2.1-or-later AND BSD-3-Clause",
}
KERNEL_LICENCE = "GPL-2.0-only WITH Linux-syscall-note"
NOTICE = "Copyright 2026 The rocketaudit authors\n"  # of the stand-ins, which this project wrote
_TEXTS = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT|UNLICENSE|NOTICE)[^/]*\Z", re.IGNORECASE)
TEXTS_OF = {"libstdc++6": "gcc-12-base", "libpython3.11-stdlib": "libpython3.11-minimal"}  # where their texts lie
COMPILER = "libstd-rust-1.63"  # carries crates from the compiler's own vendor folder
_VENDORED = re.compile(rb"/vendor/(?P<name>[A-Za-z0-9_-]+?)-(?P<version>\d+\.\d+\.\d+)/")
_BUILT_USING = re.compile(r"rust-(?P<name>\S+) \(= (?P<version>[^)]+)-[^-)]+\)")


def add_licences(tree: Tree, release: Release) -> None:
    """Rows and licence texts for every package of the full tree; FileNotFoundError when they cannot be downloaded."""
    usr = f"/{release.arch}-bottlerocket-linux-gnu/sys-root/usr"
    licences = f"{usr}/share/licenses"
    tree.remove(f"{licences}/apiserver/vendor")  # the stand-in carries no crate
    for stand_in in STAND_INS:
        tree.file(f"{licences}/{stand_in.name}/NOTICE", NOTICE)
    kernel = kernel_package()
    packages = dict(zip((*PACKAGES, kernel), fetch((*PACKAGES, kernel)), strict=True))
    rows = []
    for name, package in packages.items():
        control = control_of(package)
        rows.append(_row(package, control))
        licence = KERNEL_LICENCE if name == kernel else LICENCES[name]
        _attribute(tree, f"{licences}/{name}", f"{name}-{control['Version']}", licence)
        holder = TEXTS_OF.get(name, name)
        texts = package if holder == name else fetch((holder,))[0]
        for path, content in _texts(texts, f"usr/share/doc/{holder}/copyright"):
            tree.file(f"{licences}/{name}/{path}", content)
    path = f"{usr}/share/bottlerocket/application-inventory.json"
    inventory = json.loads(_bytes(tree, path))
    inventory["Content"] = sorted(inventory["Content"] + rows, key=lambda row: str(row["Name"]))
    tree.file(path, json.dumps(inventory, indent=2) + "\n")
    _add_crates(tree, licences, {name: crates_stated_by(package) for name, package in packages.items()})
    _add_compilers_crates(tree, f"{licences}/{COMPILER}", packages[COMPILER])


def control_of(package: Path) -> dict[str, str]:
    """The fields of a package's control file, continuation lines joined."""
    done = subprocess.run(
        [str(find_tool("dpkg-deb")), "--field", str(package)], check=True, capture_output=True, text=True
    )
    joined = done.stdout.replace("\n ", " ")
    return dict(line.split(": ", 1) for line in joined.splitlines() if ": " in line)


def crates_stated_by(package: Path) -> dict[str, set[str]]:
    """What Debian's build says it put into a Rust program: source name without "rust-" -> upstream versions."""
    stated: dict[str, set[str]] = {}
    for found in _BUILT_USING.finditer(control_of(package).get("X-Cargo-Built-Using", "")):
        stated.setdefault(found["name"], set()).add(found["version"])
    return stated


def _row(package: Path, control: Mapping[str, str]) -> dict[str, str]:
    epoch, _, rest = control["Version"].rpartition(":")
    version, _, revision = rest.rpartition("-")
    return {
        "Name": control["Package"],
        "Publisher": "Debian",
        "Version": version,
        "Release": revision,
        "Epoch": epoch or "0",
        "InstalledTime": "2026-09-21T13:33:20Z",
        "ApplicationType": "Unspecified",
        "Architecture": "x86_64" if control["Architecture"] == "amd64" else "noarch",
        "Url": control.get("Homepage", ""),
        "Summary": control["Description"].partition("  ")[0][:100],
        "PackageId": f"{package.name}@sha256:{hashlib.sha256(package.read_bytes()).hexdigest()}",
    }


def _attribute(tree: Tree, folder: str, title: str, licence: str) -> None:
    tree.file(f"{folder}/attribution.txt", f"{title}\nSPDX-License-Identifier: {licence}\n")


def _add_crates(tree: Tree, licences: str, stated: Mapping[str, Mapping[str, set[str]]]) -> None:
    """vendor/NAME-VERSION for every crate; the archive keeps one version, whose licence its older ones share."""
    sources = sorted({crate for crates in stated.values() for crate in crates})
    known = available([f"librust-{crate}-dev" for crate in sources])
    names = [name for name in (f"librust-{crate}-dev" for crate in sources) if name in known]
    downloaded = dict(zip(names, fetch(names), strict=True))
    for package, crates in stated.items():
        for crate, versions in crates.items():
            deb = downloaded.get(f"librust-{crate}-dev")
            if deb is None:
                continue
            name, licence = crate_of(deb)
            for version in versions:
                folder = f"{licences}/{package}/vendor/{name}-{version}"
                _attribute(tree, folder, f"{name}-{version}", licence)
                for path, content in _texts(deb, f"usr/share/doc/librust-{crate}-dev/copyright"):
                    tree.file(f"{folder}/{path}", content)


def _add_compilers_crates(tree: Tree, folder: str, package: Path) -> None:
    """The crates that plain strings show in the compiler's library; Debian's list of licences goes by their folder."""
    (copyright_,) = (path for _, path in _texts(package, f"usr/share/doc/{COMPILER}/copyright"))
    stanzas = list(_stanzas(copyright_.read_text()))
    found: set[tuple[bytes, bytes]] = set()
    for member in members_of(package):
        if member.content is not None and ".so" in member.name:
            found.update((one["name"], one["version"]) for one in _VENDORED.finditer(member.content.read_bytes()))
    for name, version in sorted((name.decode(), version.decode()) for name, version in found):
        for files, holders, licence in stanzas:
            if any(
                fnmatch(f"vendor/{kind}/Cargo.toml", pattern)
                for pattern in files
                for kind in (f"{name}-{version}", name)
            ):
                _attribute(tree, f"{folder}/vendor/{name}-{version}", f"{name}-{version}", licence)
                notices = "".join(f"Copyright (c) {holder}\n" for holder in holders)
                tree.file(f"{folder}/vendor/{name}-{version}/COPYRIGHT", notices)
                break


def _stanzas(text: str) -> Iterator[tuple[list[str], list[str], str]]:
    """(files, holders, SPDX expression) of each stanza of a machine-readable copyright file."""
    for stanza in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^(\S+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE))
        if "Files" in fields and "License" in fields:
            licence = fields["License"].strip().partition("\n")[0].replace(" or ", " OR ").replace(" and ", " AND ")
            holders = [line.strip() for line in fields.get("Copyright", "").splitlines() if line.strip()]
            yield fields["Files"].split(), holders, licence


def available(names: list[str]) -> set[str]:
    """Those of the package names that the archive has."""
    found = re.findall(r"^Package: (\S+)", ask_apt("apt-cache", "show", "--no-all-versions", *names), re.MULTILINE)
    return set(found)


def crate_of(package: Path) -> tuple[str, str]:
    """Name and SPDX expression of the crate whose source a Debian package holds."""
    for member in members_of(package):
        if member.content is not None and re.fullmatch(r"\./usr/share/cargo/registry/[^/]+/Cargo\.toml", member.name):
            said = tomllib.loads(member.content.read_text())["package"]
            return said["name"], str(said.get("license", "")).replace("/", " OR ")  # "/" is how cargo once wrote OR
    raise FileNotFoundError(f"{package.name} holds no crate")


def _texts(package: Path, debian: str) -> Iterator[tuple[str, Path]]:
    """Licence texts of a package: Debian's, and those at the top of a crate."""
    for member in members_of(package):
        name = member.name.removeprefix("./")
        if member.content is None:
            continue
        if name == debian:
            yield "copyright", member.content
        elif re.match(r"usr/share/cargo/registry/[^/]+/[^/]+\Z", name) and _TEXTS.search(name):
            yield name.rpartition("/")[2], member.content


def _bytes(tree: Tree, path: str) -> bytes:
    content = tree[path].content
    return content.read_bytes() if isinstance(content, Path) else bytes(content or b"")
