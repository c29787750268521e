"""A sample of the labelled list, fetched with the ordinary clients; `make accuracy` measures all of it."""

from __future__ import annotations

from collections import Counter

import pytest

from bench.accuracy import ask_all, hard_cases, sample, scored
from bench.accuracy_page import TESTS, UNDECIDED
from bench.elf_corpus import FRESH, HOLDOUT, REPO, Labelled, fetch, read_list
from tests.support import shared_data

SAMPLE = 60
LIGHT = 12 << 20


def light_packages() -> list[Labelled]:
    """Files of wheels that are quick to fetch."""
    listed = [file for file in read_list(shared_data("elf_corpus_tune.csv")) if file.origin.startswith("pypi")]
    sizes: Counter[tuple[str, str]] = Counter()
    for file in listed:
        sizes[file.origin, file.package] += file.size
    return [file for file in listed if sizes[file.origin, file.package] < LIGHT]


def test_a_sample_of_packaged_files_meets_the_goals() -> None:
    chosen = sample(light_packages(), SAMPLE)
    fetch(chosen)
    there = [file for file in chosen if file.cached.exists()]
    if len(there) < 10:
        pytest.skip("the packages of the list could not be fetched")
    whole, bare = ask_all(there), ask_all(there, strip=True)
    assert scored(whole).met(), hard_cases(whole)
    assert scored(bare).met(), hard_cases(bare)


def test_the_second_list_holds_no_package_of_the_first() -> None:
    first = {(file.origin.split("-")[0], file.package) for file in read_list(shared_data("elf_corpus_tune.csv"))}
    second = read_list(HOLDOUT)
    assert not first & {(file.origin.split("-")[0], file.package) for file in second}
    assert len({file.sha256 for file in second}) == len(second) > 600
    assert len({(file.origin, file.package) for file in second}) > 400


def test_the_third_list_holds_no_package_of_the_others() -> None:
    third = read_list(FRESH)
    known = {file.package for file in (*read_list(shared_data("elf_corpus_tune.csv")), *read_list(HOLDOUT))}
    assert not known & {file.package for file in third}
    assert len({(file.origin, file.package) for file in third}) > 400
    assert {file.label for file in third} == {"rust", "c", "c++", "go"}


def test_each_kind_of_file_that_stays_undecided_is_held_by_a_test() -> None:
    for _, _, test in UNDECIDED:
        file, name = test.split("::")
        assert f"def {name}(" in (REPO / TESTS / file).read_text(), test
