"""Bills of materials of real images: valid by both official schemas, and the same bytes whoever scans."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rocketaudit.cli.main import main
from tests.images import Built
from tests.report.cyclonedx_schema import problems

SMALL = ["small_erofs_image", "small_ext4_image", "single_bank_image", "uki_image", "hostile_names_image"]
FULL = ["edges_erofs_image", "full_erofs_image"]


def written(image: Built, folder: Path, *, workers: int) -> dict[str, bytes]:
    """The documents of one scan by version."""
    paths = {"1.6": folder / f"{workers}.cdx.json", "1.7": folder / f"{workers}-1.7.cdx.json"}
    outputs = ["-o", f"cyclonedx={paths['1.6']}", "-o", f"cyclonedx-1.7={paths['1.7']}"]
    assert main(["sbom", str(image.path), "--workers", str(workers), "-q", *outputs]) == 0
    return {version: path.read_bytes() for version, path in paths.items()}


def check(image: Built, folder: Path) -> None:
    for version, data in written(image, folder, workers=2).items():
        document = json.loads(data)
        assert document["specVersion"] == version
        assert problems(document, version) == []
        assert document["metadata"]["component"]["purl"].startswith("pkg:generic/bottlerocket@")


@pytest.mark.parametrize("name", SMALL)
def test_the_document_of_every_small_image_is_valid(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    check(request.getfixturevalue(name), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_the_document_of_every_large_image_is_valid(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    check(request.getfixturevalue(name), tmp_path)


def test_the_same_image_gives_the_same_bytes(
    small_erofs_image: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    first = written(small_erofs_image, tmp_path, workers=1)
    assert first == written(small_erofs_image, tmp_path, workers=2)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000001")
    assert first != written(small_erofs_image, tmp_path, workers=1)
