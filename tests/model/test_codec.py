"""The codec gives back what it was given and refuses everything else."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.model import codec
from rocketaudit.model.binary import (
    Binary,
    BinaryKind,
    Canary,
    Confidence,
    Crate,
    Fortify,
    Hardening,
    Language,
    Nx,
    Pie,
    Relro,
    Signal,
)
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, JsonValue, Key, Locator, Plane, State
from rocketaudit.model.files import FileRecord
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.target import Target, TargetKind

KEY = Key("setting", ("a", "b#c"), "x")


@dataclass(frozen=True, slots=True)
class Leaf:
    name: str
    size: int = 0
    ratio: float = 0.0
    on: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    key: Key
    kind: State = State.PRESENT
    leaf: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()
    pair: tuple[str, int] = ("", 0)
    by_name: Mapping[str, tuple[int, ...]] | None = None
    value: JsonValue = None
    day: date | None = None


FULL = Node(
    KEY,
    State.UNREAD,
    Leaf("a", 1, 0.5, True),
    (Leaf("b"), Leaf("c", 2)),
    ("x", 3),
    {"n": (1, 2)},
    {"deep": (1, 2.5, None, True, "t", {"x": ()})},
    date(2026, 1, 2),
)


def test_a_value_with_every_kind_of_field_comes_back_equal() -> None:
    assert codec.loads(Node, codec.dumps(FULL)) == FULL


def test_defaults_are_left_out_and_put_back() -> None:
    assert codec.encode(Node(KEY)) == {"key": 'setting:["a","b#c"]#x'}
    assert codec.decode(Node, {"key": 'setting:["a","b#c"]#x'}) == Node(KEY)


def test_full_encoding_writes_defaults_but_not_none() -> None:
    assert codec.encode(Leaf("a"), full=True) == {"name": "a", "size": 0, "ratio": 0.0, "on": False}
    assert "leaf" not in codec.encode(Node(KEY), full=True)


def test_zero_and_false_are_not_confused_with_each_others_default() -> None:
    assert codec.encode(Node(KEY, value=False)) == {"key": str(KEY), "value": False}
    assert codec.encode(Leaf("a", ratio=0)) == {"name": "a", "ratio": 0}


def test_the_same_value_always_gives_the_same_bytes() -> None:
    again = Node(KEY, value={"b": 1, "a": 2})
    assert codec.dumps(again) == codec.dumps(Node(KEY, value={"a": 2, "b": 1}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"key":"a:b","key":"a:c"}', "twice"),
        (b'{"key":"a:b","extra":1}', "unknown field 'extra'"),
        (b"{}", "lacks 'key'"),
        (b"[]", "object expected"),
        (b'{"key":7}', ".key: key expected"),
        (b'{"key":"nocolon"}', "not a key"),
        (b'{"key":"a:[1,2]"}', "not a key"),
        (b'{"key":"a:[7"}', "not a key"),
        (b'{"key":"a:b","kind":"maybe"}', "one of present, absent, unread"),
        (b'{"key":"a:b","kind":["present"]}', "one of present"),
        (b'{"key":"a:b","leaf":{"name":"x","size":true}}', ".leaf.size: int expected, bool found"),
        (b'{"key":"a:b","leaf":{"name":"x","size":1.0}}', ".leaf.size: int expected, number found"),
        (b'{"key":"a:b","leaf":{"name":"x","ratio":"1"}}', ".leaf.ratio: number expected"),
        (b'{"key":"a:b","leaves":[{"name":"x"},{"name":1}]}', ".leaves[1].name: str expected"),
        (b'{"key":"a:b","leaves":{}}', "list expected"),
        (b'{"key":"a:b","pair":["x"]}', "list of 2 expected"),
        (b'{"key":"a:b","by_name":[]}', "object expected"),
        (b'{"key":"a:b","by_name":{"x":[true]}}', "int expected"),
        (b'{"key":"a:b","day":"tomorrow"}', "not a date"),
        (b'{"key":"a:b","day":7}', "not a date"),
        (b'{"key":"a:b","value":NaN}', "NaN is no JSON number"),
        (b'{"key":"a:b"', "not JSON"),
        (b'{"key":"a\xff:b"}', "not UTF-8"),
        (b'{"key":"a:b","value":' + b"[" * 70 + b"]" * 70 + b"}", "deeper than 64"),
        (b"[" * 100_000, "deeply"),
        (b'{"key":"a:\\ud800"}', "half of a surrogate pair"),
        (b'{"key":"a:b","leaf":{"name":"x","ratio":1' + b"0" * 400 + b"}}", "out of range"),
        (b'{"key":"a:b","leaf":{"name":"x","size":' + b"1" * 5000 + b"}}", "not JSON"),
    ],
)
def test_what_is_not_exactly_right_is_refused_by_name(text: bytes, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        codec.loads(Node, text)
    assert message in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_decode_or_raise_format_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        codec.loads(Evidence, data)


_text = st.text(st.characters(exclude_categories=["Cs"]))
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=8,
)
_keys = st.builds(
    Key, st.from_regex(r"[a-z]+", fullmatch=True), st.lists(st.text(), min_size=1, max_size=3).map(tuple), st.text()
)


@settings(max_examples=200, deadline=None)
@given(st.builds(Fact, _keys, st.sampled_from(Plane), st.sampled_from(State), st.builds(Locator), _json, _text))
def test_every_fact_comes_back_equal(fact: Fact) -> None:
    data = codec.dumps(fact)
    assert data.isascii()
    assert codec.loads(Fact, data) == fact


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_evidence_with_one_value_replaced_decodes_or_raises_format_error(data: st.DataObject) -> None:
    raw = json.loads(codec.dumps(sample(2, 2)))
    place: Any = raw
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not place[key] or not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(st.none() | st.booleans() | st.integers() | st.text() | st.just([]) | st.just({}))
    try:
        codec.decode(Evidence, raw)
    except FormatError:
        return


def sample(files: int, binaries: int) -> Evidence:
    digest = "ab" * 32
    hardening = Hardening(
        Relro.FULL, True, Pie.PIE, Nx.YES, Canary.YES, Fortify.YES, 3, 5, None, None, (), True, True, None, None,
        0, False, False, False, True, False, False, True, False, (),
    )  # fmt: skip
    return Evidence(
        Target("image", TargetKind.IMAGE),
        "bank-a",
        files=tuple(
            FileRecord("bank-a", f"/usr/f{i}", FileType.REGULAR, 0o755, 0, 0, i, 17, 1, i, sha256=digest, selinux="t")
            for i in range(files)
        ),
        binaries=tuple(
            Binary(
                "bank-a", f"/usr/bin/b{i}", digest, None, i, "x86_64", 64, "little", BinaryKind.EXECUTABLE,
                Language.RUST, None, ("rust",), (("rust", 0.5, "unwind"),), Confidence.HIGH,
                tuple(Signal("needed", "libstd.so", j) for j in range(3)), hardening, "/lib64/ld.so", ("libc.so.6",),
                None, digest[:40], (Crate("serde", "1.0.0", "crates.io", "path", Confidence.HIGH),), None, None, (),
                None, None, 1234, None,
            )
            for i in range(binaries)
        ),
    )  # fmt: skip


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
LEAVES = st.builds(
    Leaf,
    st.text(),
    st.integers() | st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    st.booleans(),
)
NODES = st.builds(
    Node,
    st.builds(Key, st.text(), st.lists(st.text(), max_size=2).map(tuple), st.text()),
    st.sampled_from(State),
    st.none() | LEAVES,
    st.lists(LEAVES, max_size=3).map(tuple),
    st.tuples(st.text(), st.integers()),
    st.none() | st.dictionaries(st.text(), st.lists(st.integers(), max_size=2).map(tuple), max_size=3),
    VALUES,
    st.none() | st.dates(),
)


@dataclass(frozen=True, slots=True)
class Loose:
    """Nothing but fields with defaults, in no order of their names."""

    last: str = "x"
    first: int = 1
    some: bool | None = None
    leaf: Leaf = Leaf("")
    names: tuple[str, ...] = ("a",)


@given(
    NODES | st.builds(Loose, st.text(), st.integers(), st.none() | st.booleans(), LEAVES, st.just(()) | st.just(("a",)))
)
@settings(max_examples=300, deadline=None)
def test_text_is_what_json_makes_of_the_encoded_value(value: Node | Loose) -> None:
    plain = codec.encode(value)
    assert codec.dumps(value) == codec.canonical(plain)
    assert codec.compact(value) == json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_know_are_refused_in_text_too(number: float) -> None:
    for value in (Leaf("a", ratio=number), Node(KEY, value=(number,))):
        with pytest.raises(ValueError, match="Out of range"):
            codec.dumps(value)
        with pytest.raises(ValueError, match="Out of range"):
            codec.compact(value)


def test_evidence_of_a_whole_image_is_written_as_it_is_encoded() -> None:
    evidence = sample(20, 5)
    assert codec.dumps(evidence) == codec.canonical(codec.encode(evidence))


def test_evidence_of_a_whole_image_is_read_and_written_fast() -> None:
    """Stated for a quiet machine: 250 ms to read, 400 ms to write; here only a gross loss fails."""
    evidence = sample(10_000, 2_000)
    data = codec.dumps(evidence)
    started = time.process_time()
    again = codec.loads(Evidence, data)
    reading = time.process_time() - started
    started = time.process_time()
    codec.dumps(evidence)
    writing = time.process_time() - started
    assert again == evidence
    assert reading < 1.0, reading
    assert writing < 1.0, writing
