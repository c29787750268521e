"""The kernel command line is split by bytes, as lib/cmdline.c splits it."""

from __future__ import annotations

import pytest

from rocketaudit.formats.kernel_arguments import doubt_about, parse_kernel_arguments


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"a=1  b", [("a", "1"), ("b", None)]),
        (b"a\x0bb\x0cc", [("a", None), ("b", None), ("c", None)]),
        (b"a\xa0b", [("a", None), ("b", None)]),
        ("a\u2003b".encode(), [("a\u2003b", None)]),
        ("x=a\u2028selinux=0".encode(), [("x", "a\u2028selinux=0")]),
        (b"a\x1cb", [("a\x1cb", None)]),
        (b'a="b c" d', [("a", "b c"), ("d", None)]),
        (b'"a=b c" d', [("a", "b c"), ("d", None)]),
        (b'a="b c', [("a", "b c")]),
    ],
    ids=["blanks", "vertical tab", "0xA0", "em space", "line separator", "file separator", "value", "word", "open"],
)
def test_only_the_kernels_own_blanks_split(raw: bytes, expected: list[tuple[str, str | None]]) -> None:
    found = parse_kernel_arguments(raw.decode("utf-8", "surrogateescape"))
    assert [(argument.name, argument.value) for argument in found.kernel] == expected


def test_a_letter_whose_last_byte_is_0xa0_is_cut_as_in_the_kernel() -> None:
    names = [argument.name for argument in parse_kernel_arguments("\u00e0selinux=0").kernel]
    assert names == ["\udcc3", "selinux"]


def test_lone_surrogates_from_a_document_are_read() -> None:
    assert parse_kernel_arguments("a=\ud800 b").kernel[1].name == "b"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("root=/dev/dm-0 ro", ""),
        ("a\tb", ""),
        ("x" * 2047, ""),
        ("x" * 2048, "2048 bytes"),
        ("é" * 1024, "2048 bytes"),
        ("root=/dev/sda3\nroot=/dev/dm-0", "control character"),
        ("root=/dev/dm-0 x\x01root=/dev/sda3", "control character"),
    ],
)
def test_a_command_line_that_loaders_hand_on_differently_is_doubted(text: str, said: str) -> None:
    assert said in doubt_about(text)
    assert bool(said) == bool(doubt_about(text))
