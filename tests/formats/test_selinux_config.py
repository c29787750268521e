"""The configuration of SELinux, beside what libselinux 3.4 makes of the same text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.formats.selinux_config import MAX_LINES, parse_selinux_config

# text -> (mode, type) of selinux_getenforcemode() and selinux_getpolicytype(), asked in a mount namespace of its own
SEEN = {
    "SELINUX=permissive\nSELINUX=enforcing\nSELINUXTYPE=a\n": ("permissive", "a"),
    "SELINUX=enforcing\nSELINUX=permissive\nSELINUXTYPE=a\nSELINUXTYPE=b\n": ("enforcing", "b"),
    " SELINUX=permissive\nSELINUX=enforcing\nSELINUXTYPE=a\n": ("enforcing", "a"),
    "SELINUX=  EnForcing\nSELINUXTYPE=a \n": ("enforcing", "a"),
    "SELINUX=enforcingly\n SELINUXTYPE=a\nSELINUXTYPE= b\n": ("enforcing", "b"),
    "SELINUX=bogus\nSELINUX=permissive\nselinuxtype=c\n": ("permissive", "c"),
    '#SELINUX=permissive\nSELINUX="enforcing"\nSELINUXTYPE="a"\n': (None, '"a"'),
    "SELINUX=enforcing # x\nSELINUXTYPE=a # b\n": ("enforcing", "a # b"),
    "SELINUX =enforcing\nSELINUXTYPE=a\n": (None, "a"),
}


@pytest.mark.parametrize("text", SEEN)
def test_configuration_is_read_as_libselinux_reads_it(text: str) -> None:
    found = parse_selinux_config(text.encode())
    assert (found.mode and found.mode[0], found.type and found.type[0]) == SEEN[text]


def test_places_are_the_bytes_of_the_lines() -> None:
    found = parse_selinux_config(b"# head\nSELINUX=enforcing\nSELINUXTYPE=fortified\n")
    assert (found.mode, found.type) == (("enforcing", 7), ("fortified", 25))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    parse_selinux_config(data)


def test_endless_file_is_refused() -> None:
    with pytest.raises(FormatError):
        parse_selinux_config(b"\n" * (MAX_LINES + 1))
