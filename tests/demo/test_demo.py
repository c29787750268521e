"""The image in the package against its recipe: the same content, small, and every planted problem documented."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import lz4.frame
import pytest

from rocketaudit.demo import demo_image_path
from tests.images import PLANTS, Built, demo
from tests.images.cache import tool_versions
from tests.images.compile import COMPILERS, find_compiler
from tests.support import REPO, find_tool, needs_tools

MIB = 1 << 20


@pytest.fixture(scope="module")
def shipped() -> bytes:
    with demo_image_path() as path:
        return lz4.frame.decompress(path.read_bytes())


@pytest.fixture(scope="module")
def rebuilt() -> Built:
    for language in COMPILERS:
        if find_compiler(language) is None:
            pytest.skip(f"no compiler for {language}")
    try:
        return demo.build_demo()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def recorded() -> dict:
    return json.loads(demo.RECORD_FILE.read_text())


def test_the_demo_image_fits_into_the_package(shipped: bytes) -> None:
    with demo_image_path() as path:
        assert path.stat().st_size <= 2 * MIB
    assert len(shipped) <= 160 * MIB


def test_the_demo_image_is_compressed_as_a_release_pipeline_does(shipped: bytes) -> None:
    with demo_image_path() as path:
        frame = lz4.frame.get_frame_info(path.read_bytes())
    assert frame["block_size"] == 4 * MIB
    assert not frame["block_linked"]
    assert frame["content_checksum"]
    assert frame["content_size"] == 0


def test_the_recipe_still_gives_the_same_content(shipped: bytes, rebuilt: Built, recorded: dict) -> None:
    """With other compilers everything but the compiled programs is compared, file by file."""
    now = demo.record(rebuilt)
    if now["tools"] == recorded["tools"]:
        assert hashlib.sha256(rebuilt.path.read_bytes()).hexdigest() == hashlib.sha256(shipped).hexdigest()
        return
    compiled = demo.compiled_names()
    for bank, files in recorded["files"].items():
        assert files.keys() == now["files"][bank].keys()
        for path, said in files.items():
            if Path(path).name not in compiled:
                assert now["files"][bank][path] == said


def test_the_record_names_the_tools_that_decide_bytes(recorded: dict) -> None:
    needs_tools("mkfs.erofs", "veritysetup")
    assert len(recorded["tools"]) == len(tool_versions())
    assert all(recorded["tools"])


def test_bank_a_of_the_shipped_image_verifies_and_bank_b_does_not(
    shipped: bytes, recorded: dict, rebuilt: Built, tmp_path: Path
) -> None:
    verdicts = {}
    for bank, tree in recorded["verity"].items():
        for name in ("ROOT", "HASH"):
            part = rebuilt.partitions[f"{name}-{bank}"]
            (tmp_path / name).write_bytes(shipped[part.start : part.start + part.length])
        command = [str(find_tool("veritysetup")), "verify", tmp_path / "ROOT", tmp_path / "HASH", tree["root_hash"]]
        verdicts[bank] = subprocess.run(command, capture_output=True, check=False).returncode
    assert verdicts["A"] == 0
    assert verdicts["B"] != 0


def test_every_planted_problem_is_documented() -> None:
    page = (REPO / "docs" / "demo.md").read_text()
    missing = [name for name in demo.SPEC.plants if f"`{name}`" not in page]
    assert missing == []
    assert set(demo.SPEC.plants) <= set(PLANTS)
