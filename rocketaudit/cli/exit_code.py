"""What a command's exit status means: one place for all commands."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """0 and 1 are verdicts; 2 to 4 say why there is none. 1 wins over 3."""

    MEETS_POLICY = 0
    FAILS_POLICY = 1
    USAGE = 2
    UNREAD = 3
    INTERNAL = 4
