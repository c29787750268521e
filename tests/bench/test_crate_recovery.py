"""Crates found against crates stated: what is counted, and that a wrong one would be seen."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from bench.crate_recovery import Recovered, measure, table
from tests.formats.elf.programs import program


def test_a_wheel_is_measured_against_the_list_in_it(tmp_path: Path) -> None:
    wheel = tmp_path / "x.whl"
    listed = {
        "components": [{"name": "Serde_json", "version": "1.0.0", "purl": "pkg:cargo/serde_json@1.0.0"}, {"name": "a"}]
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("x/rust-program", program("rust-static"))
        archive.writestr("x-1.dist-info/sboms/x.cyclonedx.json", json.dumps(listed))
    (row,) = measure(wheel)
    assert (row.program, row.by, row.stated) == ("rust-program", "list of the wheel", {("serde-json", "1.0.0")})


def test_the_table_counts_what_is_wrong() -> None:
    rows = [Recovered("a", frozenset({("x", "1"), ("y", "2")}), frozenset({("x", "1"), ("z", "3")}), ".dep-v0")]
    assert "| a | .dep-v0 | 2 | 2 | 1 | 0.50 |" in table(rows)
    assert "| all 1 | | 2 | 2 | 1 | 0.50 |" in table(rows)
