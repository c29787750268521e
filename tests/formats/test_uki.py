"""Unified kernel images made by the recipes' own writer, signed programs from Debian, and hostile ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.formats.uki import MAX_TEXT, parse_uki
from rocketaudit.model.disk import Partition
from rocketaudit.model.reader import BytesReader
from rocketaudit.source.boot_files import uki_boot_entry
from tests.images.pe import pe_file
from tests.support import shared_data

SECTIONS = {
    ".text": b"stub",
    ".osrel": b'ID=bottlerocket\nVERSION_ID="1.62.0"\n',
    ".uname": b"6.18.4\n\0\0",
    ".sbat": b"sbat,1\n",
    ".cmdline": b"root=/dev/dm-0 quiet\n\0\0\0",
    ".linux": b"kernel",
}


def test_texts_lose_their_padding_and_nothing_else() -> None:
    uki = parse_uki(BytesReader(pe_file(SECTIONS)))
    assert uki.is_unified
    assert uki.command_line == "root=/dev/dm-0 quiet"
    assert uki.kernel_version == "6.18.4"
    assert uki.os_release == (("ID", "bottlerocket"), ("VERSION_ID", "1.62.0"))
    assert (uki.sbat, uki.arch) == ("sbat,1", "x86_64")


def test_other_profiles_do_not_change_the_base_profile() -> None:
    data = pe_file(SECTIONS)
    grown = pe_file({**SECTIONS, ".profile": b"ID=debug", ".cmdlinX": b"debug"}).replace(b".cmdlinX", b".cmdline")
    assert parse_uki(BytesReader(grown)).command_line == parse_uki(BytesReader(data)).command_line


@pytest.mark.parametrize(
    ("sections", "overrides"),
    [
        ({".profile": b"ID=debug", ".cmdlinX": b"debug"}, (".cmdline",)),
        ({".profile": b"ID=debug", ".initrd": b"i", ".sbom": b"{}"}, (".initrd",)),
        ({".profile": b"ID=main", ".osrX": b"x"}, ()),
        ({}, ()),
    ],
)
def test_what_profiles_bring_of_their_own_is_said_and_what_boots_is_undecided(
    sections: dict[str, bytes], overrides: tuple[str, ...]
) -> None:
    uki = parse_uki(BytesReader(pe_file({**SECTIONS, **sections}).replace(b".cmdlinX", b".cmdline")))
    assert uki.image.profile_overrides() == overrides
    partition = Partition(2, "efi-a", "EFI", "", "", "", 0, 4096)
    assert bool(uki_boot_entry(uki, partition, "/EFI/BOOT/BOOTX64.EFI", "bank-a").undecided) == bool(overrides)


@pytest.mark.parametrize("name", [".cmdline", ".linux"])
def test_a_section_that_another_one_is_loaded_over_is_refused(name: str) -> None:
    """The firmware loads sections in their order: what the file shows under the name is gone by then."""
    data = bytearray(pe_file({**SECTIONS, ".zz": b"root=/dev/sda"}))
    entries = [data.index(each.encode().ljust(8, b"\0")) + 12 for each in (name, ".zz")]
    data[entries[1] : entries[1] + 4] = data[entries[0] : entries[0] + 4]
    with pytest.raises(FormatError, match="share memory"):
        parse_uki(BytesReader(bytes(data)))


def test_two_command_lines_are_refused() -> None:
    data = pe_file({**SECTIONS, ".cmdlinX": b"evil"}).replace(b".cmdlinX", b".cmdline")
    with pytest.raises(FormatError, match="there 2 times"):
        parse_uki(BytesReader(data))


def test_huge_command_line_is_refused() -> None:
    with pytest.raises(FormatError, match=r"\.cmdline of"):
        parse_uki(BytesReader(pe_file({**SECTIONS, ".cmdline": b"x" * (MAX_TEXT + 1)})))


@pytest.mark.parametrize("name", ["fbx64.efi", "fbx64.efi.signed", "t-signed.efi"])
def test_boot_loaders_are_programs_but_no_kernels(name: str) -> None:
    uki = parse_uki(BytesReader(shared_data("pe", name).read_bytes()))
    assert not uki.is_unified
    assert uki.sbat.startswith("sbat,")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1200), st.binary(max_size=64))
def test_damage_is_read_or_refused(at: int, patch: bytes) -> None:
    data = bytearray(pe_file(SECTIONS))
    data[at : at + len(patch)] = patch
    try:
        parse_uki(BytesReader(data))
    except FormatError:
        return
