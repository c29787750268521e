"""Documents that two parsers could read differently are refused; canonical bytes equal an independent writer's."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.errors import BudgetError, FormatError
from rocketaudit.formats.strict_json import canonical, loads, member, strings


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": 1, "a": 2}',
        b'[{"x": {"b": 1, "b": 1}}]',
        b'{"\\u0061": 1, "a": 2}',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b'"\\ud800"',
        b'{"\\udfff": 1}',
        b'"\xff"',
        b'\xef\xbb\xbf{"a": 1}',
        b"{} {}",
        b"",
        b"'a'",
        b"[1,]",
        b"1" * 5000,
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000,
        b'{"a":' * 70 + b"1" + b"}" * 70,
        b'"a\x01b"',
    ],
)
def test_a_document_with_two_readings_is_refused(raw):
    with pytest.raises(FormatError):
        loads(raw)


def test_sixty_four_levels_are_read():
    assert loads(b"[" * 64 + b"]" * 64) is not None


def test_large_documents_are_refused_before_they_are_parsed():
    with pytest.raises(BudgetError):
        loads(b" " * 100, max_bytes=99)


def test_true_is_no_number():
    with pytest.raises(FormatError, match="'version' of root is bool, int expected"):
        member({"version": True}, "version", int, "root")


@pytest.mark.parametrize("value", [[1], "ab", None, {"a": 1}, [["a"]]])
def test_only_lists_of_strings_are_strings(value):
    with pytest.raises(FormatError):
        strings(value, "ids")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('abcß"\\'), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_canonical_bytes_equal_those_of_the_reference(value):
    reference = pytest.importorskip("securesystemslib.formats")
    assert canonical(value) == reference.encode_canonical(value).encode()


@given(values)
def test_what_is_written_is_read_back(value):
    assert loads(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_format_error(raw):
    with contextlib.suppress(FormatError):
        loads(raw)


def test_floats_have_no_canonical_form():
    with pytest.raises(FormatError):
        canonical({"a": [1.5]})
