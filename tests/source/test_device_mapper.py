"""The answer of the device-mapper ioctl, as the kernel packs it and broken in every way."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.errors import FormatError, UsageError
from rocketaudit.source.device_mapper import ask_kernel, parse_answer
from rocketaudit.source.gently import PacedReader, parse_rate
from rocketaudit.source.whereabouts import find_places
from tests.fake_node import FakeNode

HEADER = struct.Struct("=3I I I I i I I I Q 128s 129s 7s")
TARGET = struct.Struct("=QQiI16s")


def packed(targets: list[tuple[int, int, str, str]], *, count: int | None = None, flags: int = 1) -> bytes:
    body = b""
    for start, length, kind, text in targets:
        data = text.encode() + b"\0"
        data += b"\0" * (-len(data) % 8)
        body += TARGET.pack(start, length, 0, len(body) + TARGET.size + len(data), kind.encode()) + data
    number = len(targets) if count is None else count
    head = HEADER.pack(4, 48, 0, 16384, HEADER.size, number, 1, flags, 0, 0, 253 << 8, b"root", b"uuid", b"")
    return head + body


def test_targets_and_flags_come_out_as_they_went_in() -> None:
    targets = [(0, 153040, "verity", "1 254:4 254:5 4096"), (153040, 8, "linear", "254:6 0")]
    assert parse_answer(packed(targets)) == (1, 253 << 8, "uuid", tuple(targets))


@pytest.mark.parametrize("answer", [b"", packed([], count=1), packed([], count=1 << 31), packed([], flags=1 << 8)])
def test_an_answer_that_contradicts_itself_is_refused(answer: bytes) -> None:
    with pytest.raises(FormatError):
        parse_answer(answer)


@given(st.binary(max_size=2048))
def test_any_bytes_are_an_answer_or_a_format_error(data: bytes) -> None:
    for answer in (data, packed([], count=3) + data):
        try:
            parse_answer(answer)
        except FormatError:
            continue


@pytest.mark.parametrize(
    ("text", "rate"), [("50M", 50 << 20), ("4096", 4096), ("200k/s", 200 << 10), ("1GiB", 1 << 30)]
)
def test_rates_are_read(text: str, rate: int) -> None:
    assert parse_rate(text) == rate
    assert parse_rate("unlimited") is None


@pytest.mark.parametrize("text", ["", "fast", "-1", "1", "0M", "1T"])
def test_what_is_no_rate_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse_rate(text)


def test_reading_waits_for_what_was_read_before() -> None:
    class Raw:
        size = 1 << 20

        def read(self, offset: int, length: int) -> bytes:
            return b"\0" * length

    slept: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    reader = PacedReader(Raw(), rate=1000.0, clock=lambda: now[0], sleep=sleep)  # type: ignore[arg-type]
    for _ in range(5):
        reader.read(0, 500)
    assert sum(slept) == pytest.approx(2.0)
    assert reader.read_bytes == 2500


@pytest.mark.parametrize("kind", ["fifo", "file", "other device"])
def test_what_stands_in_place_of_the_control_device_is_not_opened(tmp_path: Path, kind: str) -> None:
    node = FakeNode(tmp_path).make()
    control = tmp_path / "dev/mapper/control"
    control.parent.mkdir()
    if kind == "fifo":
        os.mkfifo(control)
    elif kind == "file":
        control.write_text("x")
    else:
        control.symlink_to("/dev/null")
    places = find_places(node.base, rootfs=None, api=None)
    with pytest.raises(FormatError, match="not the control device 10:236"):
        ask_kernel(places, "root")
