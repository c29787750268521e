"""Licence texts: the expression at the top, and what a folder stands for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.formats.attribution import Carried, parse_attribution, parse_carried


def test_the_expression_is_found_below_the_name() -> None:
    text = b"containerd - https://example.org\nSPDX-License-Identifier: Apache-2.0 AND MIT \n\nLong text"
    assert parse_attribution(text) == "Apache-2.0 AND MIT"


@pytest.mark.parametrize(
    "text", [b"", b"no licence here", b"SPDX-License-Identifier:\nMIT", b"x" * 5000 + b"\nSPDX-License-Identifier: MIT"]
)
def test_a_text_that_states_none_gives_none(text: bytes) -> None:
    assert parse_attribution(text) is None


@pytest.mark.parametrize(
    ("folder", "carried"),
    [
        ("", None),
        ("vendor/serde-1.0.228", Carried("serde", "1.0.228")),
        ("vendor/aws-sdk-ec2-1.2.3+x.1", Carried("aws-sdk-ec2", "1.2.3+x.1")),
        ("vendor/x86_64-0.14.3-rc.1", Carried("x86_64", "0.14.3-rc.1")),
        ("vendor/github.com/a/b", Carried("github.com/a/b", "")),
        ("vendor/gopkg.in/yaml.v3", Carried("gopkg.in/yaml.v3", "")),
    ],
)
def test_a_folder_is_a_crate_with_its_version_or_an_import_path(folder: str, carried: Carried | None) -> None:
    assert parse_carried(folder) == carried


@given(st.binary(max_size=300), st.text(max_size=60))
def test_any_bytes_and_names_are_answered(head: bytes, folder: str) -> None:
    parse_attribution(head)
    parse_carried(folder)
