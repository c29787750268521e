"""Copyright notices: what licence texts state, without what their templates leave open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.formats.copyright_notice import MAX_STATEMENT, MAX_STATEMENTS, parse_copyright

DEBIAN = b"""Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2015-2020 Andrew Example <a@example.org>
License: MIT

Files: debian/*
Copyright:
 2018 First Maintainer <f@example.org>
 2020 Second Maintainer
License: MIT
 Permission is hereby granted, 2020 times.
"""


@pytest.mark.parametrize(
    ("text", "notices"),
    [
        (b"Copyright (c) 2015 Andrew Gallant\n\nPermission is", ("Copyright (c) 2015 Andrew Gallant",)),
        (b" * Copyright \xc2\xa9 The Example Authors */", ("Copyright \u00a9 The Example Authors",)),
        (b"// (C) Copyright 1999 A\n// (C) Copyright 1999 A", ("(C) Copyright 1999 A",)),
        (b"COPYRIGHT, 2001, B", ("COPYRIGHT, 2001, B",)),
    ],
)
def test_a_notice_is_given_as_it_stands_and_once(text: bytes, notices: tuple[str, ...]) -> None:
    assert parse_copyright(text) == notices


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"copyright notice and this permission notice shall be included",
        b"Copyright [yyyy] [name of copyright owner]",
        b"Copyright (C) <year>  <name of author>",
        b"Copyright (c) YEAR YOUR NAME.",
        b"Copyright (C) 2007 FSF\n Everyone is permitted to copy and distribute\n verbatim copies",
    ],
)
def test_templates_and_the_notice_of_a_licence_for_itself_are_no_statement(text: bytes) -> None:
    assert parse_copyright(text) == ()


def test_debians_list_of_holders_is_read_line_by_line() -> None:
    assert parse_copyright(DEBIAN) == (
        "Copyright: 2015-2020 Andrew Example <a@example.org>",
        "Copyright: 2018 First Maintainer <f@example.org>",
        "Copyright: 2020 Second Maintainer",
    )


def test_bounds_hold() -> None:
    many = b"".join(b"Copyright (c) 2001 %d %s\n" % (number, b"x" * 1000) for number in range(1000))
    found = parse_copyright(many)
    assert len(found) == MAX_STATEMENTS
    assert max(map(len, found)) == MAX_STATEMENT


@given(st.binary(max_size=400))
def test_any_bytes_are_answered(data: bytes) -> None:
    parse_copyright(b"Copyright: 2001 " + data)
