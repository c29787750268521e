"""Judging a bundle of `deploy/control/collect.sh`: whether it is the answer that was asked for, and what it says."""

from __future__ import annotations

import time

from rocketaudit.analysis.benchmark import needs
from rocketaudit.audit import TOOL
from rocketaudit.cli.concluding import conclude
from rocketaudit.cli.duration import parse_duration
from rocketaudit.cli.input_file import read_input
from rocketaudit.cli.output import parse_outputs
from rocketaudit.cli.running import SHIPPED, Run, read_benchmarks, read_judging
from rocketaudit.errors import SourceError
from rocketaudit.evidence.bundle import evidence_of_bundle
from rocketaudit.formats.bundle import MAX_SIZE, Bundle, parse_bundle
from rocketaudit.formats.evidence_file import in_order
from rocketaudit.model.records import dataclass

_CLOCKS_DIFFER = 300  # seconds that a node's clock may be ahead of ours


@dataclass(frozen=True, slots=True)
class BundleTerms:
    """What a bundle has to meet; None asks nothing. `max_age` is a number with s, m, h or d."""

    nonce: str | None = None
    max_age: str | None = None


def run_bundle(run: Run, terms: BundleTerms) -> int:
    """Judge a bundle; SourceError when it is not the answer that the terms ask for."""
    outputs = parse_outputs(run.outputs, quiet=run.quiet)
    judging = read_judging(run)
    age = None if terms.max_age is None else parse_duration(terms.max_age, "--max-age")
    bundle = parse_bundle(read_input(run.target, MAX_SIZE))
    check_terms(bundle, terms.nonce, age, time.time())
    evidence = evidence_of_bundle(bundle, needs(read_benchmarks(SHIPPED)), name=run.target.name, tool=TOOL)
    return conclude(run, in_order(evidence), judging, outputs)


def check_terms(bundle: Bundle, nonce: str | None, max_age: int | None, now: float) -> None:
    """SourceError when the bundle answers another question, or one of long ago."""
    if nonce is not None and bundle.nonce != nonce:
        said = f"{bundle.nonce!r}" if bundle.nonce else "none"
        raise SourceError(f"the bundle repeats the nonce {said}, not {nonce!r}: it is no answer to what was asked")
    age = now - bundle.time
    if max_age is not None and age > max_age:
        raise SourceError(f"the bundle is {age:.0f} seconds old; at most {max_age} are accepted")
    if max_age is not None and age < -_CLOCKS_DIFFER:
        raise SourceError(f"the bundle says that it was made {-age:.0f} seconds from now: one of the clocks is wrong")
