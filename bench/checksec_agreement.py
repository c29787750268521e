"""python -m bench.checksec_agreement [COUNT]: hardening of files of the labelled list, ours against Debian's checksec.

COUNT (all) cached files, evenly spread. checksec takes a third of a second for each. Differences that `explained` knows
are counted apart; `tests/bench/test_checksec_agreement.py` shows each of them on a built file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.elf_corpus import read_list
from rocketaudit.formats.elf import read_elf
from rocketaudit.model.binary import Binary, Canary, Nx, Pie, Relro

FIELDS = ("relro", "nx", "pie", "rpath", "runpath", "canary")
GOALS = dict.fromkeys(FIELDS, 1.0) | {"canary": 0.998}


def theirs(path: Path) -> dict[str, str]:
    """What checksec says of one file, by property."""
    done = subprocess.run(
        ["checksec", "--format=json", f"--file={path}"], capture_output=True, text=True, check=False
    ).stdout
    (found,) = json.loads(done).values()
    return dict(found)


def ours(binary: Binary) -> dict[str, str]:
    """Our answers in checksec's words."""
    hard = binary.hardening
    pies = {Pie.EXEC: "no", Pie.PIE: "yes", Pie.STATIC_PIE: "yes", Pie.DSO: "dso", Pie.REL: "rel"}
    return {
        "relro": {Relro.NONE: "no", Relro.NOT_APPLICABLE: "no"}.get(hard.relro, hard.relro.value),
        "nx": "yes" if hard.nx is Nx.YES else "no",
        "pie": pies.get(hard.pie, hard.pie.value),
        "rpath": "no" if hard.rpath is None else "yes",
        "runpath": "no" if hard.runpath is None else "yes",
        "canary": "yes" if hard.canary is Canary.YES else "no",
    }


def explained(field: str, binary: Binary) -> str | None:
    """Why both may differ on this field, None when nobody knows."""
    if field == "canary" and not binary.hardening.section_headers and binary.hardening.canary is Canary.YES:
        return "without section headers readelf lists no symbols; the dynamic segment leads to them"
    if field in ("rpath", "runpath") and getattr(binary.hardening, field) == "":
        return "the entry is there and its text is empty, which checksec takes for none"
    return None


def compare(path: Path) -> list[tuple[str, str, str, str | None]]:
    """(field, ours, theirs, why) of every difference."""
    binary = read_elf(path.read_bytes())
    mine, said = ours(binary), theirs(path)
    return [
        (field, mine[field], said[field], explained(field, binary))
        for field in FIELDS
        if mine[field] != said.get(field)
    ]


def main(words: Sequence[str]) -> int:
    cached = sorted((file for file in read_list() if file.cached.exists()), key=lambda file: file.sha256)
    count = int(words[0]) if words else len(cached)
    chosen = cached[:: max(1, len(cached) // max(1, count))][:count]
    if not chosen:
        print("nothing is cached: run python -m bench.elf_corpus first", file=sys.stderr)
        return 2
    unexplained: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for file, found in zip(chosen, pool.map(compare, [file.cached for file in chosen]), strict=True):
            for field, mine, said, why in found:
                if why is None:
                    unexplained[field] += 1
                    print(f"{file.path}: {field}: ours {mine}, checksec {said}")
                else:
                    reasons[field, why] += 1
    for field in FIELDS:
        rate = 1 - unexplained[field] / len(chosen)
        print(f"{field:<8} {rate:7.2%} agree or are explained ({len(chosen)} files)")
    for (field, why), number in sorted(reasons.items()):
        print(f"{field:<8} {number:4} explained: {why}")
    return 0 if all(1 - unexplained[field] / len(chosen) >= goal for field, goal in GOALS.items()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
