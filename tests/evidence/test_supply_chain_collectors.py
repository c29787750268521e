"""Licence texts and vendor lists are collected from where either kind of image keeps them, and damage is said."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import lz4.frame
import pytest

from rocketaudit.evidence import attribution, vendor_sbom
from rocketaudit.evidence.collector import Collector
from rocketaudit.model.evidence import Coverage, Wants
from rocketaudit.model.fact import Fact, State
from rocketaudit.source.memory import MemorySource, broken, file
from tests.support import find_tool, needs_tools

TEXT = "x\nSPDX-License-Identifier: {}\n"
FILES = {
    "containerd/attribution.txt": TEXT.format("Apache-2.0"),
    "containerd/vendor/github.com/a/b/attribution.txt": TEXT.format("MIT"),
    "apiserver/vendor/serde-1.0.228/attribution.txt": TEXT.format("MIT OR Apache-2.0"),
    "apiserver/vendor/bare-1.0.0/attribution.txt": "nothing",
    "apiserver/LICENSE": "text\nCopyright (c) 2020 Someone\n",
    "apiserver/vendor/serde-1.0.228/LICENSE-MIT": "Copyright (c) 2014 Erick Example\n",
}
EXPECTED = {
    "containerd": {"": "Apache-2.0", "vendor/github.com/a/b": "MIT"},
    "apiserver": {"vendor/serde-1.0.228": "MIT OR Apache-2.0", "vendor/bare-1.0.0": ""},
}
SBOM = json.dumps(
    {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "a", "version": "1"}]}
).encode()


def run(
    collector: Collector, paths: dict[str, object], wants: Wants | None = None
) -> tuple[dict[str, Fact], list[str]]:
    source = MemorySource({"root": paths})  # type: ignore[dict-item]
    seen = list(collector.collect(source, wants or Wants()))
    facts = {str(item.key): item for item in seen if isinstance(item, Fact)}
    return facts, [item.pattern for item in seen if isinstance(item, Coverage)]


def test_plain_licence_trees_are_collected() -> None:
    facts, covered = run(
        attribution.STATIC, {f"/usr/share/licenses/{name}": file(text) for name, text in FILES.items()}
    )
    assert {fact.key.subject[0]: fact.value for fact in facts.values()} == EXPECTED
    assert "attribution:*" in covered


def test_notices_are_read_for_a_bill_of_materials_only() -> None:
    paths = {f"/usr/share/licenses/{name}": file(text) for name, text in FILES.items()}
    without, covered = run(attribution.STATIC, dict(paths))
    assert not [name for name in without if name.startswith("copyright")]
    assert "copyright:*" not in covered
    facts, covered = run(attribution.STATIC, dict(paths), Wants(sha512=True))
    assert facts["copyright:apiserver"].value == {
        "": ("Copyright (c) 2020 Someone",),
        "vendor/serde-1.0.228": ("Copyright (c) 2014 Erick Example",),
    }
    assert facts["attribution:apiserver"].value == EXPECTED["apiserver"]
    assert "copyright:*" in covered


def test_notices_without_end_are_cut_off_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribution, "MAX_NOTICES", 5_000)
    text = "".join(f"Copyright (c) 2001 {'x' * 200} {number}\n" for number in range(40))
    paths = {f"/usr/share/licenses/p{number}/LICENSE": file(text) for number in range(3)}
    facts, covered = run(attribution.STATIC, dict(paths), Wants(sha512=True))
    assert not [name for name in facts if name.startswith("copyright:")]
    assert "characters of copyright notices" in facts["attribution_problems:tree"].reason
    assert "copyright:*" not in covered


def test_packed_licence_trees_give_the_same(tmp_path: Path) -> None:
    needs_tools("mksquashfs")
    for name, text in FILES.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    image = tmp_path / "licenses.squashfs"
    subprocess.run(
        [str(find_tool("mksquashfs")), str(tmp_path / "tree"), str(image), "-comp", "zstd", "-quiet"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    facts, covered = run(attribution.STATIC, {attribution.PACKED: file(image.read_bytes())})
    assert {fact.key.subject[0]: fact.value for fact in facts.values()} == EXPECTED
    assert "attribution:*" in covered


@pytest.mark.parametrize(
    "paths",
    [
        {attribution.PACKED: file(b"hsqs" + bytes(200))},
        {attribution.PACKED: broken("inode 5")},
        {
            "/usr/share/licenses/a/attribution.txt": broken("inode 7"),
            "/usr/share/licenses/b/attribution.txt": file(TEXT.format("MIT")),
        },
    ],
)
def test_damage_is_unread_and_nothing_is_called_absent(paths: dict[str, object]) -> None:
    facts, covered = run(attribution.STATIC, paths)
    assert facts["attribution_problems:tree"].state is State.UNREAD
    assert "attribution:*" not in covered


def test_a_tree_without_licences_is_known_to_have_none() -> None:
    facts, covered = run(attribution.STATIC, {"/usr/bin/x": file("")})
    assert facts == {}
    assert covered == ["attribution:*"]


@pytest.mark.parametrize(
    ("name", "data"), [("cyclonedx-sbom.json", SBOM), ("cyclonedx-sbom.json.lz4", lz4.frame.compress(SBOM))]
)
def test_vendor_lists_are_collected_plain_and_packed(name: str, data: bytes) -> None:
    facts, covered = run(vendor_sbom.STATIC, {f"/usr/share/bottlerocket/{name}": file(data)})
    fact = facts["vendor_sbom:cyclonedx-sbom.json#components"]
    assert fact.value == (("a", "1", ""),)
    assert fact.where.digest is not None
    assert covered == ["vendor_sbom:*"]


def test_a_vendor_list_that_cannot_be_read_is_unread() -> None:
    facts, covered = run(vendor_sbom.STATIC, {"/usr/share/bottlerocket/spdx-sbom.json": file(b"{")})
    assert facts["vendor_sbom:spdx-sbom.json#format"].state is State.UNREAD
    assert covered == []
