"""Judges each change: whether it follows from what was declared, and how grave it is when it does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase

from rocketaudit.analysis.drift.areas import rank
from rocketaudit.analysis.drift.compare import compare
from rocketaudit.analysis.drift.conditions import Case, InPlace
from rocketaudit.analysis.drift.declared import Claim, Standing, compare_declared, standing_of
from rocketaudit.analysis.drift.relation import relate, same_roots
from rocketaudit.analysis.drift.rulings import ruling_for
from rocketaudit.analysis.drift.sides import line_up
from rocketaudit.analysis.drift.trees import root_hash
from rocketaudit.model.change import Change, Drift, Judgement, Relation
from rocketaudit.model.disk import Bank
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Assurance, Locator
from rocketaudit.model.policy import DriftException, DriftPolicy
from rocketaudit.model.target import Target, TargetKind
from rocketaudit.model.verdict import Severity

FAIL_ON = ("unexpected", "cannot-say", "never")
_ASSURANCE = (Assurance.ASSERTED, Assurance.SIGNED_EVIDENCE, Assurance.DIRECT)
_JUDGEMENTS = (Judgement.UNEXPECTED, Judgement.CANNOT_SAY, Judgement.EXPECTED)
_SEVERITIES = tuple(Severity)
# what makes the rest believable: an exception reaches these areas by name, never by a pattern
GUARDED = frozenset({"integrity", "boot", "banks", "signed-texts", "tuf-root", "partitions"})
SAME_ROOT = (
    "the root hash is the same on both sides, yet protected files differ: one of the sides is not what it states"
)
_OF_AN_UPDATE = {
    Standing.UNDECLARED: "that this is an update is the current side's own word: say that you expect it (--expect)",
    Standing.UNVOUCHED: (
        "nothing vouches for the root hash of this update: whoever can write the unsigned evidence can state any"
        " (--expect-root-hash, or signed evidence and --current-key)"
    ),
    Standing.REFUTED: "this is not the release that was declared, so nothing in it follows from an update",
    Standing.DECLARED: "the update was declared; who built it is for a scan with an anchor of yours to say",
}
_REASONS = {
    "update-undeclared": "nobody declared the update",
    "update-unvouched": "nothing vouches for the root hash of the update",
}


def judge_drift(
    before: Evidence,
    after: Evidence,
    *,
    policy: DriftPolicy,
    today: date,
    results: Iterable[Change] = (),
) -> Drift:
    """The judged difference of two evidence values; a pure function of both.

    `results` are changes of what was concluded from the two sides (rules, scores), which are judged with the rest.
    """
    relation = relate(before, after)
    roots = same_roots(line_up(before, after))
    nodes = [side.target.kind is TargetKind.NODE for side in (before, after)]
    same_kind = before.target.kind is after.target.kind
    in_place = _in_place(before, after) if relation is Relation.UPGRADE and same_kind else None
    claim = Claim(after.target, after.assurance, root_hash(after, after.judged))
    standing = standing_of(relation, claim, policy)
    declared = compare_declared(claim, policy, (Locator(before.target.name), Locator(after.target.name)))
    cases = (
        Case(change, relation, change.subject.partition(":")[0] in roots, nodes[0] != nodes[1], any(nodes), same_kind,
             in_place, standing, policy.share_fall)
        for change in (*declared, *compare(before, after), *results)
    )  # fmt: skip
    lower = lower_assurance(before.assurance, after.assurance)
    return assemble(before.target, after.target, relation, lower, cases, policy=policy, today=today, standing=standing)


def _in_place(before: Evidence, after: Evidence) -> InPlace | None:
    """The bank that boots next is another one than before."""
    old, new = _judged_bank(before), _judged_bank(after)
    if old is None or new is None or old.name == new.name:
        return None
    numbers = (new.boot, new.root, new.hash, new.efi, new.signature)
    partitions = frozenset(str(number) for number in numbers if number is not None)
    return InPlace(f"bank-{old.name}", f"bank-{new.name}", partitions)


def _judged_bank(evidence: Evidence) -> Bank | None:
    banks = () if evidence.disk is None else evidence.disk.banks
    return next((bank for bank in banks if bank.scope == evidence.judged), None)


def assemble(
    baseline: Target,
    current: Target,
    relation: Relation,
    assurance: Assurance,
    cases: Iterable[Case],
    *,
    policy: DriftPolicy,
    today: date,
    standing: Standing = Standing.DECLARED,
) -> Drift:
    """A Drift of judged cases, the gravest first, without what the policy ignores."""
    judged = [_judge(case, policy, today) for case in cases]
    shown = sorted((change for change in judged if change is not None), key=_order)
    counted = Counter(change.judgement.value for change in shown)
    ignored = len(judged) - len(shown)
    return Drift(
        baseline,
        current,
        relation,
        assurance,
        tuple(shown),
        {judgement.value: counted.get(judgement.value, 0) for judgement in Judgement},
        tuple(_notes(relation, standing, shown, ignored, policy, today)),
        ignored,
    )


def decide(drift: Drift, fail_on: str) -> tuple[int, tuple[str, ...]]:
    """(exit code, reasons): 1 when something selected was found, 3 when only parts could not be compared."""
    unexpected = sum(1 for change in drift.changes if change.judgement is Judgement.UNEXPECTED)
    unread = [change for change in drift.changes if change.judgement is Judgement.CANNOT_SAY]
    weighing = [change for change in unread if change.severity is not Severity.INFO]
    if fail_on == "never":
        return 0, ()
    reasons = []
    if unexpected:
        reasons.append(f"{unexpected} unexpected {'change' if unexpected == 1 else 'changes'}")
    if fail_on == "cannot-say" and unread:
        reasons.append(f"of {len(unread)} things nobody can say whether they changed")
    if reasons:
        return 1, tuple(reasons)
    return (3, tuple(_open(weighing))) if weighing else (0, ())


def _open(weighing: Sequence[Change]) -> Iterable[str]:
    """Why nobody can say: what was not declared in words of its own, the rest as a number."""
    named = {change.decided_by for change in weighing} & _REASONS.keys()
    yield from (_REASONS[name] for name in sorted(named))
    damaged = sum(1 for change in weighing if change.decided_by not in _REASONS)
    if damaged:
        yield f"of {damaged} things nobody can say whether they changed"


def lower_assurance(one: Assurance, two: Assurance) -> Assurance:
    return min(one, two, key=_ASSURANCE.index)


def _order(change: Change) -> tuple[int, int, int, str, str]:
    return (
        _JUDGEMENTS.index(change.judgement),
        _SEVERITIES.index(change.severity),
        rank(change.area),
        change.subject,
        change.attribute,
    )


def _judge(case: Case, policy: DriftPolicy, today: date) -> Change | None:
    """The change, judged; None when the policy leaves it out."""
    change = case.change
    ruling = ruling_for(case)
    if not ruling.binding:
        if _exception(policy.ignore, change, today) is not None:
            return None
        allowed = _exception(policy.allow, change, today)
        if allowed is not None and ruling.judgement is Judgement.UNEXPECTED:
            why = f"{allowed.reason} (approved by {allowed.approved_by}, until {allowed.expires})"
            return replace(
                change, judgement=Judgement.EXPECTED, severity=Severity.INFO, decided_by="policy-allow", why=why
            )
    severity = policy.severities.get(ruling.name, policy.severities.get(change.area, ruling.severity))
    if ruling.binding or ruling.judgement is not Judgement.UNEXPECTED:
        severity = ruling.severity
    return replace(
        change,
        judgement=ruling.judgement,
        severity=severity,
        decided_by=ruling.name,
        why=change.why or ruling.why,
    )


def _exception(exceptions: Iterable[DriftException], change: Change, today: date) -> DriftException | None:
    return next((one for one in exceptions if one.expires > today and _covers(one, change)), None)


def _covers(exception: DriftException, change: Change) -> bool:
    subjects = (change.subject, change.subject.partition(":")[2])
    is_named = change.area == exception.area or (change.area not in GUARDED and _fits(change.area, exception.area))
    return (
        is_named
        and _fits(change.attribute, exception.attribute)
        and any(_fits(subject, exception.subject) for subject in subjects)
    )


def _fits(text: str, pattern: str) -> bool:
    """By `*` and `?`; a bracket is one, as in keys that are written as a list."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _notes(
    relation: Relation,
    standing: Standing,
    changes: Sequence[Change],
    ignored: int,
    policy: DriftPolicy,
    today: date,
) -> Iterable[str]:
    if any(change.decided_by == "same-root-hash" for change in changes):
        yield SAME_ROOT
    if relation in (Relation.UPGRADE, Relation.DOWNGRADE):
        yield _OF_AN_UPDATE[standing]
    if ignored:
        yield f"{ignored} {'change was' if ignored == 1 else 'changes were'} left out because the policy ignores them"
    for exception in (*policy.allow, *policy.ignore):
        if exception.expires <= today:
            yield f"an exception of the policy for {exception.area} {exception.subject} expired on {exception.expires}"
