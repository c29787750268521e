"""qcow2 headers and tables that lie; good ones are compared with qemu-img in tests/source/test_disk.py."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError, UnsupportedError
from rocketaudit.formats.containers.extents import Coding
from rocketaudit.formats.containers.qcow2 import map_qcow2
from rocketaudit.model.budget import Budget
from rocketaudit.model.reader import BytesReader

CLUSTER = 65536


def image(*descriptors: int, **fields: int) -> bytes:
    """Version 2, 64 KiB clusters: header, L1 and L2 in a cluster each, then one cluster of data."""
    value = {"version": 2, "backing": 0, "bits": 16, "size": 8 * CLUSTER, "crypt": 0, "l1": 1, "l1_at": CLUSTER}
    value |= fields
    header = struct.pack(
        ">4sIQIIQIIQQIIQ",
        b"QFI\xfb", value["version"], value["backing"], 0, value["bits"], value["size"], value["crypt"],
        value["l1"], value["l1_at"], 0, 0, 0, 0,
    )  # fmt: skip
    l1 = struct.pack(">Q", 2 * CLUSTER)
    l2 = struct.pack(f">{len(descriptors)}Q", *descriptors)
    return b"".join(part.ljust(CLUSTER, b"\0") for part in (header, l1, l2, b"data"))


def test_neighbouring_clusters_become_one_extent() -> None:
    disk = map_qcow2(BytesReader(image(2 * CLUSTER, 3 * CLUSTER, 0, 3 * CLUSTER)), Budget())
    assert [(e.start, e.length, e.offset, e.coding) for e in disk.extents] == [
        (0, 2 * CLUSTER, 2 * CLUSTER, Coding.RAW),
        (3 * CLUSTER, CLUSTER, 3 * CLUSTER, Coding.RAW),
    ]


@pytest.mark.parametrize(
    ("descriptors", "fields", "word"),
    [
        ((99 * CLUSTER,), {}, "beyond the file"),
        ((CLUSTER + 512,), {}, "beyond the file"),
        ((1 << 62 | 99 * CLUSTER,), {}, "beyond the file"),
        ((), {"bits": 40}, "cluster of"),
        ((), {"version": 9}, "neither 2 nor 3"),
        ((), {"size": 1 << 60}, "a qcow2 disk of"),
        ((), {"l1": 0}, "L1 table of"),
        ((), {"l1_at": 1 << 40}, "L1 table lies"),
    ],
)
def test_lies_are_format_errors(descriptors: tuple[int, ...], fields: dict[str, int], word: str) -> None:
    with pytest.raises(FormatError, match=word):
        map_qcow2(BytesReader(image(*descriptors, **fields)), Budget())


def test_encryption_and_backing_files_are_refused_by_name() -> None:
    for fields, word in (({"crypt": 1}, "encrypted"), ({"backing": 512}, "backing file")):
        with pytest.raises(UnsupportedError, match=word):
            map_qcow2(BytesReader(image(**fields)), Budget())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=8), st.binary(max_size=112))
def test_any_table_is_mapped_or_refused(descriptors: list[int], head: bytes) -> None:
    data = bytearray(image(*descriptors))
    data[8 : 8 + len(head)] = head
    for raw in (image(*descriptors), bytes(data)):
        try:
            disk = map_qcow2(BytesReader(raw), Budget())
        except FormatError:
            continue
        assert all(e.start + e.length <= disk.size and e.offset + e.stored <= len(raw) for e in disk.extents)
