"""What packages say of themselves, compared with Python's own reader and npm's lock file; hostile ones are refused."""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.errors import BudgetError, FormatError
from rocketaudit.formats.stated_package import MAX_TEXT, is_node_package, limit_of, parse_stated
from rocketaudit.model.language_package import LanguagePackage
from tests.support import REPO

WHEEL = "/usr/lib/python3.11/site-packages/x-1.0.dist-info/METADATA"
NODE = "/opt/app/node_modules/x/package.json"


def only(path: str, data: bytes) -> LanguagePackage:
    (found,) = parse_stated(path, data)
    return found


def test_every_installed_distribution_is_read_as_python_reads_it() -> None:
    seen = 0
    for distribution in metadata.distributions():
        text = distribution.read_text("METADATA")
        if text is not None:
            found = only(WHEEL, text.encode())
            assert (found.kind, found.name, found.version) == ("pypi", distribution.name, distribution.version)
            seen += 1
    assert seen > 30


def test_every_installed_node_package_is_what_the_lock_file_says() -> None:
    modules = REPO / "tests" / "node_modules"
    if not modules.is_dir():
        pytest.skip("npm ci was not run in tests/")
    locked = json.loads((REPO / "tests" / "package-lock.json").read_text())["packages"]
    seen = {}
    for path in modules.rglob("package.json"):
        if is_node_package(f"/{path.relative_to(REPO / 'tests')}"):
            folder = str(path.parent.relative_to(REPO / "tests"))
            seen[folder] = only(f"/{path}", path.read_bytes())
    installed = {name for name in locked if name and (REPO / "tests" / name).is_dir()}
    assert set(seen) == installed
    for folder, found in seen.items():
        assert found.version == locked[folder]["version"]
        assert found.name == locked[folder].get("name", folder.rpartition("node_modules/")[2])
        assert found.licence == locked[folder].get("license", "")


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("/opt/node_modules/x/package.json", True),
        ("/opt/node_modules/@a/x/package.json", True),
        ("/opt/node_modules/x/node_modules/y/package.json", True),
        ("/opt/app/package.json", True),
        ("/opt/node_modules/x/test/fixtures/package.json", False),
        ("/opt/node_modules/@a/x/dist/package.json", False),
        ("/opt/node_modules/x/package-lock.json", False),
    ],
)
def test_a_package_json_inside_a_package_is_none(path: str, is_one: bool) -> None:
    assert is_node_package(path) is is_one
    assert bool(limit_of(path)) is is_one


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: other", "MIT OR Apache-2.0"),
        ("License: BSD", "BSD"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License", "MIT License"),
        (f"License: {'text ' * 400}\nClassifier: License :: Public Domain", "Public Domain"),
        ("Classifier: Topic :: Security", ""),
    ],
    ids=["expression", "text", "classifier", "long", "none"],
)
def test_the_licence_of_a_python_package(fields: str, licence: str) -> None:
    found = only(WHEEL, f"Metadata-Version: 2.4\r\nName: X_y\r\nVersion: 1.0\n{fields}\n\nName: forged\n".encode())
    assert (found.name, found.version, found.licence) == ("X_y", "1.0", licence)


@pytest.mark.parametrize(
    ("stated", "licence"),
    [
        ({"license": "MIT"}, "MIT"),
        ({"license": {"type": "ISC", "url": "https://x"}}, "ISC"),
        ({"licenses": [{"type": "MIT"}, {"type": "ISC"}, 7]}, "MIT OR ISC"),
        ({"license": 7}, ""),
        ({}, ""),
    ],
)
def test_the_licence_of_a_node_package(stated: dict[str, object], licence: str) -> None:
    assert only(NODE, json.dumps({"name": "x", "version": "1", **stated}).encode()).licence == licence


def test_settings_of_a_folder_are_no_package() -> None:
    assert parse_stated(NODE, b'{"type": "module"}') == ()
    assert parse_stated(NODE, b'{"name": 7, "version": []}') == ()


@pytest.mark.parametrize(
    ("path", "data", "words"),
    [
        (WHEEL, b"", "no Name"),
        (WHEEL, b"\n\nName: x\nVersion: 1\n", "no Name"),
        (WHEEL, b"Name: " + b"x" * 1_001 + b"\nVersion: 1\n", "more than 1000"),
        (NODE, b"[]", "no JSON object"),
        (NODE, b'{"name": "x", "name": "y", "version": "1"}', "name"),
        (NODE, b"[" * 100_000, "nested"),
        (NODE, b"\xff", "UTF-8"),
    ],
)
def test_what_is_no_metadata_is_refused_in_words(path: str, data: bytes, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        parse_stated(path, data)


def test_a_file_larger_than_the_bound_is_not_read() -> None:
    with pytest.raises(BudgetError):
        parse_stated(NODE, bytes(MAX_TEXT + 1))


def test_controls_and_markup_come_through_as_text() -> None:
    name = "<b>\x1b[2J\u202e../../etc"
    assert only(NODE, json.dumps({"name": name, "version": "1"}).encode()).name == name


@given(st.binary(max_size=400), st.sampled_from([WHEEL, NODE, "/x/y.egg-info", "/opt/a.jar"]))
def test_any_bytes_are_read_or_refused(data: bytes, path: str) -> None:
    with suppress(FormatError):
        parse_stated(path, data)


def test_the_files_of_this_repository_are_not_taken_for_packages() -> None:
    assert limit_of(str(Path(__file__))) == 0
    assert limit_of("/usr/share/METADATA") == 0
    assert limit_of("/opt/.jar") == 0
