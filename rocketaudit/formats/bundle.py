"""Bundles of `deploy/control/collect.sh`: what a node without Python says of itself, as lines of text.

A bundle is what somebody says, not what we read: every line is bounded and checked, a line that is cut or stated
twice is no answer, and what a bundle does not hold is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field

from rocketaudit.errors import FormatError
from rocketaudit.model import codec
from rocketaudit.model.fact import JsonValue, Key, State
from rocketaudit.model.records import dataclass

MAX_SIZE = 1 << 20
MAX_LINES = 5_000
MAX_REASON = 500
FIRST = "rocketaudit-bundle 1"
_HEAD = {
    "keys": re.compile(r"[0-9a-f]{64}\Z"),
    "nonce": re.compile(r"[A-Za-z0-9._-]{1,128}\Z"),
    "boot_id": re.compile(r"[0-9a-f-]{36}\Z"),
    "time": re.compile(r"[0-9]{1,11}\Z"),
    "where": re.compile(r"[A-Za-z0-9._-]{1,64}\Z"),
}
_END = re.compile(r"end\t([0-9]{1,6})\t([0-9]{1,6})\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class BundleLine:
    """One statement; `value` only when present, `reason` only when unread. `number` counts lines from 1."""

    key: Key
    state: State
    number: int
    value: JsonValue = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BundleAnswer:
    """What the API answered to GET `target`; status 0 when it could not be asked. `body` is JSON."""

    target: str
    status: int
    body: bytes
    number: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """`time` is seconds since 1970 by the node's clock; `nonce` "" when none was given.

    `problems` says in what way the bundle is not whole; its lines are then still what the node said.
    """

    keys: str
    nonce: str
    boot_id: str
    time: int
    where: str
    lines: tuple[BundleLine, ...] = ()
    answers: tuple[BundleAnswer, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    lines: dict[Key, BundleLine] = field(default_factory=dict)
    answers: dict[str, BundleAnswer] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def parse_bundle(data: bytes) -> Bundle:
    """The bundle; FormatError when it is none. One that is cut off or holds broken lines is only incomplete."""
    if len(data) > MAX_SIZE:
        raise FormatError(f"a bundle of {len(data)} bytes; at most {MAX_SIZE} are read")
    texts = data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    if len(texts) > MAX_LINES:
        raise FormatError(f"a bundle of more than {MAX_LINES} lines")
    numbered = [(number, text) for number, text in enumerate(texts, 1) if text]
    if not numbered or numbered[0][1] != FIRST:
        raise FormatError(f"not a bundle of collect.sh: its first line is not {FIRST!r}")
    head, rest = _head(numbered[1:])
    found = _Found()
    _read(rest, found)
    return Bundle(
        keys=head["keys"],
        nonce="" if head["nonce"] == "-" else head["nonce"],
        boot_id=head["boot_id"],
        time=int(head["time"]),
        where=head["where"],
        lines=tuple(found.lines.values()),
        answers=tuple(found.answers.values()),
        problems=tuple(found.problems),
    )


def _head(numbered: list[tuple[int, str]]) -> tuple[dict[str, str], list[tuple[int, str]]]:
    head: dict[str, str] = {}
    for (name, pattern), (number, text) in zip(_HEAD.items(), numbered, strict=False):
        word, _, value = text.partition(" ")
        if word != name or not pattern.match(value):
            raise FormatError(f"line {number} of the bundle does not state {name}: {text[:80]!r}")
        head[name] = value
    if len(head) < len(_HEAD):
        raise FormatError("the bundle ends in its head")
    return head, numbered[len(_HEAD) :]


def _read(rest: list[tuple[int, str]], found: _Found) -> None:
    place, end = next(((place, end) for place, (_, text) in enumerate(rest) if (end := _END.match(text))), (None, None))
    if place is None or end is None:
        found.problems.append("the bundle was cut off: it has no end")
        rest = rest[:-2]  # a line that was cut may still look whole, and whoever cut it may have added a remark
    else:
        _check_end(end, place, len(rest) - place - 1, found)
        rest = rest[:place]
    for number, text in rest:
        try:
            _keep(text, number, found)
        except (FormatError, ValueError) as error:
            found.problems.append(f"line {number} of the bundle: {error}")


def _check_end(end: re.Match[str], lines: int, after: int, found: _Found) -> None:
    stated, left_out = int(end[1]), int(end[2])
    if stated != lines:
        found.problems.append(f"the bundle holds {lines} lines and says {stated}: lines were taken out or put in")
    if after:
        found.problems.append(f"{after} lines stand after the end of the bundle; they are not read")
    if left_out:
        found.problems.append(f"{left_out} lines did not fit into the bundle")


def _keep(text: str, number: int, found: _Found) -> None:
    if _CONTROL.search(text):
        raise FormatError("it holds control characters")
    sign, _, rest = text.partition("\t")
    if sign == "api":
        answer = _answer(rest, number)
        if answer.target in found.answers:
            found.answers[answer.target] = BundleAnswer(answer.target, 0, b'"it is answered twice"', number)
            raise FormatError(f"{answer.target} is answered twice")
        found.answers[answer.target] = answer
        return
    line = _line(sign, rest, number)
    if line.key in found.lines:
        found.lines[line.key] = BundleLine(line.key, State.UNREAD, number, reason="it is stated twice")
        raise FormatError(f"{line.key} is stated twice")
    found.lines[line.key] = line


def _answer(rest: str, number: int) -> BundleAnswer:
    parts = rest.split("\t", 2)
    if len(parts) < 3 or not re.match(r"/[a-z0-9/-]{1,100}\Z", parts[0]) or not re.match(r"[0-9]{1,3}\Z", parts[1]):
        raise FormatError(f"no answer of the API: {rest[:80]!r}")
    codec.parse(parts[2].encode())
    return BundleAnswer(parts[0], int(parts[1]), parts[2].encode(), number)


def _line(sign: str, rest: str, number: int) -> BundleLine:
    name, _, value = rest.partition("\t")
    key = Key.parse(name)
    match sign:
        case "=":
            return BundleLine(key, State.PRESENT, number, value=_json(value))
        case "-" if not value:
            return BundleLine(key, State.ABSENT, number)
        case "!" if value:
            return BundleLine(key, State.UNREAD, number, reason=value[:MAX_REASON])
    raise FormatError(f"neither seen, absent nor unread: {sign[:20]!r}")


def _json(text: str) -> JsonValue:
    raw = codec.parse(text.encode())
    match raw:
        case list():
            return tuple(_plain(item) for item in raw)
        case _:
            return _plain(raw)


def _plain(value: object) -> JsonValue:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    raise FormatError(f"a value may be a text, a number or a list of them, not {type(value).__name__}")


def texts_of(value: JsonValue) -> Iterator[str]:
    """The texts of a list; FormatError when it holds anything else."""
    if not isinstance(value, tuple) or not all(isinstance(item, str) for item in value):
        raise FormatError("not a list of texts")
    return (str(item) for item in value)
