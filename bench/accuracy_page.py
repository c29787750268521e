"""The page docs/accuracy.md: what the lists are, what was measured on them, and what is never said with confidence."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Protocol

from bench.elf_corpus import REPO


class Measured(Protocol):
    """What the page asks of a measured list (`bench.accuracy.Measured`)."""

    listed: int

    @property
    def fetched(self) -> int: ...

    @property
    def packages(self) -> int: ...

    def sections(self, heading: str) -> list[str]: ...


# measured before anything was changed in their view; labels corrected only where the package showed it
FIRST_LOOK = (
    "The rules of before (classifier 2026.11), which nobody had made with these files in view, reached: contains Rust",
    "1.0 / 1.0; precision and recall of Rust and Go 1.0 / 1.0, C 0.987 / 1.0 (stripped 0.981 / 1.0), C++ 1.0 / 0.985",
    "(stripped 1.0 / 0.974); none of 410 (stripped 372) answers of high confidence wrong. 34 of their labels were",
    "wrong (debtags that say C++ of C programs, helpers in C inside other packages) and 4 could not be decided;",
    "`truth` says why. Since then they have been in view too.",
)
SECOND_LOOK = (
    "The rules (as at commit 95f04ca) were made before anyone looked at these files; no answer was changed for them.",
    "With the labels as made: contains Rust 1.0 / 1.0; precision and recall of Rust 1.0 / 1.0, Go 1.0 / 0.989, C 0.988",
    "/ 0.996, C++ 0.995 / 0.990, the same when stripped; 1 of 363 answers of high confidence against its label. Two",
    "labels were wrong: a plugin in C++ in a package of C, a helper in C in a package of Go; the figures below have",
    "them right. Since then the name of one source file counts as mere mention, which took 17 answers from high.",
)
TESTS = "tests/formats/elf"
# kind of file, the answer, the file of TESTS and the test in it that holds it
UNDECIDED = (
    (
        "C++ that uses none of its library, exceptions, type information or virtual functions, stripped",
        "`c`, low",
        "test_c_evidence.py::test_what_leaves_no_trace_is_never_c_with_confidence",
    ),
    (
        "`no_std` Rust that can neither panic nor name a file, stripped",
        "`c`, low, with a C library; else `unknown`",
        "test_c_evidence.py::test_what_leaves_no_trace_is_never_c_with_confidence",
    ),
    (
        "C of which only imports are left: no `.c` name, no `dcgettext` and the like, few exports",
        "`c`, low",
        "test_c_evidence.py::test_a_low_confidence_in_c_is_explained",
    ),
    (
        "Static programs, stripped, in which only the C library shows",
        "`c`, low",
        "test_c_evidence.py::test_what_leaves_no_trace_is_never_c_with_confidence",
    ),
    (
        "A library of C++ that is linked and not used",
        "`c`, low",
        "test_language.py::test_a_library_that_is_linked_and_not_used_is_no_proof_but_a_doubt",
    ),
    (
        "Assembler that uses a C library, stripped",
        "`c`, low",
        "test_weak_lines.py::test_assembler_that_uses_a_c_library_is_doubted",
    ),
    ("Assembler alone", "`unknown`", "test_language.py::test_assembler_is_unknown_rather_than_guessed"),
    (
        "Zig libraries without its start-up code",
        "`zig`, or low",
        "test_weak_lines.py::test_a_zig_library_without_its_runtime_is_not_guessed_with_confidence",
    ),
    (
        "Anything that only bytes could tell, when bytes are not searched",
        "`unknown`",
        "test_language.py::test_without_search_rust_is_not_called_c",
    ),
    ("Packed programs", "`packed`", "test_language.py::test_a_packed_program_is_packed_and_nothing_else"),
)
NOT_COVERED = (
    "## Not covered",
    "",
    (
        "- Files that were built locally for the list (no package to fetch); `tests/formats/elf` builds its own: "
        "prefer-dynamic, static, panic=abort, no_std, Rust inside C, Rust kernel modules, C++ without RTTI, "
        "planted texts; nightly also what the Zig compiler makes, and Dart Sass as compiled for four machines."
    ),
    "- Packages that the archives no longer hold in that version.",
    "- Real Bottlerocket files: the lists have none. Its build flags are simulated in tests.",
    "- Packed files: the answer is `packed`, what is inside is not guessed.",
    "- Shares by unwind tables are lower bounds: functions of panic=abort builds have no personality.",
    "- Vtables without names are recognised on x86-64 only.",
)


def page_lines(tuned: Measured, seen: Measured, fresh: Measured) -> list[str]:
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    commit = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False).stdout.strip()
    return [
        "# How often `rocketaudit elf` is right",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d} at commit {commit} by `make accuracy`.",
        f"{tuned.fetched} of {tuned.listed} listed files could be fetched. The list is the tuning half: rules were",
        "made with it in view, so only the half that was kept back decides. Files labelled ambiguous are left out;",
        "files of several languages count only for “contains Rust”.",
        "",
        *tuned.sections("##"),
        "## Packages that were not in view, first list",
        "",
        f"{seen.fetched} of {seen.listed} files of {seen.packages} packages that are not in the list above",
        "(`bench/elf_holdout.csv`), of seven machines, labelled by Debian's build records (`Built-Using`), debtags and",
        "the language that the project states. Those of Debian for x86-64 were chosen by a hash within each language.",
        *FIRST_LOOK,
        "",
        *seen.sections("###"),
        "## Packages that were not in view, second list",
        "",
        f"{fresh.fetched} of {fresh.listed} files of {fresh.packages} packages that are in neither list",
        "(`bench/elf_fresh.csv`, made by `python -m bench.elf_pick`): of Debian 13 for seven machines, the first by",
        "a hash of their name whose language build records (`Built-Using`) or the source itself tells: it must be C",
        "or C++ to 95 % of its code and hold no third language. Left out: sources over 3 MiB, files over 40 MiB.",
        *SECOND_LOOK,
        "",
        *fresh.sections("###"),
        *_undecided(),
        *NOT_COVERED,
    ]


def _undecided() -> Iterator[str]:
    yield from ("## What is not said with confidence", "")
    yield f"`c` of high or medium confidence needs something that speaks for C itself. The tests are in `{TESTS}`."
    yield from ("", "| file | answer | test |", "|---|---|---|")
    for kind, answer, test in UNDECIDED:
        yield f"| {kind} | {answer} | `{test}` |"
    yield ""
