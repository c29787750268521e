"""The page that compares bills of materials: what was measured is in it, what failed is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.sbom_peers import components, lay_out
from bench.sbom_peers_page import LEVELS, PROFILES, Outcome, render
from bench.sbom_scorers import conformance, failing
from tests.images.tree import Tree

SCORES = dict.fromkeys(LEVELS, 91)


def test_a_row_holds_what_was_measured_and_a_failure_its_reason() -> None:
    ours = Outcome("rocketaudit, folder", cpu=7.83, packages=42, crates=140, files=9, scores=SCORES, is_ntia=True,
                   is_valid=True, read=(44, 140), standards=dict.fromkeys(PROFILES, 82),
                   open_rules=("SCVS-2.18: 141 without hashes.",))  # fmt: skip
    other = Outcome("other 1.0", failed="exit code 3, no document")
    spdx = [("SPDX 3.0.1", "conformant", "all but: Filenames", "refused", "44 + 140")]
    page = render([ours, other], [("rg", 47, 37, 0)], spdx, 42, "today")
    assert (
        "| rocketaudit, folder | 42 | 140 | 9 | 0 | 91 % | 91 % | 91 % | 91 % | 91 % | yes | 82 | 82 | yes "
        "| 44 + 140 | refused | 7.8 |" in page
    )
    assert "| SPDX 3.0.1 | conformant | all but: Filenames | refused | 44 + 140 |" in page
    assert "| other 1.0 | exit code 3, no document |" in page
    assert "| rg | 47 | 37 | 0 | 0.79 | 1.00 |" in page
    assert "* SCVS-2.18: 141 without hashes." in page


def test_nested_components_count_and_manual_rules_do_not() -> None:
    document = {"components": [{"name": "a", "components": [{"name": "b"}]}, {"name": "c"}]}
    assert {part["name"] for part in components(document)} == {"a", "b", "c"}
    rules = [
        {"id": "1", "automatable": True, "status": "fail", "message": "x"},
        {"id": "2", "automatable": False, "status": "manual", "message": "y"},
        {"id": "3", "automatable": True, "status": "pass", "message": "z"},
    ]
    assert list(failing([{"id": "scvs", "controls": rules}, {"id": "scvs-l1", "controls": rules}])) == ["1: x"]


def test_a_checker_is_quoted_with_what_it_requires_and_misses() -> None:
    rows = "Distribution Filenames     | False\nTimestamp      | True\nSource Code URIs (Warning)   | False\n"
    assert conformance("Conformant: True\n" + rows) == "conformant"
    assert conformance("Conformant: False\n" + rows) == "all but: Distribution Filenames"
    assert conformance("Traceback") == "no verdict"


@pytest.mark.parametrize("content", [b"text", b""])
def test_a_tree_becomes_a_folder_with_its_times(content: bytes, tmp_path: Path) -> None:
    tree = Tree()
    tree.file("/usr/a", content)
    tree.link("/lib", "usr")
    lay_out(tree, tmp_path)
    assert (tmp_path / "lib" / "a").read_bytes() == content
    assert int((tmp_path / "usr" / "a").stat().st_mtime) == tree["/usr/a"].mtime
