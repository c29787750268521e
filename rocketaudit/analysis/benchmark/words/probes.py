"""Named checks for what no word can say: `probe: name`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from rocketaudit.analysis.benchmark.asking import per_plane
from rocketaudit.analysis.benchmark.words.files import short_path
from rocketaudit.analysis.benchmark.words.firewall import default_deny, established, firewall_keys, loopback
from rocketaudit.errors import UsageError
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, Key, Plane, State
from rocketaudit.model.files import FileRecord
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Outcome, Verdict

Evaluate = Callable[[Evidence, tuple[Plane, ...], str], Outcome]

CLOCK = Key("clock", ("as_of",))
SOON = timedelta(days=30)
_CHRONY = tuple(
    Key("config", ("/etc/chrony.conf", name), "directives") for name in ("pool", "server", "peer", "refclock")
)
_CHRONY_THERE = Key("config", ("/etc/chrony.conf", ""), "directives")
_ROOT_EXPIRES = Key("update_root", ("root",), "expires")
_UNLISTED = Key("modules", ("unlisted",))
_INVENTORY = tuple(Key("inventory", (name,)) for name in ("packages", "problems"))
_JOURNAL = "/var/log/journal"
_EARLIEST = Key("ca_bundle", ("system",), "earliest_expiry")
_PASSWORDS = Key("user", ("*",), "password")
_SHELLS = Key("user", ("*",), "shell")
_NO_LOGIN = frozenset(
    {"", "/sbin/nologin", "/usr/sbin/nologin", "/bin/false", "/usr/bin/false", "/bin/true", "/bin/sync"}
)


@dataclass(frozen=True, slots=True)
class Probe:
    """One named check; `wants` are the keys that it may ask for."""

    name: str
    wants: tuple[Key, ...]
    function: Evaluate

    @classmethod
    def of(cls, raw: object) -> Probe:
        found = next((probe for probe in PROBES if probe.name == raw), None)
        if found is None:
            raise UsageError(f"probe: there is no {raw!r}; known are {', '.join(probe.name for probe in PROBES)}")
        return found

    def needs(self) -> tuple[Key, ...]:
        return self.wants

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        return self.function(evidence, planes, scope)


def _unknown(fact: Fact) -> Outcome:
    return Outcome(Verdict.UNKNOWN, f"{fact.key}: {fact.reason or 'is not there'}", (fact,))


def chrony_sources(evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
    """At least one time source of any kind is configured; a comment is none, an unread file is unknown."""

    def on(plane: Plane) -> Outcome | None:
        there = evidence.get(_CHRONY_THERE, plane, scope)
        if plane is Plane.RUNTIME and there.state is State.UNREAD:
            return None if Plane.STATIC in planes else _unknown(there)
        if there.state is State.UNREAD:
            return _unknown(there)
        if there.state is State.ABSENT:
            return Outcome(Verdict.UNKNOWN, "/etc/chrony.conf is not in this image and no template for it", (there,))
        facts = tuple(evidence.get(key, plane, scope) for key in _CHRONY)
        named = [fact for fact in facts if fact.state is State.PRESENT and fact.value]
        if named:
            kinds = ", ".join(fact.key.subject[1] for fact in named)
            return Outcome(Verdict.PASS, f"chrony takes its time from: {kinds} ({there.where})", tuple(named))
        unread = [fact for fact in facts if fact.state is State.UNREAD]
        if unread:
            return _unknown(unread[0])
        return Outcome(Verdict.FAIL, f"no pool, server, peer or refclock ({there.where})", facts)

    return per_plane(planes, on)


def update_root_current(evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG001
    """The update repository's root of trust has not expired."""
    return _not_expired(evidence, scope, _ROOT_EXPIRES, "the root of the update repository")


def ca_bundle_current(evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG001
    """No certificate authority of the bundle has expired."""
    return _not_expired(evidence, scope, _EARLIEST, "the first certificate authority")


def _not_expired(evidence: Evidence, scope: str, key: Key, what: str) -> Outcome:
    expires = evidence.get(key, Plane.STATIC, scope)
    clock = evidence.get(CLOCK, Plane.STATIC, "")
    if expires.state is not State.PRESENT:
        return _unknown(expires)
    if clock.state is not State.PRESENT:
        return _unknown(clock)
    try:
        end, today = (date.fromisoformat(str(fact.value)[:10]) for fact in (expires, clock))
    except ValueError:
        return Outcome(Verdict.UNKNOWN, f"{key} is {expires.value!r}, which is no date", (expires,))
    if end < today:
        return Outcome(Verdict.FAIL, f"{what} expired on {end} ({expires.where})", (expires, clock))
    soon = ", within 30 days" if end - today < SOON else ""
    return Outcome(Verdict.PASS, f"{what} expires on {end}{soon} ({expires.where})", (expires, clock))


def modules_listed(evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG001
    """Every module file was there when depmod ran: one that was added later is not in modules.dep."""
    fact = evidence.get(_UNLISTED, Plane.STATIC, scope)
    if fact.state is not State.PRESENT or not isinstance(fact.value, tuple):
        return _unknown(fact)
    if fact.value:
        names = ", ".join(short_path(str(name)) for name in fact.value[:10])
        return Outcome(Verdict.FAIL, f"{len(fact.value)} modules are in no modules.dep: {names}", (fact,))
    return Outcome(Verdict.PASS, f"every module file is in modules.dep ({fact.where})", (fact,))


def inventory_readable(evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG001
    """The image lists its packages, and every row can be read."""
    count, problems = (evidence.get(key, Plane.STATIC, scope) for key in _INVENTORY)
    if count.state is State.ABSENT:
        return Outcome(Verdict.FAIL, f"the image has no inventory of its packages ({count.where})", (count,))
    if count.state is State.UNREAD:
        return _unknown(count)
    if problems.state is State.PRESENT and problems.value:
        return Outcome(Verdict.FAIL, f"rows of the inventory cannot be read: {problems.value}", (count, problems))
    if not count.value:
        return Outcome(Verdict.FAIL, f"the inventory is empty ({count.where})", (count,))
    return Outcome(Verdict.PASS, f"{count.value} packages ({count.where})", (count,))


def journal_private(evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG001
    """No file or folder of the journal can be read by others, or written by its group."""
    reason = evidence.gap_of(_JOURNAL, scope)
    root = evidence.resolve(_JOURNAL, scope)
    if reason is not None or root is None:
        return Outcome(Verdict.UNKNOWN, f"{_JOURNAL}: {reason or 'a loop of links'}")
    inside = [one for one in evidence.scope_files(scope) if one.path == root or one.path.startswith(f"{root}/")]
    hidden = [gap for gap in evidence.gaps if gap.scope == scope and gap.path.startswith(root)]
    kinds = (FileType.REGULAR, FileType.DIRECTORY)
    facts = tuple(_mode_fact(evidence, one) for one in inside if one.type in kinds and one.mode & _too_open(one))
    if facts:
        names = ", ".join(f"{fact.key.subject[0]} ({fact.value})" for fact in facts[:10])
        return Outcome(Verdict.FAIL, f"{len(facts)} entries of the journal are too open: {names}", facts[:50])
    if hidden:
        return Outcome(Verdict.UNKNOWN, f"{hidden[0].path}: {hidden[0].reason}")
    files = [one for one in inside if one.type is FileType.REGULAR]
    if not files:
        return Outcome(Verdict.UNKNOWN, f"{_JOURNAL} holds no file: there was nothing to check")
    facts = tuple(_mode_fact(evidence, one) for one in files[:10])
    return Outcome(Verdict.PASS, f"none of {len(files)} journal files is open to others", facts)


def _too_open(record: FileRecord) -> int:
    return 0o027 if record.type is FileType.REGULAR else 0o002


def _mode_fact(evidence: Evidence, record: FileRecord) -> Fact:
    return evidence.get(Key("file", (record.path,), "mode"), Plane.STATIC, record.scope)


def no_passwords(evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG001
    """No account has a password, least of all an empty one."""
    return _accounts(evidence, scope, "password", lambda value: value == "locked", "can log in with a password")


def no_login_shells(evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG001
    """No account has a login shell that exists in the image."""

    def good(value: str) -> bool:
        return value in _NO_LOGIN or evidence.is_known_absent(value, scope)

    return _accounts(evidence, scope, "shell", good, "has a shell that exists")


def _accounts(evidence: Evidence, scope: str, attribute: str, good: Callable[[str], bool], what: str) -> Outcome:
    facts = [fact for fact in evidence.find("user", Plane.STATIC, scope) if fact.key.attribute == attribute]
    bad = tuple(fact for fact in facts if fact.state is State.PRESENT and not good(str(fact.value)))
    if bad:
        names = ", ".join(f"{fact.key.subject[0]} ({fact.value})" for fact in bad[:10])
        return Outcome(Verdict.FAIL, f"{what}: {names}", bad[:50])
    unread = [fact for fact in facts if fact.state is State.UNREAD]
    if unread or not facts:
        return _unknown(unread[0]) if unread else Outcome(Verdict.UNKNOWN, "no list of accounts was read")
    return Outcome(Verdict.PASS, f"none of {len(facts)} accounts {what}", tuple(facts[:10]))


def no_writable_socket(evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG001
    """Every socket that a unit makes is closed to other users."""
    facts = [fact for fact in evidence.find("unit", Plane.STATIC, scope) if fact.key.attribute == "socket_mode"]
    bad = []
    for fact in facts:
        listens = evidence.get(Key("unit", fact.key.subject, "listens"), Plane.STATIC, scope).value
        is_file = isinstance(listens, tuple) and any(str(one).startswith("/") for one in listens)
        digits = str(fact.value)
        if fact.state is not State.PRESENT:
            continue
        if not digits.isdigit() or (is_file and int(digits, 8) & 0o007):
            bad.append(fact)
    known = evidence.get(Key("unit", ("covered.socket",), "state"), Plane.STATIC, scope)
    if bad:
        names = ", ".join(f"{fact.key.subject[0]} ({fact.value})" for fact in bad[:10])
        return Outcome(Verdict.FAIL, f"open to every user: {names}", tuple(bad))
    unread = [fact for fact in (*facts, known) if fact.state is State.UNREAD]
    if unread:
        return _unknown(unread[0])
    return Outcome(Verdict.PASS, f"none of {len(facts)} sockets is open to every user", tuple(facts[:10]) or (known,))


def superpowers(evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
    """Host containers other than the admin container have no superpowers, or are off; that one has its own rule."""
    plane = Plane.RUNTIME if Plane.RUNTIME in planes else Plane.STATIC
    facts = [fact for fact in evidence.find("setting", plane, scope) if _is_host_container(fact, "superpowered")]
    covered = evidence.get(Key("setting", ("host-containers", "covered", "superpowered")), plane, scope)
    bad, unread = [], [covered] if covered.state is State.UNREAD else []
    for fact in facts:
        name = fact.key.subject[1]
        enabled = evidence.get(Key("setting", ("host-containers", name, "enabled")), plane, scope)
        is_off = enabled.state is State.ABSENT or (enabled.state is State.PRESENT and enabled.value is False)
        if name == "admin" or is_off or (fact.state is State.PRESENT and fact.value is False):
            continue
        if fact.state is State.PRESENT and enabled.state is State.PRESENT:
            bad.append(fact)
        else:
            unread.append(fact if fact.state is not State.PRESENT else enabled)
    if bad:
        names = ", ".join(fact.key.subject[1] for fact in bad[:10])
        return Outcome(Verdict.FAIL, f"on, with superpowers: {names} ({bad[0].where})", tuple(bad[:50]))
    if unread:
        return _unknown(unread[0])
    seen = tuple(facts[:10]) or (covered,)
    return Outcome(Verdict.PASS, f"none of {len(facts)} host containers but admin may have superpowers", seen)


def _is_host_container(fact: Fact, name: str) -> bool:
    subject = fact.key.subject
    return len(subject) == 3 and subject[0] == "host-containers" and subject[2] == name


def other_bank(evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG001
    """The bank that does not boot next is empty or sound: it is what a fallback would start."""
    key = Key("integrity", ("*",), "verdict")
    del key
    banks = [fact for fact in evidence.facts if fact.key.namespace == "integrity" and fact.key.attribute == "verdict"]
    others = [fact for fact in banks if fact.key.subject[0] not in (scope, "image")]
    if not others:
        if not banks:
            return Outcome(Verdict.UNKNOWN, "no bank was judged")
        return Outcome(Verdict.NOT_APPLICABLE, "there is no other bank", tuple(banks))
    for fact in others:
        populated = evidence.get(Key("integrity", fact.key.subject, "populated"), Plane.STATIC, fact.scope)
        if populated.state is State.PRESENT and populated.value is False:
            continue
        if fact.state is State.UNREAD:
            return _unknown(fact)
        if fact.value == "broken":
            return Outcome(Verdict.FAIL, f"{fact.key.subject[0]} is broken: it must not be started", (fact,))
    names = ", ".join(fact.key.subject[0] for fact in others)
    return Outcome(Verdict.PASS, f"{names}: empty, or its tree holds", tuple(others))


def _firewall(evaluate: Callable[[Evidence, str, str], Outcome], family: str) -> Evaluate:
    return lambda evidence, _, scope: evaluate(evidence, scope, family)


_FAMILIES = (("ipv4", "iptables"), ("ipv6", "ip6tables"))


PROBES: tuple[Probe, ...] = (
    Probe("chrony_sources", (*_CHRONY, _CHRONY_THERE), chrony_sources),
    Probe("update_root_current", (_ROOT_EXPIRES, CLOCK), update_root_current),
    Probe("ca_bundle_current", (_EARLIEST, CLOCK), ca_bundle_current),
    Probe("modules_listed", (_UNLISTED,), modules_listed),
    Probe("inventory_readable", _INVENTORY, inventory_readable),
    Probe("journal_private", (Key("file", (_JOURNAL,), "mode"),), journal_private),
    Probe("no_passwords", (_PASSWORDS,), no_passwords),
    Probe("no_login_shells", (_SHELLS,), no_login_shells),
    Probe("no_writable_socket", (Key("unit", ("*",), "socket_mode"),), no_writable_socket),
    Probe(
        "superpowers",
        tuple(Key("setting", ("host-containers", "*", name)) for name in ("superpowered", "enabled")),
        superpowers,
    ),
    Probe("other_bank", (Key("integrity", ("*",), "verdict"),), other_bank),
    *(
        Probe(f"{family}_default_deny", firewall_keys(table), _firewall(default_deny, table))
        for family, table in _FAMILIES
    ),
    *(Probe(f"{family}_loopback", firewall_keys(table), _firewall(loopback, table)) for family, table in _FAMILIES),
    *(
        Probe(f"{family}_established", firewall_keys(table), _firewall(established, table))
        for family, table in _FAMILIES
    ),
)
