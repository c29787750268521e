"""The policy that lies in the current folder: taken without being named, so only where nobody else can put one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from rocketaudit.errors import UsageError

DEFAULT_POLICY = Path("rocketaudit.toml")
_HINT = "name it with --policy if you mean it"


def default_policy(target: Path) -> Path | None:
    """./rocketaudit.toml, or None where there is none.

    UsageError where somebody else may have put it there: inside the folder that is audited, or where everybody
    writes, as /tmp of a node.
    """
    if not DEFAULT_POLICY.is_file():
        return None
    if target.is_dir() and Path.cwd().is_relative_to(target.resolve()) and target.resolve() != Path("/"):
        raise UsageError(f"./{DEFAULT_POLICY} lies inside the target, which must not say how it is judged", hint=_HINT)
    here, file = os.stat("."), DEFAULT_POLICY.stat()
    if file.st_mode & stat.S_IWOTH or (here.st_mode & stat.S_IWOTH and file.st_uid not in (0, os.geteuid())):
        raise UsageError(f"./{DEFAULT_POLICY} could be anybody's: others may write it or this folder", hint=_HINT)
    return DEFAULT_POLICY
