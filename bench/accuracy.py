"""python -m bench.accuracy: measure languages against the labelled lists and write docs/accuracy.md.

The packages are fetched once with the ordinary clients and cached. `--sample N` takes N files, evenly over the labels,
and prints only; without the network what is cached is measured, and the page says how many files that were.
"""

from __future__ import annotations

import argparse
import os
import struct
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from bench.accuracy_page import page_lines
from bench.elf_corpus import FRESH, HOLDOUT, REPO, Labelled, fetch, read_list
from rocketaudit.formats.elf import read_elf
from rocketaudit.model.binary import Binary

PAGE = REPO / "docs" / "accuracy.md"
CLASSES = ("rust", "c", "c++", "go", "other")
ANSWERS = (*CLASSES, "packed", "unknown")
GOALS = {"rust": 0.98, "c": 0.98, "go": 0.98, "c++": 0.96}
AMBIGUOUS = "ambig"


@dataclass(frozen=True, slots=True)
class Answer:
    """One file, its label and what we said of it."""

    file: Labelled
    language: str
    contains: tuple[str, ...]
    confidence: str
    signals: str

    @property
    def truth(self) -> str:
        return self.file.label if self.file.label in CLASSES else "other"

    @property
    def is_mixed(self) -> bool:
        return bool(self.file.also)

    @property
    def holds_rust(self) -> bool:
        return self.file.label == "rust" or "rust" in self.file.also.split()


def stripped(raw: bytes) -> bytes:
    """The file without section headers and notes: no .comment, no .symtab, no build id reachable any more."""
    data = bytearray(raw)
    order = "<" if data[5] == 1 else ">"
    wide = data[4] == 2
    (table,) = struct.unpack_from(order + ("Q" if wide else "I"), data, 32 if wide else 28)
    row, count = struct.unpack_from(order + "HH", data, 54 if wide else 42)
    struct.pack_into(order + ("Q" if wide else "I"), data, 40 if wide else 32, 0)
    struct.pack_into(order + "HHH", data, 58 if wide else 46, 0, 0, 0)
    for index in range(count):
        if struct.unpack_from(order + "I", data, table + index * row)[0] == 4:
            struct.pack_into(order + "I", data, table + index * row, 0)
    return bytes(data)


def is_linked(raw: bytes) -> bool:
    """Relocatable files have only sections: they cannot be stripped of them."""
    return struct.unpack_from("<H" if raw[5] == 1 else ">H", raw, 16)[0] != 1


def ask(file: Labelled, *, strip: bool = False) -> Answer | None:
    raw = file.cached.read_bytes()
    if strip and not is_linked(raw):
        return None
    return _answer(file, read_elf(stripped(raw) if strip else raw))


def _ask_stripped(file: Labelled) -> Answer | None:
    return ask(file, strip=True)


def _answer(file: Labelled, binary: Binary) -> Answer:
    shown = ", ".join(f"{signal.kind} {signal.value[:40]}" for signal in binary.signals[:8])
    return Answer(file, binary.language.value, binary.contains, binary.confidence.value, shown)


def ask_all(files: Sequence[Labelled], *, strip: bool = False) -> list[Answer]:
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        answers = pool.map(_ask_stripped if strip else ask, files, chunksize=8)
        return [answer for answer in answers if answer is not None]


def sample(files: Sequence[Labelled], count: int) -> list[Labelled]:
    """`count` small files, as many of each class as there are, the same ones every time."""
    chosen: list[Labelled] = []
    for label in CLASSES:
        mine = [f for f in files if (f.label if f.label in CLASSES else "other") == label and f.size < 4 << 20]
        mine.sort(key=lambda f: f.sha256)
        chosen += mine[: count // len(CLASSES)]
    return chosen


def ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


@dataclass(frozen=True, slots=True)
class Score:
    """Precision and recall of every class, of "contains Rust", and how often "high" was wrong."""

    primary: dict[str, tuple[float, float]]
    rust: tuple[float, float]
    high_wrong: float

    def met(self) -> bool:
        good = all(min(self.primary[name]) >= goal for name, goal in GOALS.items())
        return good and self.rust[0] >= 0.998 and self.rust[1] >= 0.995 and self.high_wrong < 0.005


def scored(answers: Iterable[Answer]) -> Score:
    plain = [a for a in answers if a.file.label != AMBIGUOUS]
    pure = [a for a in plain if not a.is_mixed]
    primary = {}
    for name in CLASSES:
        right = sum(a.truth == a.language == name for a in pure)
        said, true = sum(a.language == name for a in pure), sum(a.truth == name for a in pure)
        primary[name] = ratio(right, said), ratio(right, true)
    both = sum(a.holds_rust and "rust" in a.contains for a in plain)
    rust = ratio(both, sum("rust" in a.contains for a in plain)), ratio(both, sum(a.holds_rust for a in plain))
    high = [a for a in pure if a.confidence == "high"]
    return Score(primary, rust, ratio(sum(a.truth != a.language for a in high), len(high)))


def tables(answers: Sequence[Answer]) -> list[str]:
    plain = [a for a in answers if a.file.label != AMBIGUOUS]
    pure = [a for a in plain if not a.is_mixed]
    score = scored(answers)
    matrix = Counter((a.truth, a.language) for a in pure)
    lines = ["| label \\ answer | " + " | ".join(ANSWERS) + " | recall |", "|---" * (len(ANSWERS) + 2) + "|"]
    for truth in CLASSES:
        cells = " | ".join(str(matrix[truth, answer]) for answer in ANSWERS)
        lines.append(f"| {truth} | {cells} | {score.primary[truth][1]:.4f} |")
    precisions = " | ".join(f"{score.primary[name][0]:.4f}" for name in CLASSES)
    lines += [f"| precision | {precisions} | | | |", ""]
    rust = Counter((a.holds_rust, "rust" in a.contains) for a in plain)
    lines.append(
        f"Contains Rust: {rust[True, True]} found, {rust[True, False]} missed, {rust[False, True]} false, "
        f"{rust[False, False]} rightly not; precision {score.rust[0]:.4f}, recall {score.rust[1]:.4f}."
    )
    lines += ["", "| confidence | right | wrong |", "|---|---|---|"]
    for level in ("high", "medium", "low"):
        right = sum(a.confidence == level and a.truth == a.language for a in pure)
        wrong = sum(a.confidence == level and a.truth != a.language for a in pure)
        lines.append(f"| {level} | {right} | {wrong} |")
    return [*lines, "", f"Wrong among those of high confidence: {score.high_wrong:.2%}.", ""]


def hard_cases(answers: Sequence[Answer]) -> list[str]:
    lines = []
    for a in answers:
        wrong = a.truth != a.language and not a.is_mixed
        if a.file.label != AMBIGUOUS and (wrong or a.holds_rust != ("rust" in a.contains)):
            name = a.file.path.replace("%", "/")
            lines.append(f"- `{name}`: label {a.file.label} {a.file.also}, answer {a.language} ({a.confidence})")
    return lines or ["- none"]


@dataclass(frozen=True, slots=True)
class Measured:
    """One list: how many files it has, and what we said of those that could be fetched, whole and stripped."""

    listed: int
    whole: list[Answer]
    bare: list[Answer]

    def met(self) -> bool:
        return scored(self.whole).met() and scored(self.bare).met()

    @property
    def fetched(self) -> int:
        return len(self.whole)

    @property
    def packages(self) -> int:
        return len({(answer.file.origin, answer.file.package) for answer in self.whole})

    def sections(self, heading: str) -> list[str]:
        return [
            f"{heading} As packaged",
            "",
            *tables(self.whole),
            f"{heading} Without section headers and notes",
            "",
            "The same linked files with the section table and the notes removed: no `.comment`, symbols or build id.",
            "",
            *tables(self.bare),
            f"{heading} Answered wrong",
            "",
            *hard_cases(self.whole),
            "",
        ]


def measured(listed: Sequence[Labelled]) -> Measured:
    there = [file for file in listed if file.cached.exists()]
    return Measured(len(listed), ask_all(there), ask_all(there, strip=True))


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, metavar="N", help="N files, print only")
    parser.add_argument("--offline", action="store_true", help="measure what is cached")
    asked = parser.parse_args(words)
    lists = [[file for file in read_list() if file.origin != "local"], read_list(HOLDOUT), read_list(FRESH)]
    chosen = [sample(files, asked.sample) if asked.sample else files for files in lists]
    if not asked.offline:
        for files in chosen:
            fetch(files)
    found = [measured(files) for files in chosen]
    if not all(one.whole for one in found):
        print("no file of a list could be fetched", file=sys.stderr)
        return 2
    for one in found:
        print("\n".join(one.sections("##")))
    if not asked.sample:
        PAGE.write_text("\n".join(page_lines(*found)) + "\n")
        print(f"wrote {PAGE.relative_to(REPO)}")
    return 0 if all(one.met() for one in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
