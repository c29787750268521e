"""Comparisons of bills of materials, and their missing elements, as text, Markdown and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Protocol

from rocketaudit.model.records import dataclass
from rocketaudit.report.escape import json_text, markdown, markdown_code, shorten, terminal

MAX_LINES = 200
_DIGEST = re.compile(r"[0-9a-f]{64}")
MAX_MARKDOWN = 60_000  # characters; the text of a pull request may have 65,536
_SIGNS = {"added": "+", "removed": "-", "changed": "~", "unknown": "?"}


class Change(Protocol):
    """One change, as the comparison gives it."""

    @property
    def group(self) -> str: ...
    @property
    def change(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def before(self) -> str: ...
    @property
    def after(self) -> str: ...
    @property
    def order(self) -> str: ...


class Element(Protocol):
    """One element of a standard."""

    @property
    def standard(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def met(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def why(self) -> str: ...
    @property
    def unknown(self) -> int: ...
    @property
    def lacking(self) -> tuple[str, ...]: ...
    @property
    def is_met(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Row:
    group: str
    change: str
    name: str
    before: str
    after: str
    order: str


def changes_text(changes: Sequence[Change]) -> str:
    """For a terminal."""
    return "\n".join(_text_lines(changes)) + "\n"


def changes_markdown(changes: Sequence[Change]) -> str:
    """For a pull request."""
    return "\n".join(_markdown_lines(changes)) + "\n"


def changes_json(changes: Sequence[Change]) -> str:
    """One array, one object a change."""
    rows = [asdict(_Row(c.group, c.change, c.name, c.before, c.after, c.order)) for c in changes]
    return json_text(json.dumps(rows, indent=1, ensure_ascii=False)) + "\n"


CHANGE_FORMATS: Mapping[str, Callable[[Sequence[Change]], str]] = {
    "console": changes_text,
    "markdown": changes_markdown,
    "json": changes_json,
}


def elements_text(elements: Sequence[Element]) -> str:
    """For a terminal: every element with how many components have it, and why the others do not."""
    lines = []
    standard = ""
    for element in elements:
        if element.standard != standard:
            standard = element.standard
            of_it = [one for one in elements if one.standard == standard]
            lines.append(f"{standard}: {sum(one.is_met for one in of_it)} of {len(of_it)} elements")
        mark = "ok" if element.is_met else "--"
        lines.append(f"  {mark} {element.name}: {element.met} of {element.total}{_rest(element)}")
    return "\n".join(lines) + "\n"


def _rest(element: Element) -> str:
    """What is said of the components without it."""
    missing = element.total - element.met - element.unknown
    parts = [f"{element.unknown} more say that it is unknown"] if element.unknown else []
    if missing and element.why:
        parts.append(element.why)
    shown = f", {'; '.join(parts)}" if parts else ""
    if element.lacking:
        shown += f" ({'' if element.unknown else 'without: '}{', '.join(_brief(one) for one in element.lacking)}"
        shown += ", ...)" if element.unknown + missing > len(element.lacking) else ")"
    return shown


def _counts(changes: Sequence[Change]) -> Iterator[str]:
    if all(change.change == "unknown" for change in changes):
        yield "No difference in what could be compared." if changes else "No difference."
    for group in dict.fromkeys(change.group for change in changes):
        kinds = [change.change for change in changes if change.group == group]
        yield f"{group}: " + ", ".join(f"{kinds.count(kind)} {kind}" for kind in _SIGNS if kind in kinds)


def _text_lines(changes: Sequence[Change]) -> Iterator[str]:
    yield from _counts(changes)
    for change in changes[:MAX_LINES]:
        yield f"{_SIGNS[change.change]} {change.group} {terminal(shorten(change.name, 200))}{_versions(change)}"
    if len(changes) > MAX_LINES:
        yield f"and {len(changes) - MAX_LINES} more: -o json has all"


def _versions(change: Change) -> str:
    before, after = (_brief(value) for value in (change.before, change.after))
    if change.change == "changed":
        order = " (older)" if change.order == "older" else ""
        return f" {before or '(also other)'} -> {after or '(gone)'}{order}"
    return f": {after}" if change.change == "unknown" else f" {before or after}".rstrip()


def _brief(value: str) -> str:
    """A version for a person; digests by their first twelve digits."""
    if _DIGEST.fullmatch(value):
        return f"sha256 {value[:12]}…"
    return terminal(shorten(value, 120))


def _markdown_lines(changes: Sequence[Change]) -> Iterator[str]:
    yield "### Bill of materials: what changed"
    yield ""
    for line in _counts(changes):
        yield f"* {line}"
    if changes:
        yield ""
        yield "| | What | Name | Before | After |"
        yield "|---|---|---|---|---|"
    length = shown = 0
    for change in changes[:MAX_LINES]:
        row = _markdown_row(change)
        length += len(row) + 1
        if length > MAX_MARKDOWN:
            break
        shown += 1
        yield row
    if len(changes) > shown:
        yield ""
        yield f"{len(changes) - shown} more: `-o json` has all."


def _markdown_row(change: Change) -> str:
    kind = f"{change.change}, older" if change.order == "older" else change.change
    name = markdown(shorten(change.name, 200))
    before, after = (markdown_code(_brief(v)) if v else "" for v in (change.before, change.after))
    if change.change == "unknown":
        after = markdown(shorten(change.after, 200))
    return f"| {kind} | {change.group} | {name} | {before} | {after} |"
