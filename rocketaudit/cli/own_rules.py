"""Rules of a user's own folder, which may not pass for those that are shipped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rocketaudit.analysis.benchmark.loader import HEAD
from rocketaudit.cli.input_file import read_input
from rocketaudit.errors import FormatError, UsageError
from rocketaudit.formats.strict_yaml import load_strict
from rocketaudit.resources import data_root

MAX_RULE_FILE = 4 << 20


def own_rule_files(folder: Path, shipped: tuple[str, ...]) -> dict[str, bytes]:
    """The files of a folder by their path; UsageError when it calls itself as a shipped benchmark does.

    A report names a benchmark by its id: a hundred per cent of somebody's own `bottlerocket` would mislead.
    """
    whole = folder.resolve()
    files = {str(whole / path.name): read_input(path, MAX_RULE_FILE) for path in sorted(folder.glob("*.yaml"))}
    reserved = {name.replace("_", "-") for name in shipped}
    name = _id_of(files.get(str(whole / HEAD), b""))
    if name in reserved and whole != Path(str(data_root() / "benchmarks" / "cis" / whole.name)).resolve():
        hint = "give your benchmark an id of its own, or tailor the shipped one in the policy"
        raise UsageError(f"{folder / HEAD}: the id {name!r} belongs to a benchmark that is shipped", hint=hint)
    return files


def _id_of(head: bytes) -> str:
    try:
        raw = load_strict(head)
    except FormatError:
        return ""  # the loader says what is wrong
    return str(raw.get("id", "")) if isinstance(raw, Mapping) else ""
