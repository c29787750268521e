"""python -m bench [WORD...]: measure the cases whose names hold all the words, and put them on the page."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

from bench import page
from bench.cases import CASES, Case
from bench.measure import CommandFailedError, compare
from bench.targets import expand

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def measure(case: Case) -> page.Row:
    """One row; a command or tool that is missing or fails is said in it."""
    try:
        ours, reference = expand(case.ours), expand(case.reference)
        return page.Row(case, compare(ours, reference, pairs=case.pairs, accept=case.accept, inside=case.inside))
    except (CommandFailedError, FileNotFoundError) as error:
        return page.Row(case, str(error))


def main(words: list[str]) -> int:
    chosen = [case for case in CASES if all(word in case.name for word in words)]
    rows = page.read(PAGE)
    measured = f"{dt.datetime.now(dt.UTC).date().isoformat()}, {page.commit()}"
    for case in chosen:
        rows[case.name] = page.line(measure(case), measured)
        print(rows[case.name], flush=True)
        page.write(PAGE, [rows[known.name] for known in CASES if known.name in rows])
    return 0 if chosen else 2


sys.exit(main(sys.argv[1:]))
