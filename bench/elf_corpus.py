"""Fetch the packages of a labelled list with the ordinary clients and keep the ELF files that the list names.

The list is a CSV with path, sha256, label, also, package, version and origin; a fetched file counts only when its
SHA-256 is the listed one. Files land in `<cache>/<sha256>`, so an interrupted run continues where it was.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

REPO = Path(__file__).resolve().parent.parent
CACHE = REPO / ".cache" / "elf_corpus"
SHARED = Path(os.environ.get("ROCKETAUDIT_SHARED_DATA", REPO.parent / "shared" / "data"))
LIST = SHARED / "elf_corpus_tune.csv"
HOLDOUT = Path(__file__).with_name("elf_holdout.csv")
FRESH = Path(__file__).with_name("elf_fresh.csv")
DEBIAN = {"bw": "bookworm", "tx": "trixie"}
WHEEL_TAGS = {
    "pypi-mx64": [f"manylinux{x}_x86_64" for x in ("1", "2010", "2014", *(f"_2_{n}" for n in range(5, 42)))],
    "pypi-ma64": [f"manylinux{x}_aarch64" for x in ("2014", *(f"_2_{n}" for n in range(17, 42)))],
    "pypi-ml64": [f"musllinux_1_{n}_x86_64" for n in range(1, 4)],
}


@dataclass(frozen=True, slots=True)
class Labelled:
    path: str
    sha256: str
    label: str
    also: str
    package: str
    version: str
    origin: str
    size: int

    @property
    def cached(self) -> Path:
        return CACHE / self.sha256


def read_list(path: Path = LIST) -> list[Labelled]:
    """The labelled files; ends the program with a message when the list is not beside the checkout."""
    if not path.exists():
        raise SystemExit(
            f"no labelled list at {path}: it is third-party data; ROCKETAUDIT_SHARED_DATA names its folder"
        )
    with path.open(newline="") as handle:
        return [
            Labelled(
                row["path"],
                row["sha256"],
                row["label"],
                row["also"],
                row["package"],
                row["version"],
                row["origin"],
                int(row["size"] or 0),
            )
            for row in csv.DictReader(handle)
        ]


def fetch(files: Iterable[Labelled]) -> None:
    """Fetch what is not cached yet, origin by origin; what cannot be had is only reported."""
    CACHE.mkdir(parents=True, exist_ok=True)
    wanted: dict[str, dict[tuple[str, str], list[Labelled]]] = defaultdict(lambda: defaultdict(list))
    for file in files:
        if file.origin != "local" and not file.cached.exists():
            wanted[file.origin][file.package, file.version].append(file)
    for origin, packages in wanted.items():
        if origin.startswith("pypi"):
            _each(packages, lambda name, version, folder, o=origin: _pip(o, name, version, folder))
        elif origin == "npm":
            _each(packages, lambda name, version, folder: _npm(name.replace("+", "/", 1), version, folder))
        else:
            _debian(origin, packages)


def _each(packages: dict[tuple[str, str], list[Labelled]], get) -> None:  # type: ignore[no-untyped-def]
    for (name, version), files in packages.items():
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            get(name, version, Path(folder))
            _keep(Path(folder), {file.sha256 for file in files}, f"{name} {version}")


def _keep(folder: Path, wanted: set[str], what: str) -> None:
    found = 0
    for archive in sorted(folder.iterdir()):
        for data in members(archive):
            digest = hashlib.sha256(data).hexdigest()
            if digest in wanted:
                (CACHE / f".{digest}").write_bytes(data)
                (CACHE / f".{digest}").rename(CACHE / digest)
                found += 1
    print(f"{what}: {found} of {len(wanted)}", file=sys.stderr, flush=True)


def members(archive: Path) -> Iterator[bytes]:
    """The ELF files inside a .deb, .whl or .tgz."""
    if archive.suffix == ".deb":
        raw = subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], check=True, capture_output=True).stdout
        yield from (data for _, data in elf_members(io.BytesIO(raw)))
    elif archive.suffix == ".tgz":
        with archive.open("rb") as handle:
            yield from (data for _, data in elf_members(handle))
    elif archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for info in wheel.infolist():
                with wheel.open(info) as member:
                    if member.read(4) == b"\x7fELF":
                        yield wheel.read(info)


def elf_members(handle: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """(path, bytes) of the ELF files in a tar archive."""
    with tarfile.open(fileobj=handle) as tar:
        for entry in tar:
            member = tar.extractfile(entry) if entry.isreg() else None
            if member is not None and (start := member.read(4)) == b"\x7fELF":
                yield entry.name.removeprefix("./"), start + member.read()


def _pip(origin: str, name: str, version: str, folder: Path) -> None:
    tags = [part for tag in WHEEL_TAGS[origin] for part in ("--platform", tag)]
    run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", *tags,
         "--implementation", "cp", "--python-version", "3.12", "--abi", "cp312", "--abi", "abi3", "--abi", "none",
         f"{name}=={version}", "-d", str(folder)]
    )  # fmt: skip


def _npm(name: str, version: str, folder: Path) -> None:
    run(["npm", "pack", "--silent", f"{name}@{version}", "--pack-destination", str(folder)])


def _debian(origin: str, packages: dict[tuple[str, str], list[Labelled]]) -> None:
    release, architecture = origin.split("-")
    root = apt_root(DEBIAN[release], architecture)
    names = sorted(packages)
    for start in range(0, len(names), 20):
        batch = names[start : start + 20]
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            wanted = [f"{name}:{architecture}={version}" for name, version in batch]
            if not run(["apt-get", "-q", *root, "download", *wanted], folder):
                for one in wanted:
                    run(["apt-get", "-q", *root, "download", one], folder)
            shas = {file.sha256 for key in batch for file in packages[key]}
            _keep(Path(folder), shas, f"{origin} {batch[0][0]}..{batch[-1][0]}")


def apt_root(suite: str, architecture: str, *, sources: bool = False) -> list[str]:
    """Options for an apt of its own: this machine's Debian sources with another suite and architecture."""
    root = CACHE / f"apt-{suite}-{architecture}"
    for folder in ("lists/partial", "cache/archives/partial", "etc"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "status").touch()
    system = Path("/etc/os-release").read_text()
    here = next(line.split("=")[1].strip('"') for line in system.splitlines() if line.startswith("VERSION_CODENAME="))
    listed = Path("/etc/apt/sources.list.d/debian.sources").read_text().replace(here, suite)
    if sources:
        listed = re.sub(r"^Types: .*", "Types: deb deb-src", listed, flags=re.MULTILINE)
    (root / "etc" / "corpus.sources").write_text(listed)
    options = {
        "Dir::State": root, "Dir::State::lists": root / "lists", "Dir::State::status": root / "status",
        "Dir::Cache": root / "cache", "Dir::Etc::sourcelist": "-", "Dir::Etc::sourceparts": root / "etc",
        "APT::Architecture": architecture, "APT::Architectures": architecture, "APT::Sandbox::User": "root",
    }  # fmt: skip
    flags = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
    if not any((root / "lists").glob("*Sources*" if sources else "*Packages*")):
        run(["apt-get", "-q", *flags, "update"])
    return flags


def run(command: list[str], folder: str | None = None) -> bool:
    """Whether the command ended well; its last line is shown where it did not."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1800, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"{command[0]} {command[-1]}: {last}", file=sys.stderr, flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    listed = read_list()
    order = sys.argv[1:]
    fetch(file for file in listed if not order or file.origin in order)
    fetchable = [file for file in listed if file.origin != "local"]
    print(f"{sum(file.cached.exists() for file in fetchable)} of {len(fetchable)} files cached")
