"""The line that states the root hash parses in every spelling that is in use, and nothing else does."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.errors import FormatError, UnsupportedError
from rocketaudit.formats.dm_verity_table import find_tables, parse_table
from rocketaudit.model.verity import FecParameters
from tests.support import shared_data

ROOT = "74941a0af03bfc742d8cb12f72ddecded61551a75b02265ba73991827ee71236"
SALT = "1accea696d3d89909e3e3dff7d49074ff55df591c26fc209cc8fecbeb0ddf662"
BOOT = "PARTUUID=cfd4dcbd-27df-416e-b3af-38c3036990d4"
DEVICES = f"{BOOT}/PARTNROFF=1 {BOOT}/PARTNROFF=2"
TABLE = (
    f"root,,,ro,0 1359912 verity 1 {DEVICES} 4096 4096 169989 1 sha256 {ROOT} {SALT} "
    "2 restart_on_corruption ignore_zero_blocks"
)


def test_a_bottlerocket_line_gives_every_field():
    table = parse_table(TABLE)
    assert (table.name, table.flags, table.is_read_only) == ("root", "ro", True)
    assert (table.start_sector, table.sectors) == (0, 1359912)
    assert table.data_device.endswith("/PARTNROFF=1")
    assert table.hash_device.endswith("/PARTNROFF=2")
    parameters = table.parameters
    assert (parameters.hash_type, parameters.algorithm) == (1, "sha256")
    assert (parameters.data_block_size, parameters.hash_block_size) == (4096, 4096)
    assert (parameters.data_blocks, parameters.hash_start_block) == (169989, 1)
    assert (parameters.root_hash, parameters.salt) == (ROOT, SALT)
    assert parameters.options == table.options == ("restart_on_corruption", "ignore_zero_blocks")
    assert parameters.on_corruption == "restart"
    assert parameters.ignores_zero_blocks


@pytest.mark.parametrize(
    "line",
    [
        f'quiet dm-mod.create="{TABLE}" -- systemd.log_color=0',
        f'quiet "dm-mod.create={TABLE}" -- systemd.log_color=0',
        f'"dm-mod.create={TABLE.replace(" 4096 4096", "        4096  4096")}"',
    ],
)
def test_both_spellings_on_a_command_line_are_found(line):
    (value,) = find_tables(line)
    assert parse_table(value) == parse_table(TABLE)


def test_two_tables_on_a_command_line_are_both_found_in_order():
    other = TABLE.replace(ROOT, "00" * 32)
    assert list(find_tables(f'dm-mod.create="{TABLE}" "dm-mod.create={other}"')) == [TABLE, other]


def test_a_key_inside_another_word_is_not_a_table():
    assert list(find_tables('xdm-mod.create="0" foo.dm-mod.create=1')) == []


def test_a_kernel_does_not_tell_a_dash_from_an_underscore():
    assert list(find_tables('quiet dm_mod.create="a b" dm-mod.create=c dm_mod_create=d')) == ["a b", "c"]


def test_what_follows_two_dashes_is_not_for_the_kernel():
    assert list(find_tables('dm-mod.create="evil" -- dm-mod.create="good"')) == ["evil"]
    assert list(find_tables('x="a -- b" dm-mod.create="good" --x')) == ["good"]


@pytest.mark.parametrize(
    ("line", "tables"),
    [
        ("x\u2003dm-mod.create=shown", []),  # no blank for a kernel
        ("x\u00a0dm-mod.create=taken", ["taken"]),  # ends in the byte A0, which is one
        ("caff\u00e0dm-mod.create=taken", ["taken"]),
        ('a="b" c"dm-mod.create=hidden d"', []),
        ('"dm-mod.create=open quote', ["open quote"]),
        ('"dm-mod.create=a"b c', ['a"b']),
        ("\tdm-mod.create=t\x0bdm-mod.create=v", ["t", "v"]),
    ],
)
def test_words_end_where_they_end_for_a_kernel(line, tables):
    assert list(find_tables(line)) == tables


def test_a_long_line_of_quotes_is_split_quickly():
    assert list(find_tables('"dm-mod.create=' * 100_000))


def test_the_command_lines_of_real_nodes_parse():
    found = 0
    for path in sorted(shared_data("bottlerocket", "live").glob("cmdline*")):
        for value in find_tables(path.read_text()):
            parse_table(value)
            found += 1
    assert found >= 2


@pytest.mark.parametrize("blank", ["\u00a0", "\u2003", "\udca0", "\u3000"])
def test_a_table_with_blanks_that_a_kernel_sees_differently_is_refused(blank):
    line = "0 8 verity 1 a b 4096 4096 1 1 sha256 " + "ab" * 32 + " -"
    parse_table(line)
    with pytest.raises(FormatError, match="beyond ASCII"):
        parse_table(line + " 1 ignore_zero_blocks" + blank + "ignore_corruption")


def test_a_line_of_dmsetup_parses():
    table = parse_table(f"0 1359912 verity 1 253:2 253:3 4096 4096 169989 1 sha256 {ROOT} {SALT}")
    assert (table.name, table.flags, table.data_device, table.options) == ("", "", "253:2", ())


def test_a_dash_is_an_empty_salt():
    assert parse_table(TABLE.replace(SALT, "-")).parameters.salt == ""


def test_forward_error_correction_and_a_signature_key_are_reported():
    fec = "use_fec_from_device /dev/sda fec_roots 2 fec_blocks 9 fec_start 7"
    options = f"11 {fec} root_hash_sig_key_desc k panic_on_corruption"
    table = parse_table(TABLE.replace("2 restart_on_corruption ignore_zero_blocks", options))
    assert table.parameters.fec == FecParameters("/dev/sda", 2, 9, 7)
    assert table.signature_key == "k"
    assert table.parameters.on_corruption == "panic"
    given = ("use_fec_from_device /dev/sda", "fec_roots 2", "fec_blocks 9", "fec_start 7", "root_hash_sig_key_desc k")
    assert table.options == (*given, "panic_on_corruption")  # so that a signed manifest covers them


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("verity 1", "verity x"),
        ("verity 1", "verity 3"),
        ("4096 4096", "4096"),
        ("4096 4096", "4096 4097"),
        ("169989", "0"),
        ("169989", "-1"),
        ("169989", "1"),
        ("sha256", "sha999"),
        (ROOT, ROOT[:-2]),
        (ROOT, ROOT[:-1] + "g"),
        (SALT, SALT + "0"),
        ("2 restart", "3 restart"),
        ("2 restart", "1 restart"),
        ("restart_on_corruption ignore_zero_blocks", "ignore_zero_blocks ignore_zero_blocks"),
        ("restart_on_corruption ignore_zero_blocks", "ignore_zero_blocks fec_roots"),
        ("root,,,ro,", "root,,,xx,"),
        ("root,,,ro,", "root,,ro,"),
        ("1359912", "1359920"),
    ],
)
def test_a_line_that_says_something_else_is_refused(old, new):
    assert old in TABLE
    with pytest.raises(FormatError):
        parse_table(TABLE.replace(old, new, 1))


@pytest.mark.parametrize("text", [f"{TABLE};x,,,ro,0 8 linear /dev/sda 0", f"{TABLE},8 8 linear /dev/sda 0"])
def test_more_than_one_device_or_target_is_not_guessed_at(text):
    with pytest.raises(UnsupportedError):
        parse_table(text)


@given(st.text(max_size=300))
def test_any_text_is_a_table_or_a_format_error(text):
    with contextlib.suppress(FormatError):
        parse_table(text)


@given(st.data())
def test_any_damaged_line_parses_or_is_refused(draw):
    words = TABLE.split(" ")
    words[draw.draw(st.integers(0, len(words) - 1))] = draw.draw(st.text(max_size=20))
    with contextlib.suppress(FormatError):
        parse_table(" ".join(words))
