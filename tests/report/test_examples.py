"""The example reports in the repository are what the embedded demo image gives today, in every format."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from rocketaudit.cli.main import main
from rocketaudit.formats.evidence_file import dump_evidence, load_evidence
from rocketaudit.model.fact import Plane
from rocketaudit.resources import data_file
from tests.support import REPO

EXAMPLES = REPO / "reports" / "examples"
WHEN = "1767225600"  # 2026-01-01
SCAN = {
    "console": "demo.txt", "json": "demo.json", "html": "demo.html", "markdown": "demo.md", "sarif": "demo.sarif",
    "junit": "demo.junit.xml", "csv": "demo.csv", "openmetrics": "demo.prom", "cyclonedx": "demo.cdx.json",
    "xccdf": "demo.xccdf.xml", "oscal": "demo.oscal.json", "controls": "demo.controls.csv",
}  # fmt: skip
DRIFT = {
    "console": "drift.txt", "json": "drift.json", "html": "drift.html", "markdown": "drift.md", "sarif": "drift.sarif",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every example, made anew."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "bottlerocket-demo.img.lz4").write_bytes(data_file("rocketaudit/demo/demo.img.lz4").read_bytes())
    here = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", WHEN)
        patch.setenv("COLUMNS", "100")
        patch.setattr("socket.gethostname", lambda: "auditor")
        os.chdir(folder)
        try:
            _scan()
            _drift(folder)
        finally:
            os.chdir(here)
    return folder


def _scan() -> None:
    words = ["scan", "bottlerocket-demo.img.lz4", "--as-of", "2026-01-01", "-q", "--fail-on", "never"]
    for name, file in {**SCAN, "evidence": "release.evidence.json"}.items():
        words += ["-o", f"{name}={file}"]
    assert main(words) == 0


def _drift(folder: Path) -> None:
    """The release against the same release on which somebody changed three things."""
    release = load_evidence((folder / "release.evidence.json").read_bytes())
    tool = next(one for one in release.files if one.sha256 is not None and one.path.endswith("/apiclient"))
    files = tuple(replace(one, mode=0o4755) if one is tool else one for one in release.files)
    setting = next(fact for fact in release.find("sysctl", Plane.STATIC) if fact.value == "1")
    facts = tuple(replace(fact, value="0") if fact is setting else fact for fact in release.facts)
    packages = release.packages[1:]
    node = replace(release, files=files, facts=facts, packages=packages, _facts={}, _files={}, _children={})
    (folder / "node.evidence.json").write_bytes(dump_evidence(node))
    words = ["drift", "release.evidence.json", "node.evidence.json", "-q", "--fail-on", "never"]
    for name, file in DRIFT.items():
        words += ["-o", f"{name}={file}"]
    assert main(words) == 0


@pytest.mark.golden
@pytest.mark.parametrize("name", [*SCAN.values(), *DRIFT.values()])
def test_example_is_what_the_demo_gives_today(made: Path, name: str) -> None:
    data = (made / name).read_bytes()
    path = EXAMPLES / name
    if os.environ.get("ROCKETAUDIT_GOLDEN") == "write":
        EXAMPLES.mkdir(exist_ok=True)
        path.write_bytes(data)
    assert path.read_bytes() == data, "run `make golden` and look at what changed"


def test_nothing_else_lies_among_the_examples() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == {*SCAN.values(), *DRIFT.values(), "README.md"}
