"""How the rules of a run differ from those that are shipped: what a reader must know before the score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rocketaudit.model.policy import Tailoring
from rocketaudit.model.rule import Benchmark, Rule

MAX_NAMED = 20


def tailoring_lines(
    untailored: Sequence[Benchmark],
    tailored: Sequence[Benchmark],
    change: Tailoring,
    level: int,
    shipped: Sequence[str] = (),
) -> tuple[str, ...]:
    """One line for each kind of change, with the rules that it touches; empty when the rules are as shipped.

    `shipped` are the ids of our own benchmarks; empty: all are taken for such.
    """
    foreign = [one.id for one in tailored if shipped and one.id not in shipped]
    own = (f"rules of your own: {_named(foreign)}",) if foreign else ()
    return (*own, *_lines(untailored, tailored, change, level))


def _lines(
    untailored: Sequence[Benchmark], tailored: Sequence[Benchmark], change: Tailoring, level: int
) -> Iterator[str]:
    before, after = (_by_id(benchmarks) for benchmarks in (untailored, tailored))
    left_out = [rule for rule in before if rule not in after]
    if left_out:
        yield f"{len(left_out)} of {len(before)} rules are left out: {_named(left_out)}"
    moved = [f"{name} ({before[name].level} to {rule.level})" for name, rule in after.items() if _moved(before, rule)]
    if moved:
        yield f"levels changed: {_named(moved)}"
    values = [
        f"{name} ({', '.join(f'{key} {_text(value)}' for key, value in given.items())})"
        for name, given in change.values.items()
        if name in after
    ]
    if values:
        yield f"values changed: {_named(values)}"
    above = [name for name, rule in after.items() if rule.level > level]
    if above:
        yield f"{len(above)} rules above level {level} were not judged"


def _by_id(benchmarks: Sequence[Benchmark]) -> dict[str, Rule]:
    return {rule.id: rule for benchmark in benchmarks for rule in benchmark.rules}


def _moved(before: dict[str, Rule], rule: Rule) -> bool:
    return before[rule.id].level != rule.level


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
