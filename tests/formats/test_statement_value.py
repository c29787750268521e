"""What a policy may state of components, and what becomes of it when names of the target go into it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.formats.statement_value import expected_instead, fill, is_email, is_url
from rocketaudit.model.statement import STATED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("creator", "psirt@example.org"), ("creator", "https://example.org"), ("creator", "{url}"),
        ("creator", "https://docs.rs/crate/{name}/{version}"), ("creator", "https://{name}"), ("creator", "{package}"),
        ("creator-name", "Example & Sons"), ("licence", "MIT OR Apache-2.0"), ("licence", "LicenseRef-own"),
        ("distribution-licence", "{declared}"), ("distribution-licence", "GPL-2.0-only WITH Linux-syscall-note"),
        ("source-url", "https://example.org:8443/a?b=c#d"), ("distribution-url", "https://example.org/{path}"),
    ],
)  # fmt: skip
def test_what_can_be_meant_is_taken(name: str, value: str) -> None:
    assert expected_instead(name, value) == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("creator", "Example"), ("creator", "{declared}"), ("creator", "javascript:alert(1)"), ("creator", "a@b"),
        ("creator", "https://example.org/{surprise}"), ("creator", "https://exa mple.org"), ("licence", "{declared}"),
        ("licence", "free for all"), ("distribution-licence", "{url}"), ("distribution-licence", "NOASSERTION"),
        ("source-url", "ftp://example.org"), ("source-url", "psirt@example.org"), ("source-url", "{url}"),
        ("distribution-url", "https://example.org/%zz"), ("distribution-url", "https://" + "x" * 2_000),
        ("distribution-url", "https://example.org/#a#b"), ("source-url", "https://example.org/\n"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_what_is_expected(name: str, value: str) -> None:
    assert expected_instead(name, value).startswith(("a URL", "an e-mail address", "an SPDX expression"))


def test_a_template_is_filled_percent_encoded_or_says_nothing() -> None:
    known = {"name": "a b/ü\n<x>", "version": "1.0+dfsg", "url": "https://example.org", "declared": ""}
    assert fill("https://example.org/{name}/{version}", known) == "https://example.org/a%20b/%C3%BC%0A%3Cx%3E/1.0+dfsg"
    assert fill("{url}", known) == "https://example.org"
    assert fill("{declared}", known) == ""
    assert fill("https://example.org/{path}", known) == ""
    assert fill("https://example.org/{name}", {"name": "x" * 4096}) == ""


ANY_NAME = st.text(st.characters(), min_size=1, max_size=60)  # lone surrogates too


@given(st.text(max_size=60), ANY_NAME)
def test_whatever_a_target_is_called_the_address_stays_one(text: str, name: str) -> None:
    for stated in STATED:
        expected_instead(stated, text)
    is_email(text)
    filled = fill("https://example.org/{name}", {"name": name})
    assert not filled or is_url(filled)
