"""Packings by their magic."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct

import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.formats.containers.sniff import Packing, name_embedded_image, name_foreign_packing, sniff
from rocketaudit.model.reader import BytesReader

SKIPPABLE = struct.pack("<II", 0x184D2A55, 3) + b"abc"


@pytest.mark.parametrize(
    ("data", "packing"),
    [
        (lz4.frame.compress(b"x"), Packing.LZ4),
        (zstandard.compress(b"x"), Packing.ZSTD),
        (SKIPPABLE + zstandard.compress(b"x"), Packing.ZSTD),
        (SKIPPABLE + lz4.frame.compress(b"x"), Packing.LZ4),
        (gzip.compress(b"x", mtime=0), Packing.GZIP),
        (lzma.compress(b"x"), Packing.XZ),
        (b"QFI\xfb" + bytes(600), Packing.QCOW2),
        (b"KDMV" + bytes(600), Packing.VMDK),
        (b"# Disk DescriptorFile\n", Packing.VMDK_DESCRIPTOR),
        (bytes(600), Packing.RAW),
        (b"", Packing.RAW),
        (b"P*M\x18", Packing.LZ4),
    ],
)
def test_packing_is_told_by_its_first_bytes(data: bytes, packing: Packing) -> None:
    assert sniff(BytesReader(data)) is packing


def test_packings_that_are_not_read_have_names() -> None:
    assert name_foreign_packing(BytesReader(bz2.compress(b"x"))) == "bzip2"
    assert name_foreign_packing(BytesReader(bytes(32769) + b"CD001")) == "an ISO 9660 image"
    assert name_foreign_packing(BytesReader(bytes(99))) == ""


@pytest.mark.parametrize(
    ("head", "size", "name"),
    [
        (bytes(512) + b"EFI PART", 2 << 20, "a disk with a GPT"),
        (b"QFI\xfb", 2 << 20, "a qcow2 disk"),
        (lz4.frame.compress(b"x"), 2 << 20, ""),
        (lz4.frame.compress(b"x"), 9 << 20, "a large lz4 file, perhaps a packed disk"),
        (bytes(1024) + b"\xe2\xe1\xf5\xe0", 2 << 20, "an EROFS image"),
        (bytes(1080) + b"\x53\xef", 2 << 20, "an ext2/3/4 image"),
        (b".eif", 2 << 20, "an Enclave Image File"),
        (bytes(512) + b"EFI PART", 1000, ""),
        (b"#!/bin/sh", 2 << 20, ""),
    ],
)
def test_guest_images_inside_a_root_are_named(head: bytes, size: int, name: str) -> None:
    assert name_embedded_image(head, size) == name


@given(st.binary(max_size=700))
def test_any_bytes_have_a_packing(data: bytes) -> None:
    assert sniff(BytesReader(data)) in Packing
