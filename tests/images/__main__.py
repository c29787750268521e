"""python -m tests.images demo [PATH] | plants | NAME...: build images of the fixtures and say where they are."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.images import demo, disk, plants, recipe, spec


def main(words: list[str]) -> int:
    match words:
        case ["demo"]:
            written = demo.write_demo()
        case ["demo", path]:
            written = demo.write_demo(Path(path))
        case ["plants"]:
            for name in plants.PLANTS:
                print(f"{name}: {plants.describe(name)}")
            return 0
        case [root_fs, tree] if root_fs in ("erofs", "ext4") and tree in ("small", "full"):
            sizes = spec.SMALL if tree == "small" else disk.Sizes.of_gib(2)
            written = recipe.build(spec.ImageSpec(root_fs=root_fs, tree=tree, sizes=sizes)).path
        case _:
            print("usage: python -m tests.images demo [PATH] | plants | erofs|ext4 small|full", file=sys.stderr)
            return 2
    print(f"{written} {written.stat().st_size} bytes")
    return 0


sys.exit(main(sys.argv[1:]))
