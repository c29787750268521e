"""Every error that rocketaudit raises on purpose; anything else is a bug and shows its traceback.

RocketauditError
  UsageError             the command line, a policy or a rule file is wrong        (exit 2)
  SourceError            a target, or a part of it, could not be opened or read    (exit 3)
    EntryNotFoundError   the path does not exist (also a FileNotFoundError)
    NotCoveredError      nobody looked there, so neither presence nor absence is known
  FormatError            bytes are not what their format says                      (exit 3)
    UnsupportedError     well-formed, but a feature that we do not read
    TruncatedError       the bytes end before the structure does
    BudgetError          reading on would exceed a bound of this scan
  TrustError             a signature, key or signed document does not hold
  MissingLibraryError    an optional library that a check needs is not installed
"""

from __future__ import annotations


class RocketauditError(Exception):
    """Base of the tree; `hint` says what the user can do."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(RocketauditError):
    """The user's own input (arguments, policy, rules) cannot be used."""


class SourceError(RocketauditError):
    """A target, or a named part of it, could not be opened or read."""


class EntryNotFoundError(SourceError, FileNotFoundError):
    """The path does not exist in a tree that was readable."""


class NotCoveredError(SourceError):
    """The place lies outside what was looked at."""


class FormatError(RocketauditError):
    """Bytes from the target contradict their format; `offset` is the byte where."""

    def __init__(self, message: str, *, offset: int | None = None, hint: str | None = None) -> None:
        super().__init__(message if offset is None else f"{message} (byte {offset})", hint=hint)
        self.offset = offset


class UnsupportedError(FormatError):
    """The bytes are well-formed but use a feature that we do not read; the message names it."""


class TruncatedError(FormatError):
    """The bytes end before the structure that they announce."""


class BudgetError(FormatError):
    """Reading on would exceed a bound of this scan (a bomb, a loop or a very large target)."""


class TrustError(RocketauditError):
    """A signature, a key or a signed document does not hold."""


class MissingLibraryError(RocketauditError):
    """An optional library that a check needs is not installed; the message says how to get it."""
