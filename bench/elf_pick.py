"""python -m bench.elf_pick: choose packages of Debian that no list names yet and label their files by their sources.

The language is taken from facts that our own detector never sees: Debian's build records (`Built-Using` and its kin
name the Rust and Go toolchains) and, for C and C++, the source package itself, whose code must be to 95 % of one of the
two and hold no file of a third language. Which packages: the first by a hash of their name that fit.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.elf_corpus import CACHE, FRESH, HOLDOUT, apt_root, elf_members, read_list, run

SUITE = "trixie"
PLAN = {"amd64": {"c": 150, "c++": 120, "rust": 50, "go": 45}}
PLAN |= {
    name: {"c": 8, "c++": 6, "rust": 4, "go": 4} for name in ("arm64", "armhf", "i386", "ppc64el", "riscv64", "s390x")
}
FILES = 2  # of one package
BATCH = 40
MAX_SOURCE, MAX_PACKAGE, MAX_FILE = 3 << 20, 12 << 20, 40 << 20
PURE = 0.95

_SUFFIXES = {
    "c": {"c"},
    "c++": {"cc", "cpp", "cxx", "c++", "C", "hh", "hpp", "hxx"},
    "other": {
        "rs", "go", "f", "f90", "f77", "for", "adb", "ml", "hs", "pas", "pp", "d", "m", "mm", "nim", "zig", "swift",
        "S", "asm", "pyx", "cu", "vala", "cr", "scm", "lisp", "java", "v",
    },
}  # fmt: skip
_RUST = re.compile(r"^(?:X-Cargo-|Static-)?Built-Using:.*\brust(?:c|-[\w-]+) \(", re.MULTILINE)
_GO = re.compile(r"^(?:Static-)?Built-Using:.*\bgolang-[\w.-]+ \(", re.MULTILINE)
_NO_PROGRAMS = re.compile(r"(?:-dbg|-dbgsym|-dev|-doc|-data|-common|-examples)$")


@dataclass(frozen=True, slots=True)
class Package:
    name: str
    version: str
    source: str
    language: str | None  # as far as the build records tell
    size: int


def packages(root: list[str], architecture: str) -> list[Package]:
    """Every package of the architecture's index, in the order of a hash of its name."""
    text = subprocess.run(["apt-cache", *root, "dumpavail"], capture_output=True, text=True, check=True).stdout
    found = []
    for entry in text.split("\n\n"):
        if f"\nArchitecture: {architecture}\n" not in entry or not entry.startswith("Package: "):
            continue
        fields = _fields(entry)
        language = "rust" if _RUST.search(entry) else "go" if _GO.search(entry) else None
        source = fields.get("Source", fields["Package"]).split(" ", 1)[0]
        found.append(Package(fields["Package"], fields["Version"], source, language, int(fields["Size"])))
    return sorted(found, key=lambda one: hashlib.sha256(one.name.encode()).digest())


def _fields(entry: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in entry.splitlines() if line[:1] != " " and ": " in line)


def source_sizes(architecture: str) -> dict[str, int]:
    """Bytes of each source package, all its files together, by the archive's own index."""
    lists = CACHE / f"apt-{SUITE}-{architecture}" / "lists"
    index = next(iter(lists.glob(f"*_dists_{SUITE}_main_source_Sources*")))
    text = subprocess.run(
        ["/usr/lib/apt/apt-helper", "cat-file", index], capture_output=True, text=True, check=True
    ).stdout
    found = {}
    for entry in text.split("\n\n"):
        sizes = re.search(r"^Checksums-Sha256:\n((?: .*\n?)+)", entry, re.MULTILINE)
        if entry.startswith("Package: ") and sizes is not None:
            found[_fields(entry)["Package"]] = sum(int(line.split()[1]) for line in sizes[1].splitlines())
    return found


def language_of_source(archives: list[Path]) -> tuple[str, str] | None:
    """The language and how it is known; None where the source is mixed or could not be had."""
    code: Counter[str] = Counter()
    for archive in archives:
        with tarfile.open(archive) as tar:
            for entry in tar:
                suffix = entry.name.rsplit(".", 1)[-1]
                for language, suffixes in _SUFFIXES.items():
                    if entry.isreg() and suffix in suffixes:
                        code[language] += entry.size
    total = code["c"] + code["c++"]
    if not total or code["other"]:
        return None
    for language in ("c", "c++"):
        if code[language] >= PURE * total:
            return language, f"source: {code[language]} of {total} bytes of code are {language}"
    return None


def labelled(package: Package, folder: Path) -> tuple[str, str] | None:
    if package.language is not None:
        toolchain = "rustc or its crates" if package.language == "rust" else "golang"
        return package.language, f"Built-Using names {toolchain}"
    archives = [
        path
        for path in folder.glob(f"{package.source}_*.tar.*")
        if path.suffix != ".asc" and ".debian." not in path.name
    ]
    return language_of_source(archives)


def rows(architecture: str, taken: set[str]) -> Iterator[list[str]]:
    """Rows of the list for one architecture; `taken` grows by the packages and sources that were used."""
    root = apt_root(SUITE, architecture, sources=True)
    sizes = source_sizes(architecture)
    wanted = Counter(PLAN[architecture])
    open_ones = []  # those that build records know first: few packages, and no source to fetch
    for package in packages(root, architecture):
        small = package.language is not None or sizes.get(package.source, MAX_SOURCE + 1) <= MAX_SOURCE
        if small and package.size <= MAX_PACKAGE and not _NO_PROGRAMS.search(package.name):
            open_ones.append(package)
    open_ones.sort(key=lambda one: one.language is None)
    while wanted.total() and open_ones:
        for language in ("rust", "go"):  # an architecture may have fewer than are wanted
            wanted[language] *= any(package.language == language for package in open_ones)
        batch = []
        while open_ones and len(batch) < BATCH:
            package = open_ones.pop(0)
            is_wanted = wanted[package.language] if package.language else wanted["c"] + wanted["c++"]
            if is_wanted and not {package.name, package.source} & taken:
                batch.append(package)
                taken |= {package.name, package.source}
        yield from _batch(architecture, root, batch, wanted)


def _batch(architecture: str, root: list[str], batch: list[Package], wanted: Counter[str]) -> Iterator[list[str]]:
    with tempfile.TemporaryDirectory(dir=CACHE) as place:
        folder = Path(place)
        run(["apt-get", "-q", *root, "download", *(f"{one.name}:{architecture}={one.version}" for one in batch)], place)
        debs = {path.name.split("_", 1)[0]: chosen(path) for path in folder.glob("*.deb")}
        asked = sorted({one.source for one in batch if one.language is None and debs.get(one.name)})
        if asked:
            run(["apt-get", "-q", *root, "--download-only", "source", *asked], place)
        for package in batch:
            files = debs.get(package.name)
            label = labelled(package, folder) if files else None
            if not files or label is None or not wanted[label[0]]:
                continue
            wanted[label[0]] -= 1
            for path, data in files:
                digest = hashlib.sha256(data).hexdigest()
                (CACHE / digest).write_bytes(data)
                origin = f"tx-{architecture}"
                yield [f"{origin}/{package.name}/{path.replace('/', '%')}", digest, label[0], "", package.name,
                       package.version, origin, str(len(data)), label[1]]  # fmt: skip
    print(f"{architecture}: still wanted {dict(wanted)}", file=sys.stderr, flush=True)


def chosen(deb: Path) -> list[tuple[str, bytes]]:
    """(path, bytes) of the package's programs and libraries: the first by a hash of their path."""
    raw = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], check=True, capture_output=True).stdout
    found = [
        one
        for one in elf_members(io.BytesIO(raw))
        if len(one[1]) <= MAX_FILE and one[1][16:18] not in (b"\x01\0", b"\0\x01")
    ]
    return sorted(found, key=lambda one: hashlib.sha256(one[0].encode()).digest())[:FILES]


def main() -> int:
    taken = {
        name
        for path in (None, HOLDOUT)
        for file in (read_list(path) if path else read_list())
        for name in (file.package,)
    }
    done = read_list(FRESH) if FRESH.exists() else []
    with FRESH.open("a", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        if not done:
            writer.writerow(["path", "sha256", "label", "also", "package", "version", "origin", "size", "truth"])
        for file in {(file.origin, file.package): file for file in done}.values():
            plan = PLAN[file.origin.partition("-")[2]]
            plan[file.label] = max(0, plan[file.label] - 1)
            taken.add(file.package)
        for architecture in PLAN:
            for row in rows(architecture, taken):
                writer.writerow(row)
                handle.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
