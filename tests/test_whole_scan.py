"""The main job on whole images: everything that went in comes out, and the command does what its help says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rocketaudit.audit import Looking, look
from rocketaudit.cli.main import main
from rocketaudit.formats.evidence_file import load_evidence
from rocketaudit.model import bytepath
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.filesystem import FileType
from tests.images import Built, Expected
from tests.support import REPO

IMAGES = ["edges_erofs_image", "edges_ext4_image"]
FULL_IMAGES = ["full_erofs_image", "full_ext4_image"]


def check_tree(evidence: Evidence, image: Built) -> None:
    """Every path of the manifest, with every property, and nothing else."""
    found = {record.path: record for record in evidence.scope_files("bank-a")}
    expected = {bytepath.encode(entry.path): entry for entry in image.manifest}
    made_by_mkfs = {"/", "/lost+found"}
    assert found.keys() - made_by_mkfs == expected.keys() - made_by_mkfs
    links: dict[str, int] = {}
    for path, entry in expected.items():
        record = found[path]
        if path in made_by_mkfs:
            continue
        original = expected[bytepath.encode(entry.link_of)] if entry.link_of else entry
        assert record.type.value == original.type, path
        assert (record.mode, record.uid, record.gid) == (original.mode, original.uid, original.gid), path
        assert record.unread is None, (path, record.unread)
        if record.type is FileType.REGULAR:
            assert record.size == original.size, path
            assert record.sha256 == original.sha256, path
        if record.type is FileType.SYMLINK:
            assert record.target == bytepath.encode(original.target), path
        assert record.rdev == original.rdev, path
        assert xattrs_of(record.xattrs) == xattrs_expected(original), path
        if entry.link_of:
            links[path] = record.inode
            assert record.inode == found[bytepath.encode(entry.link_of)].inode


def xattrs_of(pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return dict(pairs)


def xattrs_expected(entry: Expected) -> dict[str, str]:
    import base64

    return {bytepath.encode(name): base64.b64encode(value).decode() for name, value in entry.xattrs}


@pytest.mark.parametrize("name", IMAGES)
def test_everything_that_went_into_an_image_comes_out(name: str, request: pytest.FixtureRequest) -> None:
    image: Built = request.getfixturevalue(name)
    evidence = look(image.path, Looking(workers=2), ())
    check_tree(evidence, image)
    assert evidence.gaps == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL_IMAGES)
def test_everything_that_went_into_two_gib_comes_out_and_the_root_hash_is_veritysetups(
    name: str, request: pytest.FixtureRequest
) -> None:
    image: Built = request.getfixturevalue(name)
    evidence = look(image.path, Looking(workers=2), ())
    check_tree(evidence, image)
    check = evidence.verity[0].check
    assert check is not None
    assert check.recomputed_root_hash == image.verity["A"].root_hash
    assert sum(record.size for record in evidence.files) > 600 << 20


def test_one_worker_and_two_give_the_same_evidence(small_erofs_image: Built) -> None:
    one = look(small_erofs_image.path, Looking(workers=1), ())
    two = look(small_erofs_image.path, Looking(workers=2), ())
    assert one == two


def test_judging_an_evidence_file_gives_the_report_of_the_scan(small_erofs_image: Built, tmp_path: Path) -> None:
    evidence, direct, again = tmp_path / "evidence.json", tmp_path / "direct.json", tmp_path / "again.json"
    scan = ["scan", str(small_erofs_image.path), "-o", f"json={direct}", "-o", f"evidence={evidence}"]
    first = run(*scan)
    second = run("judge", str(evidence), "-o", f"json={again}")
    assert first.returncode == second.returncode
    one, two = json.loads(direct.read_bytes()), json.loads(again.read_bytes())
    assert one["results"] == two["results"]
    assert one["integrity"] == two["integrity"]
    assert load_evidence(evidence.read_bytes()).target.digest is not None


def test_a_small_release_image_decides_at_least_sixty_rules(small_erofs_image: Built, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    run("scan", str(small_erofs_image.path), "-o", f"json={output}")
    results = json.loads(output.read_bytes())["results"]
    decided = [result for result in results if result["verdict"] in ("pass", "fail")]
    assert len(decided) >= 60
    assert all(result["facts"] for result in decided if result["verdict"] == "fail")


def test_exit_codes_tell_verdicts_from_mistakes(
    small_erofs_image: Built, corrupt_bank_b_image: Built, tmp_path: Path
) -> None:
    assert run("scan", str(small_erofs_image.path), "--fail-on", "integrity").returncode == 0
    assert run("scan", str(corrupt_bank_b_image.path), "--fail-on", "integrity").returncode == 1
    assert run("scan", str(corrupt_bank_b_image.path), "--fail-on", "never").returncode == 0
    assert run("scan", str(small_erofs_image.path), "--fail-on", "sometimes").returncode == 2
    assert run("scan", str(small_erofs_image.path), "--no-such-option").returncode == 2
    assert run("scan", str(tmp_path / "missing.img")).returncode == 3
    assert run("scan", str(tmp_path), "--fail-on", "integrity").returncode == 3  # a folder has no tree to check


def test_errors_are_one_line_and_no_traceback(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.img"
    garbage.write_bytes(os.urandom(1 << 16))
    result = run("scan", str(garbage))
    assert result.returncode == 3
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("rocketaudit: ")


def test_a_pipe_gets_no_colour_codes_and_no_progress(small_erofs_image: Built) -> None:
    result = run("scan", str(small_erofs_image.path))
    assert "\x1b" not in result.stdout
    assert result.stderr == ""


def test_quiet_prints_nothing_but_still_decides(corrupt_bank_b_image: Built) -> None:
    result = run("scan", "-q", str(corrupt_bank_b_image.path))
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "")


def test_the_console_report_fits_one_screen_and_leads_with_the_verdict(corrupt_bank_b_image: Built) -> None:
    lines = run("scan", str(corrupt_bank_b_image.path)).stdout.splitlines()
    assert len(lines) <= 50
    assert any("DOES NOT MEET" in line for line in lines[:5])


def test_version_and_help_need_no_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("rocketaudit ")
    assert main(["scan", "--help"]) == 0
    assert "--fail-on" in capsys.readouterr().out


def test_a_folder_is_scanned_without_following_links_out_of_it(tmp_path: Path) -> None:
    secret = tmp_path / "outside"
    secret.write_text("not yours")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "link").symlink_to(secret)
    (root / "etc" / "os-release").write_text("ID=bottlerocket\nVERSION_ID=1.2.3\n")
    os.mkfifo(root / "etc" / "pipe")
    evidence = look(root, Looking(workers=1), ())
    assert evidence.target.version == "1.2.3"
    link = evidence.file("/etc/link", follow=False)
    assert link is not None
    assert link.type is FileType.SYMLINK
    assert link.sha256 is None
    assert evidence.is_known_absent("/etc/shadow")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as a pipeline runs it."""
    return subprocess.run(
        [sys.executable, "-m", "rocketaudit", *words],
        capture_output=True,
        text=True,
        cwd=REPO,
        check=False,
        timeout=120,
    )
