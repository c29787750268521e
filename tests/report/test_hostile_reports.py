"""A report file is input like any other: whatever it says, reading it fails cleanly or every writer writes it."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from rocketaudit.errors import FormatError
from rocketaudit.report import WRITERS
from rocketaudit.report.report_json import read_json, write_json
from tests.report.samples import ordinary

VALUES = (
    "null",
    "true",
    "0",
    "-1",
    "1" + "0" * 30,
    "1.5",
    "-1e308",
    '""',
    '"\\u0000\\u202e<b>"',
    '"' + "9" * 5000 + '"',
    "[]",
    "{}",
    '["x"]',
    '[["a","b","c"]]',
    '{"a":1}',
    '"2026-13-45"',
    '"9999-12-31"',
    '"0001-01-01T00:00:00Z"',
    '"pass"',
    '"node"',
)


def damage(document: Any, chance: random.Random) -> Any:
    place = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return document
        key = chance.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and chance.random() < 0.85:
            place = place[key]
            continue
        place[key] = json.loads(chance.choice(VALUES))
        return document


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_report_is_refused_or_written_by_everyone(seed: int) -> None:
    chance = random.Random(seed)
    text = write_json(ordinary())
    written = 0
    for _ in range(150):
        try:
            report = read_json(json.dumps(damage(json.loads(text), chance)).encode())
        except FormatError:
            continue
        written += 1
        for writer in WRITERS:
            if writer.suffix != ".zip":
                writer.write(report)
    assert written
