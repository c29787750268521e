"""Boot configuration against Bottlerocket's own test files, and hostile ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.formats.bootconfig import BootOption, extract_bootconfig, parse_bootconfig
from tests.support import shared_data


def footer(text: bytes, *, checksum: int | None = None) -> bytes:
    total = sum(text) if checksum is None else checksum
    return text + len(text).to_bytes(4, "little") + total.to_bytes(4, "little") + b"#BOOTCONFIG\n"


def test_text_behind_an_initrd_is_the_one_that_went_in() -> None:
    initrd = shared_data("bottlerocket", "boot", "initrd_from_good_bootconfig").read_bytes()
    text = extract_bootconfig(initrd)
    assert text == shared_data("bottlerocket", "boot", "ser_good_bootconfig").read_bytes()
    config = parse_bootconfig(text)
    assert config.arguments("kernel") == (
        ("corn1", "a"),
        ("corn1", "b"),
        ("corn1", "c"),
        ("corn2", "hello"),
        ("corn2", "goodbye"),
    )
    assert ("splash", None) in config.arguments("init")
    assert ("silent", "") in config.arguments("init")


def test_braces_appending_and_overriding() -> None:
    text = b"kernel {\n a = 1 # why\n b { c = 'x;y', \"z\" ; d }\n}\nkernel.a += 2; e := 1; e := 3\n"
    assert parse_bootconfig(text).options == (
        BootOption("kernel.a", ("1", "2")),
        BootOption("kernel.b.c", ("x;y", "z")),
        BootOption("kernel.b.d", ()),
        BootOption("e", ("3",)),
    )


def test_value_may_go_on_after_a_comma_on_the_next_line() -> None:
    assert parse_bootconfig(b"a = 1,\n  2\n").options == (BootOption("a", ("1", "2")),)


def test_initrd_without_a_configuration_has_none() -> None:
    assert extract_bootconfig(b"070701" * 100) is None


@pytest.mark.parametrize(
    "initrd", [footer(b"a=1", checksum=1), (999).to_bytes(4, "little") * 2 + b"#BOOTCONFIG\n", b"#BOOTCONFIG\n"]
)
def test_wrong_footer_is_a_format_error(initrd: bytes) -> None:
    with pytest.raises(FormatError):
        extract_bootconfig(initrd)


@pytest.mark.parametrize("text", [b"a = 1\na = 2", b"}", b"a {", b"= 1", b"a = 'x", b"\xff", b"a = 'x' y", b"a {" * 20])
def test_what_the_kernel_refuses_is_refused(text: bytes) -> None:
    with pytest.raises(FormatError):
        parse_bootconfig(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab.=+:{}\n;#, '\"", max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        config = parse_bootconfig(text.encode())
    except FormatError:
        return
    assert len({option.key for option in config.options}) == len(config.options)
