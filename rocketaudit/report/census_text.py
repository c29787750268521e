"""Figures of the language census that several writers show."""

from __future__ import annotations

from rocketaudit.model.records import dataclass
from rocketaudit.model.report import Census

# for charts: distinct in colour and, read along the list, in lightness too
COLOURS = {
    "rust": "#b7410e",
    "go": "#0e7fa8",
    "c": "#5b6470",
    "c++": "#8a5fb0",
    "other": "#3c8d5a",
    "packed": "#c2298a",
    "unknown": "#b8a200",
}
ALL = "all"


@dataclass(frozen=True, slots=True)
class LanguageSum:
    """Files and code bytes of one language."""

    language: str
    files: int
    code_bytes: int


def language_sums(census: Census) -> tuple[LanguageSum, ...]:
    """The whole root by language, most code first."""
    rows = [LanguageSum(row.language, row.files, row.code_bytes) for row in census.rows if row.group == ALL]
    return tuple(sorted(rows, key=lambda row: (-row.code_bytes, -row.files, row.language)))


def language_shares(sums: tuple[LanguageSum, ...]) -> tuple[tuple[str, float], ...]:
    """(language, share of the code bytes in 0..1); by files where nothing has code."""
    code = sum(row.code_bytes for row in sums)
    files = sum(row.files for row in sums)
    if code:
        return tuple((row.language, row.code_bytes / code) for row in sums)
    return tuple((row.language, row.files / files) for row in sums) if files else ()
