# ruff: noqa: INP001 - it is copied into the image
"""What the image does when it starts: as it is told, or what fits the place that it finds itself in.

Arguments of the container are arguments of rocketaudit. Without any, a bootstrap container audits once and a host
container watches; `user-data` of the container, one line of options without a shell, adds to that.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from rocketaudit.cli.main import main

MAX_USER_DATA = 16 << 10
OWN = Path("/.bottlerocket")


def words(own: Path = OWN) -> list[str]:
    """The command line for this place; ["--help"] where nothing says what is wanted."""
    bootstrap, host = (own / f"{kind}-containers/current" for kind in ("bootstrap", "host"))
    if bootstrap.is_dir():
        report = bootstrap / "report.json"
        return ["node", "--fail-on", "integrity", "-o", f"json={report}", *user_data(bootstrap)]
    if host.is_dir():
        return ["watch", "--to", str(host), *user_data(host)]
    return ["--help"]


def user_data(folder: Path) -> list[str]:
    """Options from the container's user-data; lines that start with # are remarks. SystemExit(2) for an open quote."""
    path = folder / "user-data"
    if not path.is_file():
        return []
    with path.open("rb") as file:
        text = file.read(MAX_USER_DATA).decode("utf-8", "replace")
    try:
        return shlex.split(text, comments=True)
    except ValueError as error:
        print(f"rocketaudit: the container's user-data is no line of options: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or words()))
