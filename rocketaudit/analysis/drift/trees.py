"""dm-verity trees: who states what of each bank, and what recomputing gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from rocketaudit.analysis.drift.sides import Sides, difference, not_comparable, place, unreadable
from rocketaudit.model.bank_verity import BankVerity, Statement
from rocketaudit.model.change import Change
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import JsonValue, Locator
from rocketaudit.model.target import TargetKind
from rocketaudit.model.verity import TreeCheck, TreeVerdict

AREA = "integrity"
_PARAMETERS = (
    "root_hash", "salt", "algorithm", "hash_type", "data_blocks", "data_block_size", "hash_block_size",
    "hash_start_block", "options",
)  # fmt: skip
_SHOWN = 8


def compare_verity(sides: Sides) -> Iterator[Change]:
    """What each bank's tree is stated to be, and whether it holds."""
    one = {bank.scope: bank for bank in sides.before.verity}
    two = {bank.scope: bank for bank in sides.after.verity}
    both_images = sides.before.target.kind is sides.after.target.kind is TargetKind.IMAGE
    for label, before, after in sides.scopes:
        left, right = one.get(before or ""), two.get(after or "")
        where = (place(sides.before, before), place(sides.after, after))
        if left is None and right is None:
            continue
        if not both_images:
            yield from _agreed(label, left, right, where, same_kind=sides.same_kind)
        elif _is_filled(left) != _is_filled(right):
            yield from difference(AREA, label, "tree", _state(left), _state(right), where)
        elif left is not None and right is not None and left.populated:
            yield from _statements(label, left, right, where)
            yield from _stored(label, left, right, where)
            yield from _checks(label, left, right, where)


def _agreed(
    label: str, left: BankVerity | None, right: BankVerity | None, where: tuple[Locator, Locator], *, same_kind: bool
) -> Iterator[Change]:
    """What two sides of different kinds state: each in places of its own, so only what binds its kernel is compared."""
    one, two = _binding(left), _binding(right)
    if one is None or two is None:
        why = "one side has no hash tree at hand"
        if same_kind:
            yield unreadable(AREA, label, "tree", _text(one), _text(two), where, why)
        else:
            yield not_comparable(AREA, label, "tree", where, why)
        return
    for name in _PARAMETERS:
        before, after = getattr(one.parameters, name), getattr(two.parameters, name)
        yield from difference(AREA, f"{label}:what binds the kernel", name, before, after, where)
    old, new = _verdict(left), _verdict(right)
    if TreeVerdict.CORRUPT.value in (old, new):  # a side that recomputed nothing has no verdict to differ
        yield from difference(AREA, label, "verdict", old, new, where)


def _verdict(bank: BankVerity | None) -> str | None:
    return None if bank is None or bank.check is None else bank.check.verdict.value


def _binding(bank: BankVerity | None) -> Statement | None:
    stated = () if bank is None else bank.statements
    return next((statement for statement in stated if statement.binds_kernel), None)


def binding_of(evidence: Evidence, scope: str) -> Statement | None:
    """What binds the kernel of a scope to its tree, as its boot text does."""
    return _binding(next((bank for bank in evidence.verity if bank.scope == scope), None))


def _is_filled(bank: BankVerity | None) -> bool:
    return bank is not None and bank.populated


def _state(bank: BankVerity | None) -> JsonValue:
    if bank is None:
        return None
    return "empty" if not bank.populated else "unread" if bank.check is None else bank.check.verdict.value


def _statements(label: str, left: BankVerity, right: BankVerity, where: tuple[Locator, Locator]) -> Iterator[Change]:
    old, new = _by_source(left.statements), _by_source(right.statements)
    for source in sorted(old.keys() | new.keys()):
        before, after = old.get(source), new.get(source)
        subject = f"{label}:{source}"
        if before is None or after is None:
            yield from difference(AREA, subject, "statement", _text(before), _text(after), where)
            continue
        for name in _PARAMETERS:
            values = getattr(before.parameters, name), getattr(after.parameters, name)
            yield from difference(AREA, subject, name, *values, where)
        yield from difference(AREA, subject, "fec", _fec(before), _fec(after), where)
        for name in ("binds_kernel", "problems", "remarks"):
            yield from difference(AREA, subject, name, getattr(before, name), getattr(after, name), where)


def _fec(statement: Statement) -> JsonValue:
    return None if statement.parameters.fec is None else str(statement.parameters.fec)


def _by_source(statements: Iterable[Statement]) -> dict[str, Statement]:
    found: dict[str, Statement] = {}
    seen: Counter[str] = Counter()
    for statement in statements:
        seen[statement.source] += 1
        number = seen[statement.source]
        found[statement.source if number == 1 else f"{statement.source} ({number})"] = statement
    return found


def _text(statement: Statement | None) -> JsonValue:
    if statement is None:
        return None
    stated = statement.parameters
    return f"{stated.algorithm} {stated.root_hash or '(no root hash)'} salt {stated.salt}, {stated.data_blocks} blocks"


def _stored(label: str, left: BankVerity, right: BankVerity, where: tuple[Locator, Locator]) -> Iterator[Change]:
    for name in ("stored_root", "slack", "tree_matches"):
        yield from difference(AREA, label, name, getattr(left, name) or None, getattr(right, name) or None, where)


def _checks(label: str, left: BankVerity, right: BankVerity, where: tuple[Locator, Locator]) -> Iterator[Change]:
    old, new = left.check, right.check
    reasons = [*_unread(left), *_unread(right)]
    if old is None or new is None or TreeVerdict.UNREAD in (old.verdict, new.verdict):
        why = "; ".join(dict.fromkeys(reasons)) or "not recomputed"
        yield unreadable(AREA, label, "recomputed tree", _state(left), _state(right), where, why)
        return
    yield from difference(AREA, label, "verdict", old.verdict.value, new.verdict.value, where)
    if reasons:
        yield unreadable(AREA, label, "blocks", None, None, where, "; ".join(dict.fromkeys(reasons)))
    if old.recomputed_root_hash is not None and new.recomputed_root_hash is not None:
        hashes = old.recomputed_root_hash, new.recomputed_root_hash
        yield from difference(AREA, label, "recomputed_root_hash", *hashes, where)
    pairs = (("bad_blocks", _bad(old), _bad(new)), ("hidden_data", _hidden(old), _hidden(new)))
    for name, before, after in (*pairs, ("unprotected_bytes", _slack(old), _slack(new))):
        yield from difference(AREA, label, name, before, after, where)


def _unread(bank: BankVerity) -> Iterator[str]:
    if bank.unread is not None:
        yield bank.unread
    for hole in () if bank.check is None else bank.check.unread:
        yield f"data blocks {hole.first} to {hole.last}: {hole.reason}"


def _bad(check: TreeCheck) -> JsonValue:
    if not check.bad_blocks_total:
        return None
    first = (f"{bad.level} {bad.block} {bad.observed[:16]}" for bad in check.bad_blocks[:_SHOWN])
    return {"total": check.bad_blocks_total, "first": tuple(first)}


def _hidden(check: TreeCheck) -> JsonValue:
    return {"total": check.hidden_total, "first": check.hidden[:_SHOWN]} if check.hidden_total else None


def _slack(check: TreeCheck) -> JsonValue:
    return (
        tuple(
            f"{slack.count} bytes in {slack.what}, {slack.first} to {slack.last}, {slack.sha256[:16]}"
            for slack in check.slack
        )
        or None
    )


def root_hash(evidence: Evidence, scope: str) -> str | None:
    """The root hash that a bank's statements agree on; None when they do not, or when nobody states one."""
    for bank in evidence.verity:
        if bank.scope == scope:
            stated = {s.parameters.root_hash for s in bank.statements if s.parameters.root_hash}
            return stated.pop() if len(stated) == 1 else None
    return None
