"""Advisories from the user's folders and files, with a word for every file that is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rocketaudit.cli.input_file import read_input
from rocketaudit.errors import FormatError, SourceError, UsageError
from rocketaudit.formats.advisory_toml import MAX_SIZE, parse_advisory
from rocketaudit.formats.updateinfo import MAX_SIZE as MAX_UPDATEINFO
from rocketaudit.formats.updateinfo import parse_updateinfo
from rocketaudit.model.advisory import Advisory
from rocketaudit.model.fact import Locator

MAX_FILES = 50_000


def read_advisories(paths: tuple[Path, ...]) -> tuple[Advisory, ...]:
    """All advisories of folders of TOML files and of updateinfo.xml[.gz]; each id once, the last file counts.

    FormatError names the first file that is none: a list with a hole would call open what nobody looked at.
    """
    found: dict[str, Advisory] = {}
    for path in paths:
        for advisory in _read(path):
            found[advisory.id] = advisory
    if paths and not found:
        raise UsageError(f"no advisories in {', '.join(map(str, paths))}", hint="BRSA-*.toml, or updateinfo.xml[.gz]")
    return tuple(found.values())


def _read(path: Path) -> Iterator[Advisory]:
    if not path.is_dir():
        yield from _read_file(path)
        return
    try:
        files = sorted(
            one for pattern in ("*.toml", "*updateinfo*.xml", "*updateinfo*.xml.gz") for one in path.rglob(pattern)
        )
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    if len(files) > MAX_FILES:
        raise UsageError(f"{path} holds more than {MAX_FILES} files")
    for file in files:
        yield from _read_file(file)


def _read_file(path: Path) -> tuple[Advisory, ...]:
    where = Locator(path.name)
    try:
        if path.suffix == ".toml":
            return (parse_advisory(read_input(path, MAX_SIZE), where),)
        return parse_updateinfo(read_input(path, MAX_UPDATEINFO), where)
    except FormatError as error:
        raise FormatError(f"{path}: {error.message}") from error
