"""The folder of `rocketaudit watch`: reports, whole or not there, named by their time, and a link to the newest.

A report is made in a folder whose name starts with a dot, which gets its name only when the audit has ended. So a kill,
a full disk or a crash costs the report that was being made, and never one that was there.
"""

from __future__ import annotations

import calendar
import contextlib
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from rocketaudit.errors import SourceError, UsageError

LATEST = "latest"
NEW = ".new-"
_NAME = "%Y%m%dT%H%M%SZ"


def reports_in(folder: Path) -> list[Path]:
    """Folders of whole reports, oldest first; those of a clock that was ahead come before all others."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    now = time.time()
    return [folder / name for name in sorted(names, key=lambda one: (_time_or_zero(one) <= now, one)) if time_of(name)]


def time_of(name: str) -> float | None:
    """When a report was begun, by its name; None for what is no name of one."""
    try:
        return float(calendar.timegm(time.strptime(name, _NAME)))
    except ValueError:
        return None


def _time_or_zero(name: str) -> float:
    return time_of(name) or 0.0


def free_name(folder: Path) -> str:
    """The time as the name of a report; where the clock went back to one that is taken, some seconds are waited for."""
    while os.path.lexists(folder / (name := time.strftime(_NAME, time.gmtime(time.time())))):
        time.sleep(0.1)
    return name


def clean(folder: Path) -> None:
    """Take away what an audit left that was killed."""
    for path in (*folder.glob(f"{NEW}*"), *folder.glob(".rocketaudit-*")):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def publish(place: Path, final: Path, names: Iterable[str]) -> None:
    """Give a whole report its name, and let `latest` point to it. SourceError where one of its files is missing."""
    lacking = [name for name in names if not (place / name).is_file()]
    if lacking:
        raise SourceError(f"the audit ended without {', '.join(lacking)}")
    for path in place.iterdir():
        _sync(path)
    _sync(place)
    if os.path.lexists(final):
        raise UsageError(f"{final} is there already")
    place.rename(final)
    _sync(final.parent)
    _point(final.parent, final.name)


def _point(folder: Path, name: str) -> None:
    link = folder / f"{NEW}{LATEST}"
    link.unlink(missing_ok=True)
    link.symlink_to(name)
    link.replace(folder / LATEST)
    _sync(folder)


def point_to_newest(folder: Path) -> None:
    """A kill between a report and its link must not leave the link behind."""
    reports = reports_in(folder)
    with contextlib.suppress(OSError):  # a full disk: the old link stays
        if reports and (folder / LATEST).resolve() != reports[-1].resolve():
            _point(folder, reports[-1].name)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prune(folder: Path, keep: int, newest: Path) -> None:
    """Leave `keep` reports, the one that was just made among them, whatever the clock says."""
    others = [path for path in reports_in(folder) if path != newest]
    for path in others[: max(0, len(others) + 1 - keep)]:
        gone = folder / f"{NEW}old-{path.name}"
        path.rename(gone)  # a report that is half removed is none
        shutil.rmtree(gone, ignore_errors=True)
