"""OVF descriptors and manifests."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.formats.containers.ova import StatedDigest, disks_of, parse_manifest, pick_disk
from rocketaudit.formats.containers.tar_members import TarMember

OVF = b"""<Envelope><References><File ovf:href="b.vmdk" ovf:id="f2"/><File ovf:id='f1' ovf:href='a.vmdk'/></References>
<DiskSection><Disk ovf:fileRef="f1"/><Disk ovf:fileRef="f2"/><Disk ovf:fileRef="none"/></DiskSection></Envelope>"""


def test_disks_are_in_the_order_of_the_disk_section() -> None:
    assert disks_of(OVF) == ("a.vmdk", "b.vmdk")


def test_first_disk_is_picked_and_the_others_are_told() -> None:
    members = (TarMember("b.vmdk", 0, 1), TarMember("a.vmdk", 512, 1))
    assert pick_disk(members, OVF) == (members[1], (members[0],))
    assert pick_disk(members, None) == (members[0], (members[1],))
    with pytest.raises(FormatError, match="no disk"):
        pick_disk((TarMember("x.txt", 0, 1),), OVF)


def test_manifest_lines_in_every_spelling() -> None:
    text = b"SHA256(a.vmdk)= ABCD\nSHA1 (b c.ovf) = 12\n\nSHA3-256(x)=ff\n"
    assert parse_manifest(text) == (
        StatedDigest("a.vmdk", "sha256", "abcd"),
        StatedDigest("b c.ovf", "sha1", "12"),
        StatedDigest("x", "sha3_256", "ff"),
    )
    with pytest.raises(FormatError, match="states no digest"):
        parse_manifest(b"CRC32(a)= 1\n")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    disks_of(b"<File " + data + b"/><Disk " + data + b"/>")
    try:
        parse_manifest(data)
    except FormatError:
        return


def test_long_words_without_a_value_cost_little() -> None:
    text = (b"<File " + b"a" * 490 + b"/>") * 2000
    began = time.process_time()
    assert disks_of(text) == ()
    assert time.process_time() - began < 2
