"""What rules about many files look through: the entries of one scope, sorted out once for all of them."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from fnmatch import translate
from functools import cache

from rocketaudit.model.evidence import Evidence
from rocketaudit.model.files import FileRecord
from rocketaudit.model.filesystem import FileType

_COMMON = (FileType.REGULAR, FileType.DIRECTORY, FileType.SYMLINK)
_SPECIAL = re.compile(r"[*?\[]")


class Survey:
    """`records` are the entries in stored order, `unread` those that were not read to the end, and `noted` those of
    which something rare may be said: rights of others, another owner, privileges, no label, a device, a script."""

    __slots__ = ("_by_name", "_names", "files", "noted", "records", "unread")

    def __init__(self, files: tuple[FileRecord, ...], scope: str) -> None:
        self.files = files
        self.records = [record for record in files if record.scope == scope]
        self.unread = [record for record in self.records if record.unread is not None]
        self.noted = [
            record
            for record in self.records
            if record.mode & 0o6002
            or record.uid
            or record.xattrs
            or not record.selinux
            or record.content in ("script", "image")
            or record.capability is not None
            or record.type not in _COMMON
        ]
        self._by_name: dict[str, list[tuple[int, FileRecord]]] = {}
        self._names: list[str] = []

    def named(self, exact: Iterable[str], globs: Iterable[str]) -> list[FileRecord]:
        """The entries whose path ends with one of these names, or whose name one of the globs fits, in order."""
        if not self._by_name:
            for at, record in enumerate(self.records):
                self._by_name.setdefault(record.path.rpartition("/")[2], []).append((at, record))
            self._names = sorted(self._by_name)
        found: dict[int, FileRecord] = {}
        for name in exact:
            alike = self._by_name.get(name.rpartition("/")[2], ())
            found.update((at, record) for at, record in alike if f"/{record.path}".endswith(f"/{name}"))
        for name in self._fitting(tuple(globs)):
            found.update(self._by_name[name])
        return [found[at] for at in sorted(found)]

    def _fitting(self, globs: tuple[str, ...]) -> Iterator[str]:
        """Names that a glob fits; of all names only those that begin as it does are held against it."""
        endings, others = _sorted_out(globs)
        if endings:
            yield from [name for name in self._names if name.endswith(endings)]
        for beginning, matches in others:
            names, length = self._names, len(beginning)
            if beginning:
                first = bisect_left(names, beginning)
                names = names[first : bisect_right(names, beginning, first, key=lambda name: name[:length])]
            yield from filter(matches, names)


@cache
def _sorted_out(globs: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[tuple[str, Callable[[str], object]], ...]]:
    """Of globs that are a star and an ending the endings; of others what fitting names begin with, and a test."""
    endings, others = [], []
    for glob in globs:
        if glob.startswith("*") and _SPECIAL.search(glob, 1) is None:
            endings.append(glob[1:])
        else:
            others.append((_SPECIAL.split(glob, maxsplit=1)[0], re.compile(translate(glob)).match))
    return tuple(endings), tuple(others)


def survey_of(evidence: Evidence, scope: str) -> Survey:
    """The survey of a scope, made when it is first asked for; of these files and no others."""
    found = evidence._surveys.get(scope)  # noqa: SLF001 - a cache beside the others, of a type that the model lacks
    if not isinstance(found, Survey) or found.files is not evidence.files:
        found = evidence._surveys[scope] = Survey(evidence.files, scope)  # noqa: SLF001
    return found
