"""Long seeded runs of damage on partition tables, packings and boot files; `make fuzz` sets ROCKETAUDIT_FUZZ=long."""

from __future__ import annotations

import os
import random
import time
from contextlib import suppress
from pathlib import Path

import pytest

from rocketaudit.errors import FormatError, RocketauditError
from rocketaudit.formats.bootconfig import parse_bootconfig
from rocketaudit.formats.grub_cfg import parse_grub_cfg
from rocketaudit.model.budget import Budget
from rocketaudit.model.progress import NoProgress
from rocketaudit.source.disk import open_disk
from rocketaudit.source.image import open_image
from tests.images.disk import VerityTree, grub_cfg
from tests.source import disks
from tests.source.disks import Part
from tests.source.packed import make_ova, run

LONG = os.environ.get("ROCKETAUDIT_FUZZ") == "long"
PACKINGS = ("qcow2", "qcow2-c", "vmdk-stream", "lz4", "zst", "xz", "gz", "ova")


def pack(kind: str, raw: Path, out: Path) -> None:
    match kind:
        case "qcow2":
            run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, out)
        case "qcow2-c":
            run("qemu-img", "convert", "-f", "raw", "-c", "-O", "qcow2", raw, out)
        case "vmdk-stream" | "ova":
            run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, out)
            if kind == "ova":
                make_ova(out.with_suffix(".ova"), out)
                out.with_suffix(".ova").rename(out)
        case "lz4":
            run("lz4", "-q", "-f", raw, out)
        case "xz" | "zst" | "gz":
            tool = {"zst": "zstd", "gz": "gzip"}.get(kind, kind)
            run("cp", raw, out)
            run(tool, "-q", "-f", out)
            next(p for p in out.parent.glob(f"{out.name}.*") if p.suffix in (".xz", ".zst", ".gz")).rename(out)


def damage(whole: bytes, chance: random.Random) -> bytes:
    data = bytearray(whole)
    for _ in range(chance.randint(1, 20)):
        near = min(len(data), chance.choice((64, 512, 4096, len(data))))
        at = chance.choice((chance.randrange(near), len(data) - 1 - chance.randrange(near)))
        new = chance.choice((b"\0", b"\xff", b"\xff" * 4, b"\0" * 8, b"\x7f\xff", chance.randbytes(4)))
        data[at : at + len(new)] = new
    if chance.random() < 0.1:
        del data[chance.randrange(len(data)) :]
    return bytes(data)


@pytest.mark.parametrize("kind", PACKINGS)
def test_damaged_packings_end_soon_and_with_our_errors(kind: str, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes((b"some text " * 400 + os.urandom(96)) * 300 + bytes(1 << 20))
    pack(kind, tmp_path / "raw", tmp_path / "packed")
    whole = (tmp_path / "packed").read_bytes()
    chance = random.Random(kind)
    for round_number in range(4000 if LONG else 30):
        (tmp_path / "bad").write_bytes(damage(whole, chance))
        began = time.process_time()
        with suppress(RocketauditError):
            open_disk(tmp_path / "bad", budget=Budget(max_bytes=64 << 20)).close()
        assert time.process_time() - began < 5, (kind, round_number)


def test_damaged_disks_end_soon_and_with_our_errors(tmp_path: Path) -> None:
    root = disks.erofs(tmp_path)
    path = disks.put_together(
        tmp_path / "disk",
        Part("EFI-A", disks.esp(tmp_path, {"/EFI/BOOT/BOOTX64.EFI": disks.uki()})),
        Part("ROOT", root),
        Part("HASH", disks.hash_device(tmp_path, root)),
    )
    whole = path.read_bytes()
    chance = random.Random(1)
    for round_number in range(4000 if LONG else 30):
        path.write_bytes(damage(whole, chance))
        began = time.process_time()
        with suppress(RocketauditError):
            open_image(path, budget=Budget(), tmp_dir=None, progress=NoProgress()).close()
        assert time.process_time() - began < 5, round_number


def test_damaged_boot_texts_are_read_or_refused() -> None:
    texts = (
        (parse_grub_cfg, grub_cfg(VerityTree("ab" * 32, "cd" * 32, 10), pretty_name="x").encode()),
        (parse_bootconfig, b'kernel { a = 1, "2" ; b }\ninit.c := x # y\ninit.c += z\n'),
    )
    chance = random.Random(2)
    for parse, whole in texts:
        for _ in range(20000 if LONG else 500):
            try:
                parse(damage(whole, chance))
            except FormatError:
                continue
