"""What the place on a node shows and what it hides, which rules stay undecided for that, and what would decide them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, Key, Locator, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.model.report import Finding
from rocketaudit.model.rule import BenchmarkResult
from rocketaudit.model.target import TargetKind
from rocketaudit.model.verdict import Severity, Verdict

WHERE = Key("node", ("where",))
MAX_NAMED = 12
_TAKES = "; it takes"  # with which reasons of facts go on; here the least privilege is named
_ROOT_MOUNT = "a bootstrap container or superpowered = true; in a pod a read-only hostPath of / (container_t is enough)"
_DEVICES = "a bootstrap container, superpowered = true, or a privileged pod: CAP_SYS_ADMIN and the host's devices"


@dataclass(frozen=True, slots=True)
class Sight:
    """One thing to see: the fact that tells whether it was seen, the least privilege that shows it, and the
    namespaces of facts that hang on it."""

    name: str
    sign: Key
    needs: str
    namespaces: tuple[str, ...]


SIGHTS: tuple[Sight, ...] = (
    Sight("raw disk", Key("sight", ("raw_disk",)), _DEVICES, ("verity", "integrity")),
    Sight("host files", Key("sight", ("host_files",)), _ROOT_MOUNT, ("file", "made_file", "config", "user", "users")),
    Sight("device-mapper table and status", Key("dm", ("root",), "table"), _DEVICES, ("dm",)),
    Sight("mounts", Key("mount", ("/",), "options"), _ROOT_MOUNT, ("mount", "cover")),
    Sight("kernel lockdown", Key("lockdown", ("mode",)), _ROOT_MOUNT, ("lockdown",)),
    Sight("SELinux state", Key("selinux", ("mode",)), _ROOT_MOUNT, ("selinux",)),
    Sight("Secure Boot state", Key("secure_boot", ("enabled",)), _ROOT_MOUNT, ("secure_boot",)),
    Sight("units", Key("units", ("running",)), "any host container; in a pod a hostPath of /sys/fs/cgroup", ("unit",)),
    Sight(
        "host network",
        Key("listening", ("sockets",)),
        "any host container; in a pod hostNetwork: true",
        ("sysctl", "listening", "iptables", "ip6tables"),
    ),
    Sight(
        "API",
        Key("settings", ("api",)),
        "any host container; in a pod a hostPath of /run/api.sock and seLinuxOptions type control_t",
        ("setting", "update", "os", "own_check"),
    ),
)


def node_view(evidence: Evidence, benchmarks: Sequence[BenchmarkResult]) -> Mapping[str, str] | None:
    """Lines for the report: `node:where`, `node:sees`, and `node:hidden:<what>` with why, what it takes, which rules.

    None for what is no node.
    """
    if evidence.target.kind is not TargetKind.NODE:
        return None
    where = evidence.get(WHERE, Plane.RUNTIME)
    lines = {"node:where": str(where.value) if where.state is State.PRESENT else "unknown"}
    seen = [sight.name for sight in SIGHTS if _sign(evidence, sight).state is not State.UNREAD]
    lines["node:sees"] = ", ".join(seen) or "nothing but the kernel's own tables"
    undecided = dict(_undecided(benchmarks))
    for sight in SIGHTS:
        sign = _sign(evidence, sight)
        if sign.state is State.UNREAD:
            rules = [rule for rule, spaces in undecided.items() if spaces & set(sight.namespaces)]
            text = f"{sign.reason.partition(_TAKES)[0]}; it takes {sight.needs}"
            lines[f"node:hidden:{sight.name}"] = text + (f"; undecided: {_named(rules)}" if rules else "")
    return lines


def _sign(evidence: Evidence, sight: Sight) -> Fact:
    return evidence.get(sight.sign, Plane.RUNTIME)


def _undecided(benchmarks: Sequence[BenchmarkResult]) -> Iterable[tuple[str, set[str]]]:
    """Undecided rules and the namespaces of the facts that they lack."""
    for benchmark in benchmarks:
        for result in benchmark.results:
            if result.verdict is Verdict.UNKNOWN:
                lacks = {fact.key.namespace for fact in result.outcome.facts if fact.state is State.UNREAD}
                yield result.rule.id, lacks or {"file"}


def _named(rules: list[str]) -> str:
    more = f" and {len(rules) - MAX_NAMED} more" if len(rules) > MAX_NAMED else ""
    return ", ".join(rules[:MAX_NAMED]) + more


def node_findings(evidence: Evidence) -> tuple[Finding, ...]:
    """What is odd about a running node: corruption that the kernel met, hidden parts of the root, weak privileges."""
    if evidence.target.kind is not TargetKind.NODE:
        return ()
    found = (_status, _covers, _view, _arguments, _next_boot, _powers)
    return tuple(finding for look in found for finding in look(evidence))


def _status(evidence: Evidence) -> Iterable[Finding]:
    fact = evidence.get(Key("dm", ("root",), "status"), Plane.RUNTIME)
    values = fact.value if isinstance(fact.value, tuple) else ()
    if any(str(value) == "verity C" for value in values):
        title = "the kernel has met corrupt blocks of the root since it started"
        yield Finding("verity-met-corruption", Severity.CRITICAL, title, fact.where, "status C", (fact,))
    elif any(str(value) == "verity V" for value in values):
        title = "verity status V: nothing bad has been read yet, which is no word on what was not read"
        yield Finding("verity-status-is-no-proof", Severity.INFO, title, fact.where, "status V", (fact,))


def _covers(evidence: Evidence) -> Iterable[Finding]:
    for fact in evidence.find("cover", Plane.RUNTIME):
        point = fact.key.subject[0]
        if fact.key.attribute == "added":
            names = fact.value if isinstance(fact.value, tuple) else ()
            if names:
                detail = ", ".join(str(name) for name in names[:20])
                title = f"an overlay adds {len(names)} entries over the protected {point}"
                yield Finding("overlay-hides-protected", Severity.MEDIUM, title, _at(fact, point), detail, (fact,))
            continue
        expected = str(fact.value).startswith("expected")
        severity = Severity.INFO if expected else Severity.HIGH
        what = "what the kernel shows in" if point.startswith(("/proc", "/sys")) else "the protected"
        title = f"a mount hides {what} {point}"
        yield Finding("mount-hides-protected", severity, title, _at(fact, point), str(fact.value), (fact,))


def _view(evidence: Evidence) -> Iterable[Finding]:
    for name, what in (("hidden", "does not show what is on the disk"), ("added", "shows what is not on the disk")):
        fact = evidence.get(Key("mounted_view", (name,)), Plane.RUNTIME)
        if isinstance(fact.value, tuple) and fact.value:
            names = ", ".join(str(one) for one in fact.value[:20])
            title = f"the mounted root {what}: {len(fact.value)} entries"
            yield Finding(f"mounted-view-{name}", Severity.CRITICAL, title, fact.where, names, (fact,))


def _at(fact: Fact, path: str) -> Locator:
    return Locator(fact.where.source, fact.scope, path)


def _arguments(evidence: Evidence) -> Iterable[Finding]:
    for name, what in (("added", "got arguments that its boot file does not state"), ("missing", "lacks arguments")):
        fact = evidence.get(Key("kernel_command_line", (name,)), Plane.RUNTIME)
        if isinstance(fact.value, tuple) and fact.value:
            names = ", ".join(str(one) for one in fact.value[:20])
            title = f"the running kernel {what}"
            yield Finding(f"kernel-arguments-{name}", Severity.MEDIUM, title, fact.where, names, (fact,))


def _next_boot(evidence: Evidence) -> Iterable[Finding]:
    """After an update another bank boots next than the one that was judged."""
    banks = () if evidence.disk is None else evidence.disk.banks
    following = next((bank for bank in banks if bank.boots_next), None)
    if following is not None and following.scope != evidence.judged:
        title = f"the next start takes another bank ({following.scope}) than the one that runs now"
        yield Finding("other-bank-boots-next", Severity.MEDIUM, title, Locator(evidence.target.name, following.scope))


def _powers(evidence: Evidence) -> Iterable[Finding]:
    where = evidence.get(WHERE, Plane.RUNTIME)
    if "superpowers" in str(where.value) or "admin" in str(where.value) or "privileged" in str(where.value):
        title = "this audit ran with the rights of the host: take them away again when they are not needed"
        yield Finding("audit-is-privileged", Severity.LOW, title, where.where, str(where.value), (where,))
