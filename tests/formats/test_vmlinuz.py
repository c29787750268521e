"""Kernel images built by hand after the boot protocol."""

from __future__ import annotations

import gzip
import lzma
import struct
from collections.abc import Callable

import lz4.block
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.formats.vmlinuz import banner_release, embedded_config, parse_vmlinuz, unpack_kernel
from rocketaudit.model.reader import BytesReader

CONFIG = b"CONFIG_SECURITY_SELINUX=y\n"
KERNEL = b"ELF" + b"Linux version 6.12.5-br (builder@x) #1 SMP" + b"IKCFG_ST" + gzip.compress(CONFIG) + b"IKCFG_ED"


def bzimage(payload: bytes, *, version: bytes = b"6.12.5-br (builder@x) #1 SMP\0") -> bytes:
    data = bytearray(512 * 5)
    data[0x1F1] = 1
    data[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", data, 0x206, 0x20F)
    struct.pack_into("<H", data, 0x20E, 0x300 - 0x200)
    data[0x300 : 0x300 + len(version)] = version
    struct.pack_into("<II", data, 0x248, len(data) - 2 * 512, len(payload))
    return bytes(data) + payload


def legacy_lz4(data: bytes) -> bytes:
    block = lz4.block.compress(data, store_size=False)
    return b"\x02\x21\x4c\x18" + struct.pack("<I", len(block)) + block + struct.pack("<I", len(data))


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        zstandard.ZstdCompressor().compress,
        lambda data: lzma.compress(data, check=lzma.CHECK_CRC32),
        lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
        legacy_lz4,
    ],
    ids=["gzip", "zstd", "xz", "lzma", "lz4"],
)
def test_version_and_configuration_of_a_bzimage(pack: Callable[[bytes], bytes]) -> None:
    reader = BytesReader(bzimage(pack(KERNEL)))
    image = parse_vmlinuz(reader)
    assert (image.kind, image.release) == ("bzImage", "6.12.5-br")
    kernel = unpack_kernel(reader, image)
    assert embedded_config(kernel) == CONFIG
    assert banner_release(kernel) == "6.12.5-br"


def test_arm64_image_is_its_own_kernel() -> None:
    data = bytearray(64) + KERNEL
    data[56:60] = b"ARM\x64"
    image = parse_vmlinuz(BytesReader(data))
    assert image.kind == "arm64"
    assert banner_release(unpack_kernel(BytesReader(data), image)) == "6.12.5-br"


def test_kernel_without_a_configuration_has_none() -> None:
    assert embedded_config(b"nothing") is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"MZ" + bytes(5000),
        bzimage(b"")[:0x210],
        bzimage(b"")[:0x250],
        bzimage(gzip.compress(KERNEL))[:-9],
    ],
)
def test_what_is_no_whole_kernel_is_a_format_error(data: bytes) -> None:
    reader = BytesReader(data)
    with pytest.raises(FormatError):
        unpack_kernel(reader, parse_vmlinuz(reader))


@pytest.mark.parametrize("payload", [b"????" * 10, b"\x1f\x8b\x08garbage", b"\x28\xb5\x2f\xfdgarbage"])
def test_payload_that_does_not_decode_is_a_format_error(payload: bytes) -> None:
    reader = BytesReader(bzimage(payload))
    with pytest.raises(FormatError):
        unpack_kernel(reader, parse_vmlinuz(reader))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600), st.integers(0, 700))
def test_any_damage_is_read_or_refused(patch: bytes, at: int) -> None:
    data = bytearray(bzimage(gzip.compress(KERNEL)))
    data[at : at + len(patch)] = patch
    reader = BytesReader(data)
    try:
        embedded_config(unpack_kernel(reader, parse_vmlinuz(reader)))
    except FormatError:
        return
