# ruff: noqa: INP001 - a script beside the page that it writes
"""Writes docs/rules.md: every shipped rule, by benchmark and section. `--check` only says whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path

from rocketaudit.cli.rule_reference import render_reference
from rocketaudit.cli.running import SHIPPED, read_benchmarks

PAGE = Path(__file__).parent / "rules.md"


def main() -> int:
    text = render_reference(read_benchmarks(SHIPPED))
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.read_text(encoding="utf-8") == text else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
