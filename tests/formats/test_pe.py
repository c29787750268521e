"""PE images parse as firmware reads them; digests equal those of the signing tools; damage never raises otherwise."""

from __future__ import annotations

import contextlib
import hashlib
import re
import struct
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.formats.pe import (
    authenticode_digests,
    parse_certificate_table,
    parse_pe,
    read_certificate_table,
    read_section,
    uncovered_gaps,
)
from rocketaudit.formats.signed_image import read_signed_image, signed_image_from_json, signed_image_to_json
from rocketaudit.model.reader import BytesReader
from tests.secure_boot import Identity, build_pe, sbsign
from tests.support import find_tool, needs_tools, shared_data

IMAGE = build_pe({".text": b"\xc3" * 700, ".sbat": b"sbat,1,x\n", ".vendor_cert": b"v" * 20})


def test_sections_have_their_names_and_bytes():
    reader = BytesReader(IMAGE)
    image = parse_pe(reader)
    assert [section.name for section in image.sections] == [".text", ".sbat", ".vendor_cert"]
    assert image.machine == "x86_64"
    assert read_section(reader, image.find(".sbat")) == b"sbat,1,x\n"
    assert read_section(reader, image.find(".vendor_cert")) == b"v" * 20
    assert image.find(".absent") is None
    assert uncovered_gaps(image) == ()


@pytest.mark.parametrize("trailing", [b"", b"t" * 8, b"t" * 13])
def test_the_digest_equals_that_of_osslsigncode(tmp_path, trailing):
    needs_tools("osslsigncode", "sbsign")
    signed = sbsign(tmp_path, build_pe({".text": b"\xc3" * 700, ".data": b"d" * 300}, trailing), Identity("signer"))
    reader = BytesReader(signed)
    (tmp_path / "x.efi").write_bytes(signed)
    printed = subprocess.run(
        [find_tool("osslsigncode"), "verify", "-in", tmp_path / "x.efi"], capture_output=True, text=True, check=False
    ).stdout
    ours = authenticode_digests(reader, parse_pe(reader))["sha256"]
    assert re.search(r"Calculated message digest *: *(\w+)", printed)[1].lower() == ours


def test_digests_skip_the_checksum_and_nothing_else():
    def digest(raw):
        reader = BytesReader(raw)
        return authenticode_digests(reader, parse_pe(reader))["sha256"]

    image = parse_pe(BytesReader(IMAGE))
    changed = {place for place in range(0, len(IMAGE), 7) if digest_changes(digest, place)}
    skipped = set(range(0, len(IMAGE), 7)) - changed
    assert skipped <= set(range(image.checksum_offset, image.checksum_offset + 4))


def digest_changes(digest, place):
    raw = bytearray(IMAGE)
    raw[place] ^= 1
    try:
        return digest(bytes(raw)) != digest(IMAGE)
    except FormatError:
        return True


def header_field(offset, size, value):
    raw = bytearray(IMAGE)
    raw[offset : offset + size] = value.to_bytes(size, "little")
    return bytes(raw)


COFF, OPTIONAL = 64, 64 + 24
SECTIONS = OPTIONAL + 240


@pytest.mark.parametrize(
    ("offset", "size", "value"),
    [
        (0, 1, 0),
        (60, 4, 0xFFFFFFFF),
        (60, 4, 4),
        (COFF + 6, 2, 0xFFFF),
        (COFF + 20, 2, 8),
        (OPTIONAL, 2, 0x107),
        (OPTIONAL + 60, 4, 0),
        (OPTIONAL + 60, 4, 0xFFFFFFFF),
        (OPTIONAL + 108, 4, 4),
        (OPTIONAL + 112 + 32, 4, 16),  # a certificate table inside the headers
        (SECTIONS + 16, 4, 0xFFFFFFFF),
        (SECTIONS + 20, 4, 8),
        (SECTIONS + 40 + 20, 4, 0x400),  # over the first section
    ],
)
def test_headers_that_point_elsewhere_are_refused(offset, size, value):
    raw = header_field(offset, size, value)
    if (offset, size) == (OPTIONAL + 112 + 32, 4):
        raw = raw[: OPTIONAL + 148] + struct.pack("<I", 8) + raw[OPTIONAL + 152 :]
    with pytest.raises(FormatError):
        parse_pe(BytesReader(raw))


def test_a_section_that_is_there_twice_is_not_chosen_from():
    raw = IMAGE.replace(b".sbat\0\0\0", b".text\0\0\0", 1)
    with pytest.raises(FormatError, match="2 times"):
        parse_pe(BytesReader(raw)).find(".text")


def test_later_profiles_of_a_unified_image_do_not_count():
    raw = build_pe({".cmdline": b"base", ".profile": b"ID=x", ".cmdlinX": b"other"}).replace(b".cmdlinX", b".cmdline")
    reader = BytesReader(raw)
    assert read_section(reader, parse_pe(reader).find(".cmdline")) == b"base"


def test_bytes_after_the_certificate_table_are_refused(tmp_path):
    needs_tools("sbsign")
    signed = sbsign(tmp_path, IMAGE, Identity("signer"))
    parse_pe(BytesReader(signed))
    with pytest.raises(FormatError, match="does not end where the file ends"):
        parse_pe(BytesReader(signed + b"APPENDED"))


@pytest.mark.parametrize(
    "table",
    [
        struct.pack("<IHH", 7, 0x200, 2),
        struct.pack("<IHH", 9, 0x200, 2),
        struct.pack("<IHH", 8, 0x100, 2),
        struct.pack("<IHH", 8, 0x200, 1),
        struct.pack("<IHH", 8, 0x200, 2) + b"\1",
        struct.pack("<IHH", 0, 0x200, 2),
    ],
)
def test_a_certificate_table_whose_entries_do_not_fit_is_refused(table):
    with pytest.raises(FormatError):
        parse_certificate_table(table)


def test_a_table_with_padding_parses():
    table = struct.pack("<IHH", 11, 0x200, 2) + b"abc" + bytes(5) + struct.pack("<IHH", 8, 0x200, 2)
    assert parse_certificate_table(table) == (b"abc", b"")


def test_a_signed_image_survives_its_json(tmp_path):
    needs_tools("sbsign")
    image = read_signed_image(BytesReader(sbsign(tmp_path, IMAGE, Identity("signer"))), "shim")
    assert image.is_signed
    assert signed_image_from_json(signed_image_to_json(image)) == image


def test_real_files_of_shim_parse():
    for path in sorted(shared_data("pe").glob("*.efi*")):
        reader = BytesReader(path.read_bytes())
        image = parse_pe(reader)
        assert image.find(".sbat") is not None
        assert bool(read_certificate_table(reader, image)) == ("signed" in path.name)


def test_the_digest_of_a_made_image_is_the_plain_one_around_its_holes():
    image = parse_pe(BytesReader(IMAGE))
    holes = IMAGE[: image.checksum_offset], IMAGE[image.checksum_offset + 4 : image.certificate_entry_offset]
    plain = hashlib.sha256(b"".join(holes) + IMAGE[image.certificate_entry_offset + 8 :]).hexdigest()
    assert authenticode_digests(BytesReader(IMAGE), image)["sha256"] == plain


@given(st.data())
@settings(max_examples=300)
def test_damaged_images_never_raise_anything_else(draw):
    raw = bytearray(IMAGE[: draw.draw(st.sampled_from([len(IMAGE), 1200, 500, 100]))])
    for _ in range(draw.draw(st.integers(1, 6))):
        raw[draw.draw(st.integers(0, min(len(raw), 600) - 1))] = draw.draw(st.integers(0, 255))
    with contextlib.suppress(FormatError):
        read_signed_image(BytesReader(bytes(raw)), "x")
