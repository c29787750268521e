"""Two large evidence files are parsed by another process while this one loads what judges them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rocketaudit.cli.input_file import read_input
from rocketaudit.errors import RocketauditError
from rocketaudit.evidence.background import can_fork, in_background
from rocketaudit.model.records import dataclass
from rocketaudit.model.schemas import EVIDENCE_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE = 1 << 20  # bytes of JSON, which take longer to parse than a process to start
MAX_FILE = 1 << 30
_HEAD = 4096
_SCHEMA = f'"{EVIDENCE_SCHEMA}"'.encode()


@dataclass(frozen=True, slots=True)
class Ahead:
    """Both files, and what gives their values, packed; a FormatError of theirs is raised when it is asked for."""

    paths: tuple[Path, Path]
    data: tuple[bytes, bytes]
    packed: Callable[[], bytes]


@contextmanager
def read_ahead(baseline: str, current: str) -> Iterator[Ahead | None]:
    """Begin to parse both sides elsewhere, where both are large evidence files; None in other cases.

    Of a file that cannot be read whoever opens it next will say so.
    """
    paths = Path(baseline), Path(current)
    found = _read(paths) if can_fork() and all(_is_large(path) for path in paths) else None
    if found is None:
        yield None
        return
    one, two = found
    packed = in_background(lambda: _packed(one, two))
    is_taken = False

    def take() -> bytes:
        nonlocal is_taken
        is_taken = True
        return packed()

    try:
        yield Ahead(paths, found, take)
    finally:
        if not is_taken:  # so that nobody waits for ever to hand it over
            with suppress(RocketauditError):
                packed()


def _read(paths: tuple[Path, Path]) -> tuple[bytes, bytes] | None:
    try:
        one, two = (read_input(path, MAX_FILE) for path in paths)
    except RocketauditError:
        return None
    return (one, two) if _SCHEMA in one[:_HEAD] and _SCHEMA in two[:_HEAD] else None


def _is_large(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size >= LARGE
    except OSError:
        return False


def _packed(one: bytes, two: bytes) -> bytes:
    from rocketaudit.formats.evidence_file import parse_evidence
    from rocketaudit.formats.evidence_pair import pack

    return pack(parse_evidence(one), parse_evidence(two))
