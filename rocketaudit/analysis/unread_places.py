"""What could not be read, in one list: the gaps of collecting, and the files whose bytes or attributes are missing."""

from __future__ import annotations

from collections import Counter

from rocketaudit.model.evidence import Evidence, Gap

MOST_FILES = 1000  # named one by one in each scope; of the others the number


def unread_places(evidence: Evidence) -> tuple[Gap, ...]:
    """Every gap; a file that a gap names already is not named again."""
    named = {(gap.scope, gap.path) for gap in evidence.gaps}
    found: list[Gap] = []
    seen: Counter[str] = Counter()
    for record in evidence.files:
        if record.unread is None or (record.scope, record.path) in named:
            continue
        seen[record.scope] += 1
        if seen[record.scope] <= MOST_FILES:
            found.append(Gap(record.scope, record.path, record.unread))
    for scope, count in seen.items():
        if count > MOST_FILES:
            found.append(Gap(scope, "", f"{count - MOST_FILES} more files could not be read"))
    return evidence.gaps + tuple(found)
