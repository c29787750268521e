"""`rocketaudit demo` shows what docs/demo.md says is planted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Report = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "rocketaudit", "demo", "--quiet", "--folder", str(into)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return into


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return json.loads((folder / "report.json").read_text())


def fails(rule: str, *names: str) -> Callable[[Report], bool]:
    """The rule fails, and its reason names these."""

    def shown(report: Report) -> bool:
        reasons = [r["why"] for r in report["results"] if r["rule"] == rule and r["verdict"] == "fail"]
        return any(all(name in why for name in names) for why in reasons)

    return shown


def found(identity: str, *, path: str = "", partition: str = "") -> Callable[[Report], bool]:
    """There is a finding of that kind at that place."""

    def shown(report: Report) -> bool:
        places = [finding.get("where") or {} for finding in report["findings"] if finding["id"] == identity]
        return any(p.get("path", "").endswith(path) and partition in p.get("partition", "") for p in places)

    return shown


SHOWN: dict[str, Callable[[Report], bool]] = {
    "flipped byte": found("bad-block", path="/usr/sbin/chronyd", partition="bank-b"),
    "slack": found("bytes-outside-tree", partition="HASH-A"),
    "setuid_shell": fails("no-setuid-programs", "/usr/bin/sh"),
    "shell": fails("no-shell", "/usr/bin/sh"),
    "shell_script": found("script", path="/usr/libexec/collect-logs"),
    "weak_binary: address": fails("programs-are-position-independent", "/usr/bin/legacy-agent"),
    "weak_binary: relocations": fails("programs-have-read-only-relocations", "/usr/bin/legacy-agent"),
    "weak_binary: stack": fails("stacks-are-not-executable", "/usr/bin/legacy-agent"),
    "weak_binary: search path": fails("libraries-come-from-safe-folders", "/usr/bin/legacy-agent"),
    "weak_sysctl: pointers": fails("kernel-pointers-are-hidden", "99-tuning.conf"),
    "weak_sysctl: programs": fails("unprivileged-bpf-is-off", "99-tuning.conf"),
    "world_writable": fails("nothing-is-world-writable", "chrony.conf"),
    "debug_shell": fails("debug-shell-is-off", "enabled"),
    "unlabelled_file": fails("everything-is-labelled", "/usr/share/unlabelled"),
}


@pytest.mark.parametrize("plant", SHOWN)
def test_a_planted_problem_is_in_the_report(plant: str, report: Report) -> None:
    assert SHOWN[plant](report)


def test_only_the_planted_programs_are_weakly_built(report: Report) -> None:
    for rule in ("programs-are-position-independent", "programs-have-read-only-relocations"):
        result = next(r for r in report["results"] if r["rule"] == rule)
        assert "2 of 8 files" in result["why"]
        assert "/usr/bin/sh" in result["why"]


def test_bank_a_is_sound_and_bank_b_is_broken(report: Report) -> None:
    verdicts = {bank["scope"]: bank["verdict"] for bank in report["integrity"]["banks"]}
    assert verdicts == {"bank-a": "consistent_unsigned", "bank-b": "broken"}


def test_all_four_languages_are_recognised(report: Report) -> None:
    said = json.dumps(report["census"])
    for language in ('"rust"', '"go"', '"c++"', '"c"'):
        assert language in said


def test_html_json_and_sbom_are_written(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"report.html", "report.json", "sbom.cdx.json"}


def test_the_bad_block_names_file_package_and_language(report: Report) -> None:
    (block,) = report["integrity"]["bad_blocks"]
    assert block["path"].endswith("/usr/sbin/chronyd")
    assert (block["offset_in_file"], block["package"], block["language"]) == (4096, "chrony", "c")
