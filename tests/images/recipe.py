"""From an ImageSpec to a disk image: cached by everything that goes into it, equal bytes for equal inputs."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.images import plants
from tests.images.assemble import assemble, flip_byte
from tests.images.bottlerocket import label, small_tree
from tests.images.cache import digest, forget_old, locked
from tests.images.full import add_edges, add_packages
from tests.images.licensed import add_licences
from tests.images.plants import Flip
from tests.images.spec import Bank, Built, ImageSpec
from tests.images.tree import manifest_of
from tests.support import CACHE, find_tool

TOOLS = ("sgdisk", "mkfs.ext4", "resize2fs", "debugfs", "mkfs.erofs", "veritysetup", "mkfs.vfat", "mcopy", "fakeroot")
TOOLS += ("gcc", "g++", "mksquashfs", "secilc")


def build(spec: ImageSpec) -> Built:
    """Build the image or take it from the cache; FileNotFoundError names a tool that is missing."""
    for tool in TOOLS:
        if find_tool(tool) is None:
            raise FileNotFoundError(f"{tool} is not installed")
    banks = make_banks(spec)
    manifests = {name: manifest_of(bank.tree) for name, bank in banks.items()}
    place = CACHE / "images" / f"{digest(spec, manifests)}-{sys.implementation.cache_tag}"  # pickles of one Python
    with locked(place.with_suffix(".lock")):
        if not (place / "built.pickle").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
                made = Path(scratch, "made")
                made.mkdir()
                built = assemble(spec, banks, manifests, made)
                (made / "built.pickle").write_bytes(pickle.dumps(replace(built, path=Path("disk.img"))))
                os.replace(made, place)
            forget_old(place.parent)
    os.utime(place)
    built = pickle.loads((place / "built.pickle").read_bytes())
    return replace(built, path=place / "disk.img")


def make_banks(spec: ImageSpec) -> dict[str, Bank]:
    """The content of each populated bank; planted problems go into bank A."""
    if spec.tree == "demo":
        from tests.images.demo import OLDER_PROGRAMS, PROGRAMS  # it imports this module

        tree = small_tree(spec.release, root_fs=spec.root_fs, programs=PROGRAMS, system_files=())
        older = replace(spec.release, version="1.61.1", build="8c21e0d4")
        previous = small_tree(older, root_fs=spec.root_fs, programs=OLDER_PROGRAMS, system_files=())
        banks = {"A": Bank(tree, spec.release), "B": Bank(label(previous), older, compressed=False)}
    else:
        tree = small_tree(spec.release, root_fs=spec.root_fs)
        if spec.tree == "full":
            add_packages(tree, spec.release)
            add_licences(tree, spec.release)
        if spec.tree in ("full", "edges"):
            add_edges(tree, spec.release)
        banks = {"A": Bank(tree, spec.release)}
        if spec.bank_b != "empty":
            banks["B"] = banks["A"]
    for name in spec.plants:
        if name in plants.TREE_PLANTS:
            plants.TREE_PLANTS[name](tree, spec.release)
    label(tree)
    return banks


def damaged_copy(built: Built, into: Path, *flips: Flip) -> Path:
    """A copy of the image (holes stay holes) with bytes flipped; for one quick check without a recipe of its own."""
    subprocess.run(["cp", "--sparse=always", str(built.path), str(into)], check=True)
    for flip in flips:
        flip_byte(into, built.partitions, flip)
    return into
