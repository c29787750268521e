"""The files that cases measure on, made once and named by the words that cases use in braces."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from bench import made_files
from tests.conftest import FULL_EROFS, FULL_EXT4, SMALL_EROFS
from tests.images import Built, build
from tests.support import CACHE, find_tool

FOLDER = CACHE / "bench"
SPECS = {"erofs": FULL_EROFS, "ext4": FULL_EXT4, "small": SMALL_EROFS}


@cache
def image(name: str) -> Built:
    return build(SPECS[name])


def _made(name: str, source: Built, make: Callable[[Path], None]) -> str:
    """A file derived from an image, made once per image."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{source.path.parent.name}-{name}"
    if not path.exists():
        scratch = path.with_name(f"{path.name}.part")
        make(scratch)
        os.replace(scratch, path)
    return str(path)


def _cut(name: str, partition: str) -> str:
    source = image(name)
    part = source.partitions[partition]

    def make(path: Path) -> None:
        with source.path.open("rb") as disk, path.open("wb") as file:
            disk.seek(part.start)
            left = part.length
            while left:
                piece = disk.read(min(left, 4 << 20))
                left -= len(piece)
                file.write(piece)

    return _made(partition, source, make)


def _tool(*command: str) -> None:
    subprocess.run([str(find_tool(command[0])), *command[1:]], check=True, stdout=subprocess.DEVNULL)


def _lz4(name: str) -> str:
    source = image(name)
    return _made("img.lz4", source, lambda path: _tool("lz4", "-9", "-q", str(source.path), str(path)))


def _qcow2(name: str, *, compressed: bool) -> str:
    source = str(image(name).path)
    command = ("qemu-img", "convert", "-f", "raw", "-O", "qcow2", *(("-c",) if compressed else ()), source)
    suffix = "qcow2" if compressed else "plain.qcow2"
    return _made(suffix, image(name), lambda path: _tool(*command, str(path)))


def _ova(name: str) -> str:
    source = image(name)

    def make(path: Path) -> None:
        vmdk = path.with_suffix(".vmdk")
        options = ("-O", "vmdk", "-o", "subformat=streamOptimized")
        _tool("qemu-img", "convert", "-f", "raw", *options, str(source.path), str(vmdk))
        ovf, manifest = path.with_suffix(".ovf"), path.with_suffix(".mf")
        ovf.write_text('<?xml version="1.0"?><Envelope/>\n')
        sums = [f"SHA256({member})= {_sha256(file)}\n" for member, file in (("disk.ovf", ovf), ("disk.vmdk", vmdk))]
        manifest.write_text("".join(sums))
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
            for member, file in (("disk.ovf", ovf), ("disk.mf", manifest), ("disk.vmdk", vmdk)):
                archive.add(file, member)
        for file in (ovf, manifest, vmdk):
            file.unlink()

    return _made("ova", source, make)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _named(name: str) -> Mapping[str, Callable[[], str]]:
    """The words of one image: {erofs}, {erofs.root}, {erofs.hash}, {erofs.root_hash}, {erofs.lz4}, ..."""
    return {
        name: lambda: str(image(name).path),
        f"{name}.root": lambda: _cut(name, "ROOT-A"),
        f"{name}.hash": lambda: _cut(name, "HASH-A"),
        f"{name}.root_hash": lambda: image(name).verity["A"].root_hash,
        f"{name}.file": lambda: image(name).usr("lib/os-release"),
        f"{name}.lz4": lambda: _lz4(name),
        f"{name}.qcow2": lambda: _qcow2(name, compressed=True),
        f"{name}.plain_qcow2": lambda: _qcow2(name, compressed=False),
        f"{name}.ova": lambda: _ova(name),
    }


def _written(name: str, write: Callable[[Path], None]) -> str:
    """A file that depends on our own code alone, made once per version of it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    made_by = hashlib.sha256(Path(made_files.__file__).read_bytes()).hexdigest()[:12]
    path = FOLDER / f"{made_by}-{name}"
    if not path.exists():
        scratch = path.with_name(f"{path.name}.part")
        scratch.unlink(missing_ok=True)
        write(scratch)
        os.replace(scratch, path)
    return str(path)


WORDS: Mapping[str, Callable[[], str]] = {
    "python": lambda: sys.executable,
    "scratch": lambda: str(FOLDER / "scratch"),
    **_named("erofs"),
    **_named("ext4"),
    **_named("small"),
    "evidence": lambda: _written("evidence.json", made_files.write_evidence),
    "evidence.changed": lambda: _written("changed.json", lambda path: made_files.write_evidence(path, changed=True)),
    "evidence.programs": lambda: _written("programs.json", lambda path: made_files.write_evidence(path, programs=2000)),
    "store": lambda: _written("store.sqlite", made_files.write_store),
}


def expand(command: str) -> list[str]:
    """Split a case's command and fill in its words; a tool is also found in sbin."""
    words = []
    for word in shlex.split(command):
        for name, value in WORDS.items():
            if f"{{{name}}}" in word:
                word = word.replace(f"{{{name}}}", value())
        words.append(word)
    words[0] = find_tool(words[0]) or words[0]
    return words
