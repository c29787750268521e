"""A file that could not be read is named in the report, as every other gap is."""

from __future__ import annotations

from pathlib import Path

from rocketaudit.analysis.unread_places import MOST_FILES, unread_places
from rocketaudit.cli.main import main
from rocketaudit.model.evidence import Gap
from tests.analysis.made import evidence, record
from tests.support import find_tool, needs_tools


def test_files_are_named_after_the_gaps_and_none_twice() -> None:
    gaps = (Gap("root", "/etc", "a block is missing"), Gap("root", "/b", "said before"))
    files = (record("/a", scope="root", unread="it ends early"), record("/b", scope="root", unread="again"))
    made = evidence(gaps=gaps, files=(*files, record("/c", scope="root")))
    assert unread_places(made) == (*gaps, Gap("root", "/a", "it ends early"))


def test_of_very_many_files_the_number_is_told() -> None:
    files = tuple(record(f"/{number}", scope="root", unread="no") for number in range(MOST_FILES + 7))
    found = unread_places(evidence(files=files))
    assert len(found) == MOST_FILES + 1
    assert found[-1] == Gap("root", "", "7 more files could not be read")


def test_a_scan_names_the_file_that_it_could_not_read(tmp_path: Path) -> None:
    import json
    import subprocess

    needs_tools("mke2fs")
    tree, image, report = tmp_path / "tree", tmp_path / "image", tmp_path / "report.json"
    (tree / "var").mkdir(parents=True)
    (tree / "var/plain").write_bytes(b"plain")
    with (tree / "var/lastlog").open("wb") as file:
        file.truncate(1 << 40)
    subprocess.run([find_tool("mke2fs") or "", "-q", "-t", "ext4", "-d", tree, image, "8M"], check=True)
    main(["scan", str(image), "-q", "--fail-on", "never", "-o", f"json={report}"])
    unread = {(gap["scope"], gap["path"]): gap["reason"] for gap in json.loads(report.read_text())["unread"]}
    assert "a hole of 1099511627776 bytes" in unread["root", "/var/lastlog"]
    assert ("root", "/var/plain") not in unread
