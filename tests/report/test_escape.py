"""Every medium shows hostile text and obeys none of it."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.report import escape

ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


@given(st.text())
def test_no_character_that_acts_reaches_a_terminal(text: str) -> None:
    assert not ACTING.search(escape.terminal(text, lines=True))
    assert "\n" not in escape.terminal(text)


@pytest.mark.parametrize(
    "text", ["::error::x", "  ::set-output name=a::b", "##[error]x", "##vso[task.x]y", "a\n::error::x"]
)
def test_no_line_starts_with_a_ci_command(text: str) -> None:
    for line in escape.terminal(text, lines=True).split("\n"):
        assert not line.lstrip().startswith(("::", "##[", "##vso["))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "|cmd"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert escape.csv_cell(text).startswith("'")


def test_an_ordinary_cell_stays_as_it_is() -> None:
    assert escape.csv_cell("/usr/bin/a-b=c") == "/usr/bin/a-b=c"


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        ("hello @octocat", "@octocat"),
        ("a|b", "a|b"),
        ("<img src=x>", "<img"),
        ("![x](http://evil)", "![x](http:"),
        ("see https://evil.example", "https://"),
        ("www.evil.example", "www.evil"),
        ("a\n# heading", "\n"),
        ("fixes GH-12", "GH-12"),
        ("fixes #12", " #12"),
        ("[x]: y", "[x]"),
    ],
)
def test_markdown_text_is_only_text(text: str, forbidden: str) -> None:
    assert forbidden not in escape.markdown(text)


@given(st.text())
def test_markdown_code_cannot_be_left(text: str) -> None:
    code = escape.markdown_code(text)
    fence = re.match("`+", code)
    assert fence is not None
    inner = code[len(fence.group()) : -len(fence.group())]
    assert fence.group() not in re.findall("`+", inner)
    assert "\n" not in code


@given(st.text())
def test_xml_text_is_legal_xml(text: str) -> None:
    from xml.etree import ElementTree as ET

    element = ET.Element("a", b=escape.xml(text))
    element.text = escape.xml(text)
    again = ET.fromstring(ET.tostring(element))
    assert again.text == (escape.xml(text) or None)


@given(st.text())
def test_a_metric_label_ends_where_we_end_it(text: str) -> None:
    label = escape.metric_label(text)
    assert "\n" not in label
    assert not re.search(r'(?<!\\)(\\\\)*"', label)


@given(st.text())
def test_an_island_cannot_be_left_and_holds_the_value(text: str) -> None:
    island = escape.script_json([text])
    assert "<" not in island
    assert json.loads(island) == [text]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_json_text_keeps_the_value_and_nothing_that_acts(text: str) -> None:
    finished = escape.json_text(json.dumps([text], ensure_ascii=False))
    assert json.loads(finished) == [text]
    assert not ACTING.search(finished)


@pytest.mark.parametrize(
    ("path", "uri"),
    [("/usr/bin/a b", "usr/bin/a%20b"), ("/x%FF", "x%FF"), ("/100%25", "100%25"), ("/", "."), ("%zz", "%25zz"),
     ("/a:b?c#d", "a%3Ab%3Fc%23d")],
)  # fmt: skip
def test_a_path_becomes_a_relative_uri(path: str, uri: str) -> None:
    assert escape.uri_path(path) == uri


def test_long_text_keeps_both_ends() -> None:
    short = escape.shorten("a" * 500 + "z" * 500, 100)
    assert len(short) == 100
    assert short.startswith("aaa")
    assert short.endswith("zzz")
