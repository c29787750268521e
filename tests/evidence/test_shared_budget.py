"""A bound of a scan holds for all its processes together, not for each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rocketaudit.errors import BudgetError
from rocketaudit.evidence.schedule import FailureKind, WorkerFailure, run_tasks
from rocketaudit.evidence.shared_budget import SharedBudget
from rocketaudit.model.budget import Budget

pytestmark = pytest.mark.own_process
MIB = 1 << 20


def counting(budget: Budget, how: str) -> Callable[[int], None]:
    return {"produced": budget.produce, "given": budget.give, "holes": budget.skip}[how]


def budget_of_20_mib(how: str) -> Budget:
    if how == "holes":
        return Budget(max_holes=20 * MIB)
    budget = Budget(max_bytes=20 * MIB)
    if how == "given":
        budget.allow(5 * MIB)
    return budget


def spend(budget: Budget, counts: list[int], *, how: str, workers: int) -> list[int | WorkerFailure]:
    """What each task gave: it produces its count in steps of 4 KiB, in one of the workers."""
    shared = SharedBudget(budget)

    def work(_: None, count: int) -> int:
        for _step in range(count >> 12):
            counting(budget, how)(1 << 12)
        return count

    try:
        return [outcome for _, outcome in run_tasks(counts, work, start=shared.join, workers=workers)]
    finally:
        shared.close()


@pytest.mark.parametrize("how", ["produced", "given", "holes"])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_what_all_workers_count_together_meets_the_bound(how: str, workers: int) -> None:
    budget = budget_of_20_mib(how)
    assert spend(budget, [MIB] * 16, how=how, workers=workers) == [MIB] * 16
    failed = [one for one in spend(budget, [MIB] * 16, how=how, workers=workers) if isinstance(one, WorkerFailure)]
    assert failed
    assert {(one.kind, one.error) for one in failed} == {(FailureKind.RAISED, "BudgetError")}
    with pytest.raises(BudgetError):
        counting(budget, how)(8 * MIB)


def test_what_the_parent_has_spent_counts_for_its_workers() -> None:
    budget = Budget(max_bytes=20 * MIB)
    budget.produce(19 * MIB)
    outcomes = spend(budget, [MIB // 2] * 6, how="produced", workers=2)
    assert any(isinstance(one, WorkerFailure) for one in outcomes)


def test_a_file_system_may_give_out_four_times_its_size() -> None:
    budget = Budget(max_bytes=MIB)
    budget.allow(4 * MIB)
    budget.give(16 * MIB)
    with pytest.raises(BudgetError, match="bytes of files in this scan"):
        budget.give(1)


def test_many_small_pieces_cost_as_much_as_their_blocks() -> None:
    budget = Budget(max_bytes=16 * MIB, max_holes=MIB)
    for _ in range(256):
        budget.give(1)
        budget.skip(1)
    with pytest.raises(BudgetError):
        budget.give(1)
    with pytest.raises(BudgetError):
        budget.skip(1)


def test_a_bound_that_is_never_met_costs_no_look_at_the_others() -> None:
    budget = Budget()
    shared = SharedBudget(budget)
    budget.produce(1)
    looked = budget._look_at
    budget.produce(10 * MIB)
    assert budget._look_at == looked > 32 * MIB
    shared.close()
    assert budget.spent_bytes == 10 * MIB + 1
