"""What an update repository says of a release, as answers to fixed questions."""

from __future__ import annotations

from enum import StrEnum

from rocketaudit.model.records import dataclass


class AnswerState(StrEnum):
    """`unknown`: the metadata that were given do not say; never the same as `fine`."""

    FINE = "fine"
    ATTENTION = "attention"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class UpdateAnswer:
    """One answer. `id` is kebab-case and stable, `scope` a bank or "" for the repository itself.

    `where` names the file that says so.
    """

    id: str
    scope: str
    question: str
    state: AnswerState
    answer: str
    where: str = ""
