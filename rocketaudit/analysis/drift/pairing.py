"""Records of both sides by what they stand for: the modules of one kernel against those of the next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from rocketaudit.analysis.drift.sides import Sides

KERNEL = "(kernel)"
_FOLDER = "/lib/modules/"


class HasPath(Protocol):
    @property
    def path(self) -> str: ...


R = TypeVar("R", bound=HasPath)


def by_path(sides: Sides, before: Iterable[R], after: Iterable[R]) -> tuple[dict[str, R], dict[str, R]]:
    """Records by path. Where the sides have different kernels, what lies in the folder of each one's own kernel is
    known as `/lib/modules/(kernel)/...`, so that a module of one stands against the same module of the other.

    Plain paths when a side has a name twice then: no record may stand in another's place.
    """
    old, new = {one.path: one for one in before}, {one.path: one for one in after}
    kernels = sides.before.target.kernel_version, sides.after.target.kernel_version
    if kernels[0] == kernels[1] or not all(kernel and "/" not in kernel for kernel in kernels):
        return old, new
    older, newer = ({_neutral(path, kernel): record for path, record in one.items()}
                    for one, kernel in ((old, kernels[0]), (new, kernels[1])))  # fmt: skip
    has_both = older.keys() != old.keys() and newer.keys() != new.keys()  # a kernel that a side has no modules of
    return (older, newer) if has_both and (len(older), len(newer)) == (len(old), len(new)) else (old, new)


def _neutral(path: str, kernel: str) -> str:
    head, folder, rest = path.partition(_FOLDER)
    own, slash, below = rest.partition("/")
    return f"{head}{folder}{KERNEL}{slash}{below}" if folder and own == kernel else path
