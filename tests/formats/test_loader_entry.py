"""Boot loader entries of type 1."""

from __future__ import annotations

import pytest

from rocketaudit.errors import FormatError
from rocketaudit.formats.loader_entry import parse_loader_entry


def test_repeated_options_and_initrds_are_joined() -> None:
    entry = parse_loader_entry(
        b"# comment\ntitle  Linux\nversion 6.12\nlinux /k\ninitrd /a\ninitrd /b\n"
        b"options root=/dev/vda quiet\noptions ro\n"
    )
    assert (entry.title, entry.version, entry.linux) == ("Linux", "6.12", "/k")
    assert entry.initrd == ("/a", "/b")
    assert entry.options == "root=/dev/vda quiet ro"


def test_large_entry_is_refused() -> None:
    with pytest.raises(FormatError, match="at most"):
        parse_loader_entry(b"#" * 70000)
