"""Random devices, damaged at random: verdict and first bad position of `veritysetup verify`, every time."""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rocketaudit.cli.verity import verity
from rocketaudit.errors import RocketauditError
from tests.support import find_tool, needs_tools

ALGORITHMS = ("sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256", "blake2s-256")


def made(rng: random.Random, folder: Path) -> tuple[list[str], dict[str, Any]] | None:
    """(words for veritysetup after the devices, options for us) of a fresh tree; None when veritysetup refuses."""
    data, hashes = folder / "data", folder / "hash"
    hashes.unlink(missing_ok=True)
    data_size, hash_size = rng.choice([512, 1024, 4096, 8192, 65536]), rng.choice([512, 1024, 4096, 65536])
    blocks = rng.choice([1, 2, 3, 7, 16, 17, 33, 130, 300])
    bare, on_same = rng.random() < 0.3, rng.random() < 0.3
    salt = rng.choice(["-", "ab", "00" * 32, "cd" * 256])
    length = blocks * data_size
    data.write_bytes(rng.randbytes(length) if rng.random() < 0.7 else bytes(length))
    offset = (-(-length // hash_size) + rng.choice([0, 1])) * hash_size if on_same else 0
    options: dict[str, Any] = {
        "algorithm": rng.choice(ALGORITHMS),
        "hash_format": rng.choice([0, 1, 1]),
        "data_block_size": data_size,
        "hash_block_size": hash_size,
        "data_blocks": blocks,
        "hash_offset": offset,
        "salt": salt,
    }
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    words = [word.replace("--algorithm", "--hash").replace("--hash-format", "--format") for word in words]
    words += ["--no-superblock"] if bare else []
    place = data if on_same else hashes
    told = subprocess.run(
        [find_tool("veritysetup"), "format", data, place, *words], capture_output=True, text=True, check=False
    )
    root = re.search(r"Root hash:\s+(\w+)", told.stdout)
    if root is None:
        return None
    options |= {"no_superblock": bare, "hash_device": place, "root_hash": root[1]}
    return words, options


def damage(rng: random.Random, data: Path, options: dict[str, Any]) -> None:
    """Flip bits anywhere but in a superblock: where it is wrong, options win for us and not for veritysetup."""
    header = range(0) if options["no_superblock"] else range(options["hash_offset"], options["hash_offset"] + 512)
    for _ in range(rng.choice([0, 1, 1, 2, 5])):
        path = rng.choice([data, options["hash_device"]])
        content = bytearray(path.read_bytes())
        at = rng.randrange(len(content)) if content else 0
        if content and (path != options["hash_device"] or at not in header):
            content[at] ^= 1 << rng.randrange(8)
            path.write_bytes(content)


def ours(data: Path, options: dict[str, Any]) -> tuple[bool, int | None]:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            code = verity(data, **options, output="json")
    except RocketauditError:
        return False, None
    return code == 0, json.loads(printed.getvalue())["first_bad_position"]


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
def test_random_damage_has_the_verdict_and_position_of_veritysetup(seed: int, tmp_path: Path) -> None:
    needs_tools("veritysetup")
    rng = random.Random(seed)
    compared = sound = placed = 0
    for _ in range(50):
        case = made(rng, tmp_path)
        if case is None:
            continue
        words, options = case
        damage(rng, tmp_path / "data", options)
        if rng.random() < 0.05:
            options["root_hash"] = options["root_hash"][::-1]
        command = [find_tool("veritysetup"), "verify", tmp_path / "data", options["hash_device"], options["root_hash"]]
        theirs = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
        position = re.search(r"position (\d+)", theirs.stderr)
        is_sound, first = ours(tmp_path / "data", options)
        assert is_sound == (theirs.returncode == 0), (options, theirs.stderr)
        if position is not None:
            placed += 1
            assert first == int(position[1]), (options, theirs.stderr)
        compared, sound = compared + 1, sound + is_sound
    assert compared >= 30 and sound >= 5 and placed >= 10
