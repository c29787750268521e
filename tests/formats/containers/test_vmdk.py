"""VMDK headers and descriptors that lie; good ones are compared with qemu-img in tests/source/test_disk.py."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError, UnsupportedError
from rocketaudit.formats.containers.vmdk import PartFile, map_vmdk, parse_descriptor
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import BytesReader


def image(*grains: int, **fields: int) -> bytes:
    """A sparse extent: header, directory in sector 1, table in sector 2, data from sector 8 on."""
    value = {"version": 1, "flags": 3, "capacity": 64, "grain": 8, "per_table": 512, "directory": 1, "compression": 0}
    value |= fields
    header = struct.pack(
        "<4sIIQQQQIQQQB4sH",
        b"KDMV", value["version"], value["flags"], value["capacity"], value["grain"], 0, 0, value["per_table"],
        0, value["directory"], 8, 0, b"\n \r\n", value["compression"],
    )  # fmt: skip
    table = struct.pack(f"<{len(grains)}I", *grains).ljust(2048, b"\0")
    return header.ljust(512, b"\0") + struct.pack("<I", 2).ljust(512, b"\0") + table + bytes(2 * 512) + b"x" * 4096


def test_grains_are_mapped() -> None:
    disk = map_vmdk(BytesReader(image(0, 8, 1)), Budget())
    assert disk.size == 64 * 512
    assert [(e.start, e.length, e.offset) for e in disk.extents] == [(4096, 4096, 4096)]


@pytest.mark.parametrize(
    ("grains", "fields", "word"),
    [
        ((9999,), {}, "beyond the file"),
        ((), {"grain": 0}, "grains of"),
        ((), {"grain": 1 << 40}, "grains of"),
        ((), {"per_table": 0}, "grain tables of"),
        ((), {"per_table": 2**32 - 1}, "grain tables of"),
        ((), {"capacity": 1 << 60}, "grain directory"),
        ((), {"directory": 1 << 40}, "grain directory"),
        ((8,), {"flags": 0x10003, "compression": 1}, "stored bytes|listed for"),
        ((), {"flags": 0x10003, "compression": 7}, "compression 7"),
        ((), {"version": 9}, "version 9"),
    ],
)
def test_lies_are_format_errors(grains: tuple[int, ...], fields: dict[str, int], word: str) -> None:
    with pytest.raises(FormatError, match=word):
        map_vmdk(BytesReader(image(*grains, **fields)), Budget())


def test_descriptor_with_several_extents() -> None:
    text = b'# Disk DescriptorFile\nparentCID=ffffffff\nRW 8 FLAT "a-flat.vmdk" 16\nRW 4 ZERO\nRDONLY 2 VMFS "b"\n'
    assert parse_descriptor(text) == (
        PartFile("a-flat.vmdk", 8192, 4096),
        PartFile("", 0, 2048),
        PartFile("b", 0, 1024),
    )


def test_descriptor_of_other_kinds_is_refused_by_name() -> None:
    assert parse_descriptor(b'RW 8 SPARSE "a"\n') == (PartFile("a", 0, 4096, is_sparse=True),)
    for kind in (b"VMFSSPARSE", b"SESPARSE"):
        with pytest.raises(UnsupportedError, match=kind.decode()):
            parse_descriptor(b'RW 8 %s "a"\n' % kind)
    with pytest.raises(FormatError, match="no extent"):
        parse_descriptor(b"# Disk DescriptorFile\n")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), max_size=8), st.binary(max_size=80))
def test_any_header_is_mapped_or_refused(grains: list[int], head: bytes) -> None:
    data = bytearray(image(*grains))
    data[4 : 4 + len(head)] = head
    for raw in (image(*grains), bytes(data)):
        try:
            disk = map_vmdk(BytesReader(raw), Budget())
        except FormatError:
            continue
        assert all(e.start + e.length <= disk.size and e.offset + e.stored <= len(raw) for e in disk.extents)


@given(st.text(max_size=300))
def test_any_descriptor_is_read_or_refused(text: str) -> None:
    try:
        assert parse_descriptor(text.encode("utf-8", "replace"))
    except FormatError:
        return
