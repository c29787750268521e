"""GRUB's words: offsets, separators, bounds."""

from __future__ import annotations

import pytest

from rocketaudit.errors import FormatError
from rocketaudit.formats.grub_words import MAX_TOKENS, expand, tokens_of


def test_tokens_know_where_they_stand() -> None:
    tokens = tokens_of('a "b c"; d\n')
    assert [(token.offset, token.plain, token.separator) for token in tokens] == [
        (0, "a", ""),
        (2, "b c", ""),
        (7, "", ";"),
        (9, "d", ""),
        (10, "", "\n"),
    ]


def test_unquoted_variable_with_blanks_becomes_several_words() -> None:
    (token,) = tokens_of("x$v")
    assert expand(token, lambda _: "1 2") == ["x1", "2"]


def test_empty_unquoted_variable_is_no_word() -> None:
    (token,) = tokens_of("$v")
    assert expand(token, lambda _: "") == []


def test_too_many_words_are_refused() -> None:
    with pytest.raises(FormatError, match="more than"):
        tokens_of("a " * (MAX_TOKENS + 2))
