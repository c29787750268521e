"""Reading a file of the user's, with a bound."""

from __future__ import annotations

from pathlib import Path

from rocketaudit.errors import SourceError


def read_input(path: Path, limit: int) -> bytes:
    """Up to `limit` bytes of a file; SourceError when it cannot be read or has more."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    if len(data) > limit:
        raise SourceError(f"{path} has more than {limit} bytes")
    return data
