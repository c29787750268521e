"""The image that ships in the package: small enough for git, one planted problem of each kind."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lz4.frame

from tests.images import bottlerocket
from tests.images.cache import tool_versions
from tests.images.compile import HARDENED, Program
from tests.images.disk import Sizes
from tests.images.plants import FileFlip
from tests.images.recipe import build
from tests.images.spec import Built, ImageSpec
from tests.images.tree import Expected

DEMO_FILE = Path(__file__).parents[2] / "rocketaudit" / "demo" / "demo.img.lz4"
RECORD_FILE = Path(__file__).with_name("demo.json")
SMALLEST = ("-Copt-level=z", "-Cpanic=abort", "-Clto=fat")
PROGRAMS = (
    Program("/usr/bin/apiclient", "apiclient.rs", SMALLEST),
    Program("/usr/bin/signpost", "signpost.rs", SMALLEST),
    Program("/usr/bin/host-ctr", "pause.go", bottlerocket.GO_HARDENED),
    Program("/usr/sbin/chronyd", "chronyd.c", HARDENED),
    Program("/usr/bin/journal-count", "journal.cc", HARDENED),
    Program("/usr/lib/librocket.so.1", "library.c", bottlerocket.LIBRARY_FLAGS),
)
OLDER_PROGRAMS = tuple(program for program in PROGRAMS if program.language in ("c", "c++"))
SPEC = ImageSpec(
    tree="demo",
    sizes=Sizes(efi=5, boot=4, root=6, hash=1, reserved=1, private=4, data=1),
    bank_b="older",
    plants=(
        "setuid_shell",
        "shell_script",
        "weak_binary",
        "weak_sysctl",
        "world_writable",
        "anonymous_kubelet",
        "debug_shell",
        "package_without_files",
        "stale_sbom",
        "unlabelled_file",
        "slack",
        "bootconfig_argument",
    ),
    flips=(FileFlip("B", "sbin/chronyd", 5000),),
)


def compress(image: bytes) -> bytes:
    """An LZ4 frame as `lz4 -9` of a release pipeline writes it: independent 4 MiB blocks, content checksum."""
    return lz4.frame.compress(
        image,
        compression_level=12,
        block_size=lz4.frame.BLOCKSIZE_MAX4MB,
        block_linked=False,
        content_checksum=True,
        store_size=False,
    )


def build_demo() -> Built:
    """The demo's image, expanded; needs every compiler."""
    return build(SPEC)


def write_demo(into: Path = DEMO_FILE) -> Path:
    """Build the image and write it compressed; beside the recipe, what it holds and what it was made with."""
    made = build_demo()
    into.write_bytes(compress(made.path.read_bytes()))
    if into == DEMO_FILE:
        RECORD_FILE.write_text(json.dumps(record(made), indent=1) + "\n")
    return into


def record(made: Built) -> dict[str, Any]:
    """What the image holds: versions of the tools, verity trees, every path of both banks."""
    return {
        "tools": list(tool_versions()),
        "verity": {bank: dataclasses.asdict(tree) for bank, tree in made.verity.items()},
        "files": {bank: _paths(manifest) for bank, manifest in made.manifests.items()},
    }


def _paths(manifest: Sequence[Expected]) -> dict[str, list[Any]]:
    return {
        os.fsdecode(entry.path): [entry.type, f"{entry.mode:04o}", entry.size, entry.sha256 or entry.target.decode()]
        for entry in manifest
    }


def compiled_names() -> frozenset[str]:
    """File names that come from a compiler, whose bytes change with its version."""
    modules = {f"{Path(name).name}.ko" for name in bottlerocket.MODULES}
    return frozenset({Path(program.path).name for program in PROGRAMS} | modules | {"sh", "legacy-agent"})
