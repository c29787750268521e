"""SPDX expressions: which texts are some, and how CycloneDX writes them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.formats.spdx_expression import is_expression, licence_choice


@pytest.mark.parametrize(
    "text",
    ["MIT", "Apache-2.0 OR MIT", "(MIT AND BSD-3-Clause) OR Apache-2.0", "GPL-2.0-only WITH Linux-syscall-note",
     "LicenseRef-Amazon", "DocumentRef-x:LicenseRef-y AND MIT", "GPL-2.0+", "((MIT))"],
)  # fmt: skip
def test_expressions_are_known(text: str) -> None:
    assert is_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NotALicence",
        "MIT OR",
        "OR MIT",
        "MIT MIT",
        "(MIT",
        "MIT)",
        "()",
        "MIT/Apache-2.0",
        "MIT WITH",
        "mit or x" * 900,
    ],
)
def test_other_texts_are_none(text: str) -> None:
    assert not is_expression(text)


@pytest.mark.parametrize(
    ("licences", "written"),
    [
        ((), []),
        (("MIT",), [{"license": {"id": "MIT", "acknowledgement": "declared"}}]),
        (("MIT OR Apache-2.0",), [{"expression": "MIT OR Apache-2.0", "acknowledgement": "declared"}]),
        (("Proprietary thing",), [{"license": {"name": "Proprietary thing", "acknowledgement": "declared"}}]),
        (("MIT", "Apache-2.0 OR MIT"), [{"expression": "(Apache-2.0 OR MIT) AND MIT", "acknowledgement": "declared"}]),
    ],
)
def test_cyclonedx_gets_ids_one_expression_or_names(licences: tuple[str, ...], written: list[Any]) -> None:
    assert licence_choice(licences) == written


@given(st.text(max_size=80))
def test_any_text_is_answered(text: str) -> None:
    is_expression(text)
    licence_choice((text,))
