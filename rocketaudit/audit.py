"""The pipeline in one place: target -> source -> evidence -> analyses -> report."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rocketaudit import __version__
from rocketaudit.model.budget import Bounds
from rocketaudit.model.evidence import Evidence, Wants
from rocketaudit.model.fact import Key
from rocketaudit.model.policy import Policy
from rocketaudit.model.progress import NoProgress, Progress
from rocketaudit.model.records import dataclass
from rocketaudit.model.report import PolicyResult, Report
from rocketaudit.model.rule import Benchmark
from rocketaudit.model.target import Tool

if TYPE_CHECKING:
    from rocketaudit.analysis.trust.judge import TrustInputs
    from rocketaudit.model.integrity import Integrity
    from rocketaudit.model.trust import ChainLink
    from rocketaudit.source.protocol import Source

TOOL = Tool("rocketaudit", __version__)
# what `judge_evidence` imports: 0.1 s that pass while workers read
JUDGES = tuple(
    f"rocketaudit.analysis.{name}"
    for name in ("binaries", "decision", "findings", "integrity", "node_view", "policy", "release_age", "sbom")
)


@dataclass(frozen=True, slots=True)
class Looking:
    """How to look: what outputs need, and the bounds."""

    sha512: bool = False
    target_digest: bool = False
    workers: int = 0  # 0: one per CPU
    tmp_dir: Path | None = None
    bounds: Bounds = Bounds()
    when: str = ""
    host: str = ""
    verity_only: bool = False
    signatures: bool = False
    extra_keys: tuple[Key, ...] = ()
    data_disk: Path | None = None
    later: tuple[Callable[[], object], ...] = ()  # what judging and writing can do before there is evidence


@dataclass(frozen=True, slots=True)
class Judging:
    """How to judge: rules, policy, dates, and what the user vouches for."""

    benchmarks: tuple[Benchmark, ...]
    policy: Policy
    today: date
    as_of: date | None = None
    level: int = 2
    fail_on: tuple[str, ...] | None = None
    trust: TrustInputs | None = None
    created: str = ""
    policy_path: str = ""
    policy_digest: str = ""
    policy_text: str = ""
    tailoring: tuple[str, ...] = ()
    purl_type: str = "rpm"


# given, or asked for once workers are busy: reading rules takes as long as starting
Rules: TypeAlias = "Sequence[Benchmark] | Callable[[], Sequence[Benchmark]]"


def audit(target: Path, looking: Looking, judging: Judging, progress: Progress | None = None) -> Report:
    """Look at `target` and judge it; SourceError or FormatError when it cannot be opened at all."""
    return judge_evidence(look(target, looking, judging.benchmarks, progress), judging)


def look(target: Path, looking: Looking, benchmarks: Rules, progress: Progress | None = None) -> Evidence:
    """The evidence of a target: all that the given rules and outputs need."""
    from rocketaudit.source.opening import open_target

    told = NoProgress() if progress is None else progress
    source = open_target(
        target,
        budget=looking.bounds.budget(),
        tmp_dir=looking.tmp_dir,
        progress=told,
        data_disk=looking.data_disk,
    )
    try:
        return look_at(source, looking, benchmarks, told)
    finally:
        source.close()


def look_at(source: Source, looking: Looking, benchmarks: Rules, progress: Progress) -> Evidence:
    """The evidence of a source that is already open."""
    from rocketaudit.evidence import collectors_for
    from rocketaudit.evidence.collect import collect  # and every reader, which judging alone does not need

    def keys() -> tuple[Key, ...]:
        from rocketaudit.analysis.benchmark import needs  # every word of the rules

        return needs(benchmarks() if callable(benchmarks) else benchmarks) + looking.extra_keys

    wants = Wants(
        sha512=looking.sha512,
        target_digest=looking.target_digest,
        signatures=looking.signatures,
        binaries=not looking.verity_only,
        digests=not looking.verity_only,
    )
    evidence = collect(
        source,
        wants,
        keys=keys,
        collectors=collectors_for(source.target.kind),
        workers=looking.workers or len(os.sched_getaffinity(0)),
        progress=progress,
        tool=TOOL,
        when=looking.when,
        host=looking.host,
        later=(*(partial(import_module, name) for name in JUDGES), *looking.later),
    )
    from rocketaudit.formats.evidence_file import in_order

    return in_order(evidence)


def judge_evidence(evidence: Evidence, judging: Judging) -> Report:
    """Everything that follows from evidence; reads nothing."""
    from rocketaudit.analysis.benchmark import judge
    from rocketaudit.analysis.binaries import census
    from rocketaudit.analysis.decision import DEFAULT_FAIL_ON, decide, share_of_c
    from rocketaudit.analysis.findings import find_oddities
    from rocketaudit.analysis.integrity import judge_integrity
    from rocketaudit.analysis.integrity_facts import integrity_facts
    from rocketaudit.analysis.node_view import node_findings, node_view
    from rocketaudit.analysis.policy import policy_problems, unmet_demands
    from rocketaudit.analysis.release_age import unmet_release
    from rocketaudit.analysis.sbom import components, reconcile
    from rocketaudit.analysis.unread_places import unread_places

    chain = () if judging.trust is None else _chain(evidence, judging.trust)
    integrity = judge_integrity(evidence, chain) if judging.trust is None else _trusted(evidence, chain, judging.trust)
    known = replace(
        evidence,
        facts=evidence.facts + integrity_facts(integrity, evidence.assurance),
        _facts={},
        _files={},
        _children={},
    )
    benchmarks = judge(
        judging.benchmarks,
        known,
        integrity,
        level=judging.level,
        today=judging.today,
        policy=judging.policy,
        as_of=judging.as_of,
    )
    findings = find_oddities(evidence, integrity) + reconcile(evidence) + node_findings(evidence)
    fail_on = judging.fail_on or judging.policy.fail_on or DEFAULT_FAIL_ON
    counted = census(evidence)
    demands = unmet_demands(judging.policy, benchmarks, share_of_c(counted))
    demands += unmet_release(evidence, judging.policy.min_version)
    code, reasons = decide(fail_on, integrity, benchmarks, findings, judging.policy.require, demands)
    problems = policy_problems(judging.policy, benchmarks, evidence.target.name, judging.today)
    return Report(
        tool=TOOL,
        target=evidence.target,
        assurance=evidence.assurance,
        integrity=integrity,
        findings=findings,
        census=counted,
        components=components(
            evidence,
            judging.purl_type,
            judging.policy.sbom.get("sbom:supplier", ""),
            judging.policy.sbom_components,
        ),
        benchmarks=benchmarks,
        unread=unread_places(evidence),
        policy=PolicyResult(
            fail_on=tuple(fail_on),
            exit_code=code,
            reasons=reasons,
            path=judging.policy_path,
            digest=judging.policy_digest,
            as_of="" if judging.as_of is None else judging.as_of.isoformat(),
            waiver_problems=problems,
            tailoring=judging.tailoring,
            text=judging.policy_text,
        ),
        evidence=evidence,
        created=judging.created,
        extra={**(node_view(evidence, benchmarks) or {}), **judging.policy.sbom} or None,
    )


def _trusted(evidence: Evidence, chain: tuple[ChainLink, ...], trust: TrustInputs) -> Integrity:
    """Integrity with what the user's own documents state: a signed manifest, and an update repository."""
    from rocketaudit.analysis.integrity import judge_integrity
    from rocketaudit.analysis.trust.judge import judge_updates, with_signed_places

    integrity = judge_integrity(with_signed_places(evidence, trust), chain)
    return replace(integrity, updates=judge_updates(evidence, trust))


def _chain(evidence: Evidence, trust: TrustInputs) -> tuple[ChainLink, ...]:
    from rocketaudit.analysis.trust.judge import judge_trust  # signatures need heavy libraries

    return judge_trust(evidence, trust)
