"""python -m bench.fuzz_elf [COUNT [SEED [FOLDER]]]: damaged ELF files give a Binary or a FormatError, and soon."""

from __future__ import annotations

import bz2
import random
import struct
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench.elf_corpus import SHARED
from rocketaudit.errors import FormatError
from rocketaudit.formats.elf import read_elf

VECTORS = SHARED / "elf"
SLOW = 5.0  # seconds for one file of at most a few MiB
_TEXTS = (
    b"\0_ZN",
    b"\0_R",
    b"zPLR\0",
    b".rs",
    b"17h0123456789abcdefE\0",
    b"\0__rust_alloc\0",
    b"\0" * 64,
    b"\xff" * 64,
)
_NUMBERS = (0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFF, 0x10000, 0x80000000)


def vectors(folder: Path = VECTORS) -> list[bytes]:
    """The ELF files in a folder and the folders in it, unpacked."""
    found = []
    for path in sorted(path for path in (*folder.glob("*"), *folder.glob("*/*")) if path.is_file()):
        raw = path.read_bytes()
        raw = bz2.decompress(raw) if path.suffix == ".bz2" else raw
        if raw[:4] == b"\x7fELF":
            found.append(raw)
    return found


def mutants(seeds: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """`count` damaged copies, the same ones for the same seed.

    Bytes, header fields, cut ends, moved blocks; rows of the tables that the header leads to; texts that readers look
    for; two files grown together.
    """
    rng = random.Random(seed)
    for _ in range(count):
        data = bytearray(rng.choice(seeds))
        kind = rng.randrange(8)
        if kind == 7:
            other, at = rng.choice(seeds), rng.randrange(len(data))
            data[at:] = other[at : 4 << 20]
        for _ in range(rng.choice((1, 2, 8, 40))):
            _damage(data, kind, rng)
        yield bytes(data)


def _damage(data: bytearray, kind: int, rng: random.Random) -> None:
    if len(data) < 16:
        return
    if kind == 0:
        data[rng.randrange(min(len(data), 512))] = rng.randrange(256)
    elif kind == 1:
        data[rng.randrange(len(data))] = rng.randrange(256)
    elif kind == 2:
        at = rng.randrange(min(len(data), 4096) - 8)
        data[at : at + 4] = struct.pack("<I", rng.choice((*_NUMBERS, len(data), rng.randrange(1 << 32))))
    elif kind == 3:
        del data[rng.randrange(1, len(data)) :]
    elif kind == 5:
        _damage_table(data, rng)
    elif kind == 6:
        text = rng.choice(_TEXTS) * rng.choice((1, 1, 20))
        at = rng.randrange(len(data))
        data[at : at + len(text)] = text[: len(data) - at]
    else:
        source, target, length = rng.randrange(len(data)), rng.randrange(len(data)), rng.randrange(64)
        data[target : target + length] = data[source : source + length]


def _damage_table(data: bytearray, rng: random.Random) -> None:
    """One field of a row of the program headers, the section table or the dynamic table; edges of 64 bits too."""
    wide = data[4] == 2
    order, word = "<" if data[5] == 1 else ">", 8 if wide else 4
    if len(data) < 64:
        return
    places = [
        int.from_bytes(data[at : at + word], "little" if order == "<" else "big") for at in (24 + word, 24 + 2 * word)
    ]
    rows = [place for place in places if place < len(data) - word]
    marks = [at for at in (data.find(b"\x05" + bytes(word - 1)),) if 0 <= at < len(data) - 512]  # DT_STRTAB
    start = rng.choice([*rows, *marks, 0])
    at = start + word * rng.randrange(64)
    if at + word <= len(data):
        value = rng.choice((*_NUMBERS, len(data), len(data) - 1, (1 << 64) - 1, 1 << 63, rng.randrange(len(data))))
        data[at : at + word] = (value & (1 << 8 * word) - 1).to_bytes(word, "little" if order == "<" else "big")


def check(data: bytes) -> tuple[str, float]:
    """("read" | "partly" | "refused", CPU seconds); anything but FormatError comes through."""
    start = time.process_time()
    try:
        said = "partly" if read_elf(data).error else "read"
    except FormatError:
        said = "refused"
    return said, time.process_time() - start


def main(words: list[str]) -> int:
    count, seed = int(words[0]) if words else 100_000, int(words[1]) if len(words) > 1 else 1
    folder = Path(words[2]) if len(words) > 2 else VECTORS
    seeds = [data for data in vectors(folder) if len(data) < 4 << 20]
    if not seeds:
        print(f"no ELF files at {folder}: ROCKETAUDIT_SHARED_DATA names the vectors' folder", file=sys.stderr)
        return 2
    said: Counter[str] = Counter()
    slowest, bad = 0.0, 0
    for data in mutants(seeds, count, seed):
        try:
            what, seconds = check(data)
        except Exception:  # noqa: BLE001 - the point of the exercise
            traceback.print_exc()
            bad += 1
            continue
        said[what] += 1
        slowest = max(slowest, seconds)
    print(f"{count} mutants of {len(seeds)} files, seed {seed}: {dict(said)}, {bad} escaped, slowest {slowest:.2f} s")
    return 1 if bad or slowest > SLOW else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
