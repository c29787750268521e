"""Reports of Bottlerocket's own checker: `apiclient report cis|cis-k8s|fips`, as JSON or as text, also cut ones."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from rocketaudit.errors import FormatError
from rocketaudit.model.codec import parse
from rocketaudit.model.records import dataclass

MAX_SIZE = 8 << 20
MAX_ROWS = 5_000
_ROW = re.compile(r"\[(PASS|FAIL|SKIP|OVERRIDE)\]\s+([0-9][0-9.]*)\s+(.*?)\s*\((Automatic|Manual|Exception)\)\s*\Z")
_EXCEPTION = re.compile(r"\*\s+([0-9][0-9.]*)\s+(.*)\Z")
_HEAD = {
    "benchmark name": "name",
    "version": "version",
    "reference": "url",
    "benchmark level": "level",
    "start time": "timestamp",
    "passed": "passed",
    "failed": "failed",
    "skipped": "skipped",
    "total checks": "total",
    "compliance check result": "status",
}
_RESULT_START = re.compile(r'"([a-z]{2,5}[0-9]{8}[a-z0-9_]*)"\s*:\s*(?=\{)')
_HEAD_FIELD = re.compile(
    r'"(name|version|url|status|timestamp|level|total|passed|failed|skipped)"\s*:\s*'
    r'("[^"\\\x00-\x1f]*"|[0-9]{1,18}(?![0-9]))'
)


class CheckStatus(StrEnum):
    """`exception`: somebody decided that the check is not run. It is never a pass, whatever it stands for."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SKIP = "skip"
    EXCEPTION = "exception"


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check; `stands_for` is the status that an exception was given."""

    id: str
    title: str
    status: CheckStatus
    mode: str = ""
    checker: str = ""
    error: str = ""
    reason: str = ""
    stands_for: str = ""
    level: int | None = None


@dataclass(frozen=True, slots=True)
class CheckReport:
    """`problems` says what was cut off or could not be read; the rows that could are here all the same."""

    name: str
    version: str
    level: int | None
    status: str
    timestamp: str
    rows: tuple[CheckRow, ...]
    problems: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """cis, cis-k8s, fips, or "" for a checker that we do not know."""
        name = self.name.lower()
        if "kubernetes" in name:
            return "cis-k8s"
        if "fips" in name:
            return "fips"
        return "cis" if "bottlerocket" in name else ""


def parse_apiclient_report(data: bytes) -> CheckReport:
    """The report in either form; FormatError when it is none, or larger than 8 MiB."""
    if len(data) > MAX_SIZE:
        raise FormatError(f"{len(data)} bytes: more than a report of checks can be")
    text = data.decode("utf-8", "replace").lstrip("\ufeff")
    return _parse_json(text) if text.lstrip().startswith("{") else _parse_text(text)


def _parse_json(text: str) -> CheckReport:
    try:
        raw = parse(text.encode())
    except FormatError as error:
        return _parse_cut_json(text, str(error))
    if not isinstance(raw, dict) or not isinstance(raw.get("results"), dict):
        raise FormatError('no object under "results": not a report of apiclient')
    problems: list[str] = []
    rows = _rows(raw["results"], problems)
    head = {name: value for name, value in raw.items() if isinstance(value, (str, int)) and not isinstance(value, bool)}
    return _report(head, rows, problems)


def _parse_cut_json(text: str, reason: str) -> CheckReport:
    """What is whole in a report that was cut: the fields before the results, and every complete check."""
    before = text.partition('"results"')[0]
    head: dict[str, Any] = {match[1]: json.loads(match[2]) for match in _HEAD_FIELD.finditer(before)}
    results: dict[str, Any] = {}
    for match in _RESULT_START.finditer(text):
        try:
            results[match[1]], _ = json.JSONDecoder().raw_decode(text, match.end())
        except (ValueError, RecursionError):  # ValueError also for a number of thousands of digits
            continue
    if not head and not results:
        raise FormatError(f"not a report of apiclient: {reason}")
    problems = [f"the report is not whole: {reason}"]
    return _report(head, _rows(results, problems), problems)


def _rows(results: Mapping[str, Any], problems: list[str]) -> tuple[CheckRow, ...]:
    if len(results) > MAX_ROWS:
        raise FormatError(f"{len(results)} checks; at most {MAX_ROWS} are read")
    rows = []
    for checker, raw in results.items():
        try:
            rows.append(_row(checker, raw))
        except FormatError as error:
            problems.append(f"{checker}: {error}")
    return tuple(rows)


def _row(checker: str, raw: object) -> CheckRow:
    if not isinstance(raw, dict):
        raise FormatError(f"expected an object, found {type(raw).__name__}")
    status, stands_for = _status(raw.get("status"))
    level = raw.get("level")
    return CheckRow(
        id=_text(raw, "id"),
        title=_text(raw, "title"),
        status=status,
        mode=_text(raw, "mode"),
        checker=checker,
        error=_text(raw, "error"),
        reason=_text(raw, "override_reason"),
        stands_for=stands_for,
        level=level if isinstance(level, int) and not isinstance(level, bool) else None,
    )


def _status(raw: object) -> tuple[CheckStatus, str]:
    """A status is a text, or an object with one key for a check that was overridden."""
    match raw:
        case "PASS" | "FAIL" | "SKIP":
            return CheckStatus(str(raw).lower()), ""
        case str() if raw.upper().startswith("OVERRIDE"):
            return CheckStatus.EXCEPTION, ""
        case dict() if len(raw) == 1:
            ((name, inner),) = raw.items()
            if str(name).upper().startswith(("OVERRIDE", "EXCEPTION")):
                return CheckStatus.EXCEPTION, _status(inner)[0].value
    raise FormatError(f"unknown status {raw!r}")


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    return "" if value is None else str(value)


def _parse_text(text: str) -> CheckReport:
    head: dict[str, Any] = {}
    rows: list[CheckRow] = []
    reasons: dict[str, str] = {}
    problems: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        name, colon, value = stripped.partition(":")
        if row := _ROW.match(stripped):
            rows.append(_text_row(row))
        elif exception := _EXCEPTION.match(stripped):
            reasons[exception[1].rstrip(".")] = exception[2]
        elif colon and name.lower() in _HEAD:
            head[_HEAD[name.lower()]] = value.strip()
        elif stripped.startswith("["):
            problems.append(f"a line that cannot be read: {stripped[:80]}")
    if not rows or len(rows) > MAX_ROWS:
        raise FormatError(f"{len(rows)} lines like '[PASS] 1.2.3 ... (Automatic)': not a report of apiclient")
    checked = tuple(
        CheckRow(r.id, r.title, r.status, r.mode, reason=reasons.get(r.id, ""), stands_for=r.stands_for) for r in rows
    )
    total = str(head.get("total", ""))
    if not total.isdigit():
        problems.append("the report is cut: it has no totals")
    elif int(total) != len(rows):
        problems.append(f"the report says {total} checks and lists {len(rows)}")
    return _report(head, checked, problems)


def _text_row(match: re.Match[str]) -> CheckRow:
    status, number, title, mode = match.groups()
    if mode == "Exception" or status == "OVERRIDE":
        stands_for = "" if status == "OVERRIDE" else status.lower()
        return CheckRow(number.rstrip("."), title, CheckStatus.EXCEPTION, mode, stands_for=stands_for)
    return CheckRow(number.rstrip("."), title, CheckStatus(status.lower()), mode)


def _report(head: Mapping[str, Any], rows: tuple[CheckRow, ...], problems: list[str]) -> CheckReport:
    level = str(head.get("level", ""))
    return CheckReport(
        name=str(head.get("name", "")),
        version=str(head.get("version", "")).removeprefix("v"),
        level=int(level) if level.isdigit() and len(level) < 4 else None,
        status=str(head.get("status", "")),
        timestamp=str(head.get("timestamp", "")),
        rows=rows,
        problems=tuple(problems),
    )
