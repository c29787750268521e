"""What can be asked of the recipes, and what one gets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.images.bottlerocket import root_of
from tests.images.disk import Partition, Sizes, VerityTree
from tests.images.plants import PLANTS, FileFlip, Flip
from tests.images.release import Release
from tests.images.tree import Expected, Tree

BASE = Release()
SMALL = Sizes(efi=5, boot=8, root=48, hash=2, reserved=1, private=4, data=1)


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """What to build. `bank_b`: empty (as released), same, corrupt (the same, one byte flipped) or older (demo only)."""

    root_fs: str = "erofs"  # or ext4
    tree: str = "small"  # or edges, full, demo
    kind: str = "grub"  # or single, uki, standalone, eif
    sizes: Sizes = SMALL
    split: bool = True
    bank_b: str = "empty"
    release: Release = BASE
    plants: tuple[str, ...] = ()
    flips: tuple[Flip | FileFlip, ...] = ()

    def __post_init__(self) -> None:
        unknown = set(self.plants) - set(PLANTS)
        if unknown:
            raise ValueError(f"no such plant: {', '.join(sorted(unknown))}")


@dataclass(frozen=True, slots=True)
class Bank:
    """What goes into one bank; `compressed` chooses between Bottlerocket's EROFS options and none."""

    tree: Tree
    release: Release
    compressed: bool = True


@dataclass(frozen=True, slots=True)
class Built:
    """A finished image and everything that a scan of it must find; mappings are by bank ("A", "B")."""

    path: Path
    spec: ImageSpec
    manifests: Mapping[str, tuple[Expected, ...]] = field(repr=False)
    verity: Mapping[str, VerityTree]
    partitions: Mapping[str, Partition] = field(repr=False)
    boot_configurations: Mapping[str, str] = field(repr=False)  # grub.cfg, or the UKI's command line

    @property
    def manifest(self) -> tuple[Expected, ...]:
        """What is in the root of bank A, which boots next."""
        return self.manifests["A"]

    @property
    def grub_cfg(self) -> str:
        """Bank A's boot configuration."""
        return self.boot_configurations["A"]

    def entry(self, path: str) -> Expected:
        """The manifest's record of one path as stored, such as "/x86_64-bottlerocket-linux-gnu/sys-root/usr/bin/x"."""
        wanted = os.fsencode(path)
        return next(entry for entry in self.manifest if entry.path == wanted)

    def usr(self, path: str) -> str:
        """The stored path of something below /usr."""
        return f"{root_of(self.spec.release)}/usr/{path}"
