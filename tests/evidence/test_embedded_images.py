"""A guest's disk inside a host's root is named, so that nobody believes it was scanned."""

from __future__ import annotations

import pytest

from rocketaudit.evidence.reading import read_file
from rocketaudit.model.evidence import Wants
from rocketaudit.source.memory import MemoryFileSystem

GPT = bytes(512) + b"EFI PART" + bytes(2 << 20)


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (GPT, "image"),
        (b"QFI\xfb" + bytes(2 << 20), "image"),
        (GPT[:1000], ""),
        (bytes(2 << 20), ""),
        (b"#!/x\n", "script"),
    ],
)
def test_guest_image_is_told_from_other_files(data: bytes, content: str) -> None:
    fs = MemoryFileSystem({"/guest": data})
    ((_, node),) = fs.entries(fs.root())
    assert not hasattr(node, "reason")
    assert read_file(fs, node, "root", "/guest", Wants()).content == content  # type: ignore[arg-type]
