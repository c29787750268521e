"""What a word of the vocabulary is to the loader: a way from its arguments to a check."""

from __future__ import annotations

from collections.abc import Callable

from rocketaudit.model.rule import Check

Word = Callable[[object], Check]
