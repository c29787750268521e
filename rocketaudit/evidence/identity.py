"""What a source is: the target as os-release names it, and whether it is still what was opened."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from rocketaudit.errors import RocketauditError
from rocketaudit.model.disk import DiskSummary, Problem
from rocketaudit.model.fact import Fact, Plane, State
from rocketaudit.model.target import Target
from rocketaudit.source.protocol import Source

if TYPE_CHECKING:
    from rocketaudit.evidence.collector import Seen

_YOUNG = 50_000  # objects after which a worker looks for cycles; it makes hardly any, and 700 is each second program


def identified(source: Source, seen: Iterable[Seen]) -> Target:
    """The target with what os-release of the judged root says of it."""
    told = {
        fact.key.subject[0]: str(fact.value)
        for fact in seen
        if isinstance(fact, Fact)
        and fact.key.namespace == "os_release"
        and fact.scope == source.judged
        and fact.plane is Plane.STATIC
        and fact.state is State.PRESENT
    }
    target = source.target
    return replace(
        target,
        os_id=told.get("ID", target.os_id),
        os_name=told.get("PRETTY_NAME", told.get("NAME", target.os_name)),
        variant=told.get("VARIANT_ID", target.variant),
        version=told.get("VERSION_ID", target.version),
        build=told.get("BUILD_ID", target.build),
    )


def begin_content_check(source: Source, workers: int) -> Callable[[], tuple[Problem, ...]]:
    """Begin to compare what was expanded with what its packer noted, elsewhere if there are workers.

    The function returned waits for the problems that were found, an error as one of them.
    """
    check: Callable[[], tuple[Problem, ...]] | None = getattr(source, "check_content", None)
    if check is None or not getattr(source, "has_content_to_check", False):
        return tuple

    def compare() -> tuple[Problem, ...]:
        try:
            return check()
        except RocketauditError as error:
            what = f"the checksum of what was expanded could not be compared: {error.message}"
            return (Problem(what, in_doubt=True),)

    if workers < 2:
        return compare
    from rocketaudit.evidence.background import in_background

    return in_background(compare)


def checked_disk(source: Source, content: Callable[[], tuple[Problem, ...]]) -> DiskSummary | None:
    """The disk, with a problem for every way in which the input is no longer what was opened or packed.

    `content` is what `begin_content_check` gave.
    """
    check: Callable[[], tuple[Problem, ...]] | None = getattr(source, "check_unchanged", None)
    if source.disk is None or check is None:
        return source.disk
    return replace(source.disk, problems=source.disk.problems + check() + content())


def prepare_worker(source: Source) -> Callable[[], None]:
    """What a worker runs first. Only forked workers map the file: a mapped file that shrinks ends its reader."""
    parent = os.getpid()
    use_map: Callable[[], None] | None = getattr(source, "use_map", None)

    def start() -> None:
        if os.getpid() == parent:
            return
        gc.freeze()
        gc.set_threshold(_YOUNG)
        reuse_buffers()
        if use_map is not None:
            use_map()

    return start


def reuse_buffers() -> None:
    """One allocation just under glibc's ceiling raises its mmap and trim thresholds, so that freed memory is kept."""
    bytes((32 << 20) - 65536)
