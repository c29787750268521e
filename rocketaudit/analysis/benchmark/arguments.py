"""The arguments of a word, taken one by one; what is missing, of a wrong type or left over is named."""

from __future__ import annotations

from collections.abc import Mapping

from rocketaudit.errors import UsageError
from rocketaudit.model.verdict import Verdict

_VERDICTS = {"pass": Verdict.PASS, "fail": Verdict.FAIL, "not_applicable": Verdict.NOT_APPLICABLE}


class Arguments:
    """One mapping out of YAML. `word` names it in messages; every `take_*` uses an argument up."""

    def __init__(self, word: str, raw: object) -> None:
        if not isinstance(raw, Mapping) or not all(isinstance(name, str) for name in raw):
            raise UsageError(f"{word}: expected arguments (name: value), found {describe(raw)}")
        self.word = word
        self.left = dict(raw)

    def has(self, name: str) -> bool:
        return name in self.left

    def take(self, name: str) -> object:
        if name not in self.left:
            raise UsageError(f"{self.word}: {name!r} is missing")
        return self.left.pop(name)

    def text(self, name: str, default: str | None = None) -> str:
        if default is not None and name not in self.left:
            return default
        value = self.take(name)
        if not isinstance(value, str) or not value:
            raise UsageError(f"{self.word}: {name!r} must be text, found {describe(value)}")
        return value

    def number(self, name: str, default: int | None = None) -> int:
        if default is not None and name not in self.left:
            return default
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise UsageError(f"{self.word}: {name!r} must be a whole number, found {describe(value)}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        if name not in self.left:
            return default
        value = self.take(name)
        if not isinstance(value, bool):
            raise UsageError(f"{self.word}: {name!r} must be true or false, found {describe(value)}")
        return value

    def texts(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of texts, numbers or true/false, all as text; never empty."""
        if default is not None and name not in self.left:
            return default
        value = self.take(name)
        if not isinstance(value, list) or not value:
            raise UsageError(f"{self.word}: {name!r} must be a list, found {describe(value)}")
        return tuple(as_text(item) for item in value)

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(name, default)
        if value not in choices:
            raise UsageError(f"{self.word}: {name!r} is {value!r}; it may be {', '.join(choices)}")
        return value

    def verdict(self, name: str, default: Verdict | None = None) -> Verdict | None:
        """pass, fail or not_applicable; `default` (None: unknown) when it is not given."""
        if name not in self.left:
            return default
        return _VERDICTS[self.choice(name, tuple(_VERDICTS))]

    def end(self) -> None:
        """UsageError for arguments that nobody took."""
        if self.left:
            raise UsageError(f"{self.word}: it does not know {', '.join(sorted(map(repr, self.left)))}")


def as_text(value: object) -> str:
    """How a value of a file is compared: true and false in small letters, numbers in decimals."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float():
            return str(value)
        case None:
            return ""
        case _:
            raise UsageError(f"expected text or a number, found {describe(value)}")


def describe(value: object) -> str:
    """A value for a message, short."""
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
