"""Bills of materials of every kind of target: valid by three validators, whole, and the same bytes whoever scans."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rocketaudit.cli.main import main
from tests.images import Built
from tests.report.cyclonedx_javascript import check_with_javascript
from tests.report.cyclonedx_schema import dangling, problems, unreached
from tests.source import disks
from tests.source.disks import Part

SMALL = [
    "small_erofs_image", "small_ext4_image", "two_bank_image", "corrupt_bank_b_image", "single_bank_image", "uki_image",
    "standalone_image", "enclave_image", "hostile_names_image",
]  # fmt: skip
FULL = ["edges_erofs_image", "full_erofs_image"]
TWICE = {"hostile_names_image"}  # scanned by one worker and by two


def written(target: Path, folder: Path, *, workers: int, code: int = 0) -> dict[str, Path]:
    """The documents of one scan by version."""
    paths = {"1.6": folder / f"{workers}.cdx.json", "1.7": folder / f"{workers}-1.7.cdx.json"}
    outputs = ["-o", f"cyclonedx={paths['1.6']}", "-o", f"cyclonedx-1.7={paths['1.7']}"]
    assert main(["sbom", str(target), "--workers", str(workers), "-q", *outputs]) == code
    return paths


def check(target: Path, folder: Path, *, code: int = 0) -> dict[str, Any]:
    """The document in 1.6, once all validators accepted both."""
    paths = written(target, folder, workers=2, code=code)
    documents = {version: json.loads(path.read_bytes()) for version, path in paths.items()}
    for version, document in documents.items():
        assert document["specVersion"] == version
        assert problems(document, version) == []
        assert dangling(document) == []
        assert unreached(document) == []
    assert check_with_javascript(*paths.values()) == ""
    found: dict[str, Any] = documents["1.6"]
    return found


@pytest.mark.parametrize("name", SMALL)
def test_the_document_of_every_small_image_is_valid(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    image: Built = request.getfixturevalue(name)
    document = check(image.path, tmp_path)
    assert document["metadata"]["component"]["name"] == "bottlerocket"
    assert document["metadata"]["component"]["purl"].startswith("pkg:generic/bottlerocket@")
    if name in TWICE:
        alone = written(image.path, tmp_path, workers=1)
        for version, path in written(image.path, tmp_path, workers=2).items():
            assert alone[version].read_bytes() == path.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_the_document_of_every_large_image_is_valid(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    check(request.getfixturevalue(name).path, tmp_path)


def discoverable(folder: Path, image: Built) -> Path:
    root = disks.erofs(folder)
    return disks.put_together(
        folder / "disk",
        Part("EFI-A", disks.esp(folder, {"/loader/entries/a.conf": b"title Linux\nlinux /k\noptions roothash=00\n"})),
        Part(disks.ROOT_X86_HASH, disks.hash_device(folder, root)),
        Part(disks.ROOT_X86, root),
    )


def bare(folder: Path, image: Built) -> Path:
    """ROOT-A alone, as a file."""
    part = image.partitions["ROOT-A"]
    with image.path.open("rb") as disk:
        disk.seek(part.start)
        (folder / "root.img").write_bytes(disk.read(part.length))
    return folder / "root.img"


def unpacked(folder: Path, image: Built | None) -> Path:
    usr = folder / "root" / "usr" / "lib"
    usr.mkdir(parents=True)
    (usr / "os-release").write_text("ID=bottlerocket\nVERSION_ID=1.57.0\n")
    (folder / "root" / "empty").mkdir()
    return folder / "root"


def kept(folder: Path, image: Built) -> Path:
    """Evidence, without SHA-512."""
    assert main(["collect", str(image.path), "-q", "-o", str(folder / "evidence.json")]) == 0
    return folder / "evidence.json"


@pytest.mark.parametrize("make", [discoverable, bare, unpacked, kept], ids=lambda make: make.__name__)
def test_the_document_of_every_other_target_is_valid(
    make: Callable[[Path, Built], Path], small_ext4_image: Built, tmp_path: Path
) -> None:
    document = check(make(tmp_path, small_ext4_image), tmp_path)
    stated = {one["bom-ref"].partition(":")[2] for one in document["compositions"]}
    assert "files-of-the-root" in stated
    assert ("sha-512-not-collected" in stated) is (make is kept)


def test_an_image_that_ends_early_is_written_as_incomplete(small_ext4_image: Built, tmp_path: Path) -> None:
    """Cut off in the middle of the root: what is there is listed, and the document says that it is not all."""
    part = small_ext4_image.partitions["ROOT-A"]
    cut = tmp_path / "cut.img"
    with small_ext4_image.path.open("rb") as disk:
        cut.write_bytes(disk.read(part.start + part.length // 8))
    document = check(cut, tmp_path, code=3)
    stated = {one["bom-ref"].partition(":")[2]: one["aggregate"] for one in document["compositions"]}
    assert stated["files-of-the-root"] == "incomplete"
    lines = [one["value"] for one in document["metadata"]["properties"] if one["name"] == "rocketaudit:unread"]
    assert lines


INVENTORY = "usr/share/bottlerocket/application-inventory.json"


@pytest.mark.parametrize(
    ("inventory", "code", "aggregate", "said"),
    [
        (None, 0, "unknown", ""),
        ('{"Content": [{"Name": "a", "Version": "1"}]}', 0, "complete", ""),
        ('{"Content": [{"Name": "a", "Version": "1"}, 7]}', 3, "incomplete", "row 1"),
        ('{"Content": ', 3, "incomplete", INVENTORY),
        ('{"Content": [{"Name": "\\ud800"}]}', 3, "incomplete", "surrogate"),
    ],
    ids=["none", "whole", "row", "cut", "surrogate"],
)
def test_an_inventory_that_cannot_be_read_is_no_empty_one(
    inventory: str | None, code: int, aggregate: str, said: str, tmp_path: Path
) -> None:
    root = unpacked(tmp_path, None)
    if inventory is not None:
        (root / INVENTORY).parent.mkdir(parents=True)
        (root / INVENTORY).write_text(inventory)
    out = tmp_path / "x.json"
    assert main(["sbom", str(root), "--workers", "1", "-q", "-o", f"cyclonedx={out}"]) == code
    document = json.loads(out.read_bytes())
    stated = {one["bom-ref"].partition(":")[2]: one["aggregate"] for one in document["compositions"]}
    assert stated["packages-of-the-root"] == aggregate
    lines = [one["value"] for one in document["metadata"]["properties"] if one["name"] == "rocketaudit:unread"]
    assert bool(lines) is (code == 3)
    assert said in "".join(lines)


def test_another_time_gives_another_document(
    small_erofs_image: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    first = written(small_erofs_image.path, tmp_path, workers=1)["1.6"].read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000001")
    second = written(small_erofs_image.path, tmp_path, workers=1)["1.6"].read_bytes()
    assert json.loads(first)["serialNumber"] != json.loads(second)["serialNumber"]
