"""Bundles are somebody's word: broken, cut and doubled lines are no answers, and nothing hangs or raises otherwise."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.audit import TOOL
from rocketaudit.errors import FormatError
from rocketaudit.evidence.bundle import evidence_of_bundle
from rocketaudit.formats.bundle import MAX_SIZE, parse_bundle
from rocketaudit.model.fact import Key, Plane, State

HEAD = (
    f"rocketaudit-bundle 1\nkeys {'a' * 64}\nnonce -\nboot_id 0f5c2bd0-8a1e-4f61-9c36-111111111111\n"
    "time 1700000000\nwhere control\n"
)
LINES = ('=\tsysctl:kernel.x\t"2"', "-\tsysctl:kernel.y", "!\tsysctl:kernel.z\tdenied", 'api\t/os\t200\t{"arch":"x"}')


def text(*lines: str, end: str | None = None) -> bytes:
    last = f"end\t{len(lines)}\t0" if end is None else end
    return (HEAD + "".join(f"{line}\n" for line in lines) + last + "\n").encode()


def test_lines_become_statements_with_their_numbers() -> None:
    bundle = parse_bundle(text(*LINES))
    assert [(str(line.key), line.state, line.number) for line in bundle.lines] == [
        ("sysctl:kernel.x", State.PRESENT, 7),
        ("sysctl:kernel.y", State.ABSENT, 8),
        ("sysctl:kernel.z", State.UNREAD, 9),
    ]
    assert bundle.answers[0].target == "/os"
    assert bundle.problems == ()
    assert (bundle.nonce, bundle.time, bundle.where) == ("", 1700000000, "control")


def test_windows_line_ends_change_nothing() -> None:
    assert parse_bundle(text(*LINES).replace(b"\n", b"\r\n")) == parse_bundle(text(*LINES))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"rocketaudit-bundle 2\n",
        HEAD.encode()[:40],
        HEAD.replace("keys a", "keys z").encode(),
        HEAD.replace("time 1", "time -1").encode(),
        b"x" * (MAX_SIZE + 1),
        HEAD.encode() + b"-\tsysctl:a\n" * 6000,
    ],
)
def test_what_is_no_bundle_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_bundle(data)


def test_a_line_stated_twice_is_no_answer() -> None:
    bundle = parse_bundle(text(LINES[0], '=\tsysctl:kernel.x\t"0"'))
    assert [line.state for line in bundle.lines] == [State.UNREAD]
    assert "twice" in bundle.problems[0]


@pytest.mark.parametrize(
    "line",
    ["=\tsysctl:a\t", "=\tsysctl:a\t{", '=\tsysctl:a\t{"a":1}', "=\tsysctl:a\t1.5", "x\tsysctl:a\t1", "-\tsysctl:a\tb",
     "!\tsysctl:a", "=\tnothing", "=\t:a\t1", '=\tsetting:["a"\t1', "api\t/os", "api\tos\t200\t{}",
     "api\t/os\t2000\t{}", '=\tsysctl:a\t"\x07"', "=\tsysctl:a\tNaN",
     '=\tsysctl:a\t"\\ud800"', "=\tsysctl:a\t" + "[" * 5000],
)  # fmt: skip
def test_a_broken_line_is_a_problem_and_the_others_stay(line: str) -> None:
    bundle = parse_bundle(text(LINES[0], line, LINES[1]))
    assert len(bundle.problems) == 1
    assert "line 8" in bundle.problems[0]
    assert [str(one.key) for one in bundle.lines] == ["sysctl:kernel.x", "sysctl:kernel.y"]


@pytest.mark.parametrize(("end", "word"), [("end\t9\t0", "taken out"), ("end\t4\t3", "did not fit"), ("", "cut off")])
def test_an_end_that_does_not_fit_is_a_problem(end: str, word: str) -> None:
    assert any(word in problem for problem in parse_bundle(text(*LINES, end=end)).problems)


def test_what_stands_after_the_end_is_not_read() -> None:
    bundle = parse_bundle(text(*LINES) + b'=\tsysctl:kernel.q\t"1"\n')
    assert all(str(line.key) != "sysctl:kernel.q" for line in bundle.lines)
    assert any("after the end" in problem for problem in bundle.problems)


@pytest.mark.parametrize(
    "line",
    ['=\tintegrity:image#verdict\t"verified"', '=\tverity:root#check\t"verified"', "-\tfile:/bin/sh#type",
     '=\tnode:where\t"x"', '=\tsetting:["a"]\t"x"', '=\town_check:["x"]#status\t"pass"'],
)  # fmt: skip
def test_a_bundle_cannot_state_what_only_we_can_find(line: str) -> None:
    evidence = evidence_of_bundle(parse_bundle(text(line)), (), name="n", tool=TOOL)
    key = Key.parse(line.split("\t")[1])
    assert all(fact.key != key or fact.value not in ("verified", "x", "pass") for fact in evidence.facts)
    assert any("no bundle can know" in gap.reason for gap in evidence.gaps)


@pytest.mark.parametrize(
    "line",
    ['=\tmodules:loaded\t"a"', "=\tmodules:loaded\t[1]", "=\tsysctl:kernel.x\t2", '=\tsysctl:kernel.x\t["2"]',
     "=\tkernel_command_line:text\t7"],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_unread(line: str) -> None:
    evidence = evidence_of_bundle(parse_bundle(text(line)), (), name="n", tool=TOOL)
    assert evidence.get(Key.parse(line.split("\t")[1]), Plane.RUNTIME).state is State.UNREAD


@pytest.mark.parametrize(
    "body", ["[]", "{}", '[{"path":[]}]', '[{"path":"a"}]', '[{"path":[1],"value":2}]', "[1]", '"text"', "null"]
)
def test_settings_of_the_wrong_shape_are_unread(body: str) -> None:
    key = Key("setting", ("kernel", "lockdown"))
    evidence = evidence_of_bundle(parse_bundle(text(f"api\t/settings\t200\t{body}")), (key,), name="n", tool=TOOL)
    assert evidence.get(key, Plane.RUNTIME).state is State.UNREAD


@given(st.binary(max_size=300))
def test_any_bytes_after_the_head_give_a_bundle_or_a_format_error(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        evidence_of_bundle(parse_bundle(HEAD.encode() + data), (), name="n", tool=TOOL)


def test_random_damage_never_raises_anything_else() -> None:
    base = text(*LINES, '=\tmodules:loaded\t["a","b"]', '=\tkernel_command_line:text\t"ro \\"a=b c\\" -- x"')
    source = random.Random(7)
    for _ in range(2000):
        data = bytearray(base)
        for _ in range(source.randint(1, 6)):
            data[source.randrange(len(data))] = source.choice(b'\t\n"[]{}=-!\\\x00\xffa0')
        try:
            evidence_of_bundle(parse_bundle(bytes(data)), (), name="n", tool=TOOL)
        except FormatError:
            continue


@pytest.mark.parametrize(
    "line",
    [
        'api\t/os\t200\t{"arch":"x","arch":"y"}',
        'api\t/settings\t200\t[{"path":["kernel","lockdown"],"value":"none","value":"integrity"}]',
        "=\tmodules:loaded\t[NaN]",
        "=\tsysctl:kernel.x\t" + "[" * 100 + "]" * 100,
        "=\tsysctl:kernel.x\t" + "9" * 5000,
    ],
)
def test_json_that_two_readers_would_read_differently_is_no_answer(line: str) -> None:
    bundle = parse_bundle(text(line))
    assert (bundle.lines, bundle.answers) == ((), ())
    assert len(bundle.problems) == 1


def test_the_time_and_boot_id_are_those_of_the_bundle_and_of_nothing_else() -> None:
    lines = ('=\tnode:boot_id\t"22222222-8a1e-4f61-9c36-111111111111"', "time 1800000000", "nonce other")
    bundle = parse_bundle(text(*lines))
    assert (bundle.time, bundle.nonce, len(bundle.problems)) == (1700000000, "", 2)
    evidence = evidence_of_bundle(bundle, (), name="n", tool=TOOL)
    assert evidence.target.boot_id == "0f5c2bd0-8a1e-4f61-9c36-111111111111"
