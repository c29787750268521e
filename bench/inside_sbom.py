"""A bill of materials of 20,000 components by itself: `python -m bench.inside_sbom write|dump` prints "wall cpu".

write   evidence and components in memory to the bytes of a CycloneDX document
dump    the same document, made already, to the bytes of JSON: what no writer can save
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace

from bench.inside import Measured, timed
from rocketaudit.analysis.sbom import components
from rocketaudit.model.report import Report
from rocketaudit.report.cyclonedx import write_cyclonedx
from tests.model.test_codec import sample
from tests.report.samples import ordinary

PROGRAMS = 20_000


def report() -> Report:
    """A report over evidence of so many programs, each with crates."""
    evidence = replace(sample(100, PROGRAMS), walked=("bank-a",))
    return replace(ordinary(), evidence=evidence, components=components(evidence))


def measure(part: str) -> Measured:
    made = report()
    if part == "write":
        return timed(lambda: write_cyclonedx(made))
    document = json.loads(write_cyclonedx(made))
    return timed(lambda: json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())


if __name__ == "__main__":
    print(*(f"{seconds:.6f}" for seconds in measure(sys.argv[1])))
