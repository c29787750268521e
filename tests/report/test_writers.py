"""What holds for every writer: it is deterministic, and hostile names neither break nor steer it."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from rocketaudit.model.component import Component
from rocketaudit.model.report import Census, Report
from rocketaudit.report import WRITERS
from rocketaudit.report.writer import Writer
from tests.report.samples import HOSTILE, clean, hostile, ordinary

ACTING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200c-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
every_writer = pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
text_writers = pytest.mark.parametrize(
    "writer", [writer for writer in WRITERS if writer.suffix != ".zip"], ids=lambda writer: writer.name
)


def bare() -> Report:
    """A report of a target of which nothing is known."""
    return replace(
        ordinary(), findings=(), components=(), benchmarks=(), census=Census(0), unread=(), created="",
        target=replace(ordinary().target, name="", os_name="", version="", variant=""),
    )  # fmt: skip


def test_no_two_writers_share_a_name() -> None:
    assert len({writer.name for writer in WRITERS}) == len(WRITERS)


@every_writer
@pytest.mark.parametrize("make", [ordinary, clean, hostile, bare], ids=lambda make: make.__name__)
def test_the_same_report_gives_the_same_bytes(writer: Writer, make: type[Report]) -> None:
    first = writer.write(make())
    assert first == writer.write(make())
    if writer.suffix != ".zip":
        assert first.decode("utf-8")


@text_writers
def test_no_output_holds_characters_that_act_on_a_terminal_or_editor(writer: Writer) -> None:
    found = ACTING.search(writer.write(hostile()).decode())
    assert found is None, f"{found.group()!r} at {found.start()}" if found else ""


@text_writers
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_one_hostile_component_changes_no_other_line_format(writer: Writer, text: str) -> None:
    """The document stays of its format whatever the name is; each format is parsed back."""
    report = replace(ordinary(), components=(Component("x", "file", text, text, found_by="elf"),), unread=())
    data = writer.write(report)
    match writer.suffix:
        case ".json" | ".oscal.json" | ".cdx.json" | ".sarif" | ".evidence.json":
            json.loads(data)
        case ".xml" | ".xccdf.xml":
            ET.fromstring(data)
        case _:
            data.decode()


def test_no_csv_cell_is_a_formula_and_every_line_has_all_columns() -> None:
    lines = list(csv.reader(data_of("csv").decode().splitlines()))
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == len(HOSTILE) + 1
    assert not [cell for line in lines for cell in line if cell.startswith(("=", "+", "-", "@", "|"))]


def test_no_metric_line_is_forged() -> None:
    sample = re.compile(r'rocketaudit_\w+(\{(\w+="([^"\\]|\\.)*",?)*\})? -?[\d.e+-]+\Z')
    lines = data_of("openmetrics").decode().rstrip("\n").split("\n")
    assert lines[-1] == "# EOF"
    assert not [line for line in lines if not line.startswith("# ") and not sample.match(line)]


def test_markdown_mentions_nobody_and_shows_no_picture() -> None:
    text = re.sub(r"(`+)[^\n]*?[^`]\1(?!`)", "", data_of("markdown").decode())  # code is shown as it is
    assert "@octocat" not in text
    assert "![x](http:" not in text
    assert "<script" not in text
    assert "<img" not in text


@pytest.mark.parametrize("name", ["console", "markdown"])
def test_no_line_is_a_ci_command(name: str) -> None:
    assert not [line for line in data_of(name).decode().splitlines() if line.lstrip().startswith(("::", "##["))]


def data_of(name: str) -> bytes:
    return next(writer for writer in WRITERS if writer.name == name).write(hostile())
