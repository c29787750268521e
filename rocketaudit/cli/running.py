"""What the commands that audit share: gather inputs, run the pipeline, write, return the code."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import field, replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

from rocketaudit.analysis.decision import parse_fail_on
from rocketaudit.audit import Judging, Looking, Rules, judge_evidence, look
from rocketaudit.cli.default_policy import default_policy
from rocketaudit.cli.input_file import read_input
from rocketaudit.cli.limits import bounds_of
from rocketaudit.cli.output import parse_outputs, wants_sha512, write_file
from rocketaudit.cli.progress import shown_progress
from rocketaudit.cli.trust_options import TrustArguments, check_trust
from rocketaudit.errors import UsageError
from rocketaudit.formats.release_version import release_numbers
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.policy import Policy, Tailoring
from rocketaudit.model.records import dataclass
from rocketaudit.model.report import Report
from rocketaudit.model.rule import Benchmark

if TYPE_CHECKING:
    from rocketaudit.analysis.trust.judge import TrustInputs

SHIPPED = ("container_host", "bottlerocket", "kubernetes_worker", "fips")
DEFAULT_BENCHMARKS = ("container_host", "bottlerocket")
KEEPING = frozenset(
    {"evidence", "cyclonedx", "cyclonedx-1.7", "spdx", "spdx3", "pack"}
)  # outputs that outlive the target and so name it by digest
MAX_POLICY = 1 << 20
MAX_EVIDENCE = 1 << 30


@dataclass(frozen=True, slots=True)
class Run:
    """What the user asked for, still in the user's words."""

    target: Path
    outputs: tuple[str, ...] = ()
    fail_on: str | None = None
    benchmarks: tuple[str, ...] = ()
    level: int | None = None
    policy: Path | None = None
    as_of: str | None = None
    workers: int | None = None
    tmp_dir: Path | None = None
    data_disk: Path | None = None
    limits: Sequence[str] | None = None
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    sha512: bool = False
    trust: TrustArguments = field(default_factory=TrustArguments)
    store: Path | None = None
    evidence_keys: tuple[Path, ...] = ()
    purl_type: str = "rpm"


def run_audit(run: Run) -> int:
    """Look and judge; everything that can be wrong with the arguments is found before the target is opened.

    Rules that nobody chose cannot be wrong: they are read while workers are busy.
    """
    outputs = parse_outputs(run.outputs, quiet=run.quiet)
    read = [] if _takes_defaults(run) else [read_judging(run)]
    keeps = any(output.writer.name in KEEPING for output in outputs)
    looking = replace(
        read_looking(run),
        sha512=wants_sha512(outputs),
        target_digest=keeps or run.trust.tuf_root is not None,
        signatures=keeps or run.trust.are_given,
        later=tuple(output.writer.prepare for output in outputs),
    )

    def asking() -> tuple[Benchmark, ...]:
        if not read:
            read.append(read_judging(run))
        return with_shipped(read[0].benchmarks) if keeps else read[0].benchmarks

    evidence = _look(run, looking, asking)
    from rocketaudit.cli.concluding import conclude

    return conclude(run, evidence, read[0], outputs, alone=run.workers == 1)


def _takes_defaults(run: Run) -> bool:
    """Whether only arguments are given that need no file and no library to be understood."""
    if run.fail_on is not None:
        parse_fail_on(run.fail_on)
    chosen = run.benchmarks or run.policy or run.as_of or run.trust != TrustArguments()
    return not chosen and default_policy(run.target) is None


def with_shipped(benchmarks: tuple[Benchmark, ...]) -> tuple[Benchmark, ...]:
    """The given rules and all that are shipped: what is kept is collected for every one of them."""
    named = {benchmark.id for benchmark in benchmarks}
    return (*benchmarks, *(one for one in read_benchmarks(SHIPPED) if one.id not in named))


def run_collect(run: Run, path: Path) -> int:
    """Look only; 3 when parts of the target could not be read."""
    benchmarks = read_benchmarks(run.benchmarks or SHIPPED)
    looking = replace(read_looking(run), target_digest=True, signatures=True)
    evidence = _look(run, looking, benchmarks)
    from rocketaudit.formats.evidence_file import dump_evidence

    write_file(path, dump_evidence(evidence))
    return 3 if evidence.gaps else 0


@dataclass(frozen=True, slots=True)
class NodeRun:
    """How to look at the node that this process runs on; `base` is its own root (another one in tests)."""

    rootfs: Path | None = None
    api: Path | None = None
    rate: float | None = None
    through_verity: bool = False
    name: str = ""
    base: Path = Path("/")


def run_node(run: Run, node: NodeRun) -> int:
    """Look at the running node, gently, and judge it."""
    outputs = parse_outputs(run.outputs, quiet=run.quiet)
    judging = read_judging(run)
    keeps = any(output.writer.name in KEEPING for output in outputs)
    signatures = keeps or run.trust.are_given
    asking = with_shipped(judging.benchmarks) if keeps else judging.benchmarks
    evidence = node_evidence(run, node, asking, sha512=wants_sha512(outputs), signatures=signatures)
    from rocketaudit.cli.concluding import conclude

    return conclude(run, evidence, judging, outputs, alone=(run.workers or 1) == 1)


def node_evidence(
    run: Run, node: NodeRun, benchmarks: tuple[Benchmark, ...], *, sha512: bool = False, signatures: bool = False
) -> Evidence:
    """Look at the running node, gently."""
    from rocketaudit.audit import look_at
    from rocketaudit.source.gently import step_back
    from rocketaudit.source.live import Asking, open_node
    from rocketaudit.source.whereabouts import find_places

    if node.rootfs is not None and not node.rootfs.is_dir():
        raise UsageError(f"--rootfs {node.rootfs} is no folder")
    step_back()
    places = find_places(node.base, rootfs=node.rootfs, api=node.api)
    budget = bounds_of(run.limits).budget()
    workers = run.workers or 1
    rate = None if node.rate is None else node.rate / workers
    source = open_node(places, budget, Asking(rate, node.through_verity, name=node.name))
    looking = replace(read_looking(run), sha512=sha512, signatures=signatures, workers=workers, host="")
    try:
        with shown_progress(quiet=run.quiet) as progress:
            return look_at(source, looking, benchmarks, progress)
    finally:
        source.close()


def run_judge(run: Run) -> int:
    """Judge evidence from a file."""
    outputs = parse_outputs(run.outputs, quiet=run.quiet)
    judging = read_judging(run)
    from rocketaudit.cli.concluding import conclude
    from rocketaudit.cli.evidence_argument import judged_evidence

    return conclude(run, judged_evidence(run.target, run.evidence_keys), judging, outputs)


def audit_target(run: Run) -> Report:
    """The report of a target, or of an evidence file, for commands that do something else with it."""
    judging = read_judging(run)
    return judge_evidence(evidence_of(run, judging.benchmarks), judging)


def evidence_of(run: Run, benchmarks: tuple[Benchmark, ...]) -> Evidence:
    """Evidence from a file of it, or by looking at the target."""
    if run.target.is_file() and _looks_like_json(run.target):
        from rocketaudit.cli.evidence_argument import judged_evidence

        return judged_evidence(run.target, run.evidence_keys)
    return _look(run, read_looking(run), benchmarks)


def _look(run: Run, looking: Looking, benchmarks: Rules) -> Evidence:
    with shown_progress(quiet=run.quiet) as progress:
        return look(run.target, looking, benchmarks, progress)


def read_looking(run: Run) -> Looking:
    if run.tmp_dir is not None and not run.tmp_dir.is_dir():
        raise UsageError(f"--tmp-dir {run.tmp_dir} is no folder")
    return Looking(
        sha512=run.sha512,
        target_digest=run.sha512,  # who asks for the digests of an SBOM also wants the image's
        workers=run.workers or 0,
        tmp_dir=run.tmp_dir,
        data_disk=run.data_disk,
        bounds=bounds_of(run.limits),
        when=printed_time(),
        host=os.uname().nodename,
    )


def read_judging(run: Run) -> Judging:
    """Rules and policy from files; UsageError for what is wrong with them."""
    from rocketaudit.analysis.tailored import tailoring_lines

    policy, path, digest, text = read_policy(run.policy or default_policy(run.target))
    names = run.benchmarks or policy.benchmarks or DEFAULT_BENCHMARKS
    as_of = None if run.as_of is None else _date(run.as_of)
    check_trust(run.trust)
    if run.trust.min_version is not None:
        if release_numbers(run.trust.min_version) is None:
            raise UsageError(f"--min-version {run.trust.min_version}: not a release such as 1.57.0")
        policy = replace(policy, min_version=run.trust.min_version)
    benchmarks = read_benchmarks(names, policy.tailoring)
    level = run.level or policy.level or 2
    shipped = benchmarks if policy.tailoring == Tailoring() else read_benchmarks(names)
    return Judging(
        benchmarks=benchmarks,
        policy=policy,
        today=datetime.now(UTC).date(),
        as_of=as_of,
        trust=_trust(run, as_of, policy.min_version),
        level=level,
        fail_on=None if run.fail_on is None else parse_fail_on(run.fail_on),
        created=printed_time(),
        policy_path=path,
        policy_digest=digest,
        policy_text=text,
        tailoring=tailoring_lines(shipped, benchmarks, policy.tailoring, level, [n.replace("_", "-") for n in SHIPPED]),
        purl_type=run.purl_type,
    )


def _trust(run: Run, as_of: date | None, min_version: str | None) -> TrustInputs | None:
    if not run.trust.are_given:
        return None
    from rocketaudit.cli.trust_arguments import read_trust  # signatures need heavy libraries

    return read_trust(run.trust, _midnight(as_of), min_version)


def moment_of(as_of: str | None) -> datetime | None:
    """The moment that --as-of names; UsageError for what is no date."""
    return None if as_of is None else _midnight(_date(as_of))


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)


def read_policy(path: Path | None) -> tuple[Policy, str, str, str]:
    """(policy, its path, digest and text); an empty policy when none is given."""
    if path is None:
        return Policy(), "", "", ""
    from rocketaudit.formats.policy_toml import parse_policy

    data = read_input(path, MAX_POLICY)
    return parse_policy(data), str(path), f"sha256:{hashlib.sha256(data).hexdigest()}", data.decode("utf-8")


def read_benchmarks(names: tuple[str, ...], tailoring: Tailoring | None = None) -> tuple[Benchmark, ...]:
    """Shipped benchmarks by name and others by folder; UsageError for one that is neither."""
    from rocketaudit.analysis.benchmark import load_benchmarks  # and every word of the rules

    files: dict[str, bytes] = {}
    for name in dict.fromkeys(names):
        files.update(rule_files(name))
    return load_benchmarks(files, tailoring)


def rule_files(name: str) -> dict[str, bytes]:
    """The files of a shipped benchmark, or of a folder of rules, by path."""
    from rocketaudit.cli.own_rules import own_rule_files
    from rocketaudit.resources import data_file

    plain = name.replace("-", "_")
    if plain in SHIPPED:
        folder = data_file(f"benchmarks/cis/{plain}")
        return {f"{plain}/{one.name}": one.read_bytes() for one in folder.iterdir() if one.name.endswith(".yaml")}
    if Path(name).is_dir():
        return own_rule_files(Path(name), SHIPPED)
    raise UsageError(f"no benchmark {name!r}", hint=f"a folder of rules, or one of: {', '.join(SHIPPED)}")


def read_evidence(path: Path) -> Evidence:
    """Evidence from its file; FormatError when it is none."""
    from rocketaudit.formats.evidence_file import load_evidence

    return load_evidence(read_input(path, MAX_EVIDENCE))


def _looks_like_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip()[:1] == b"{"


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--as-of {text!r} is no date", hint="as in 2026-01-31") from error


def printed_time() -> str:
    """Now, or SOURCE_DATE_EPOCH: it changes what is printed, never what is judged."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
