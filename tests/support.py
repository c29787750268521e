"""What tests share: where the vectors are, which tools exist, where built fixtures are cached."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("ROCKETAUDIT_TEST_CACHE", REPO / ".cache" / "tests"))


def shared_data(*parts: str) -> Path:
    """A folder or file of the third-party vectors beside the checkout; the test skips when it is absent."""
    root = Path(os.environ.get("ROCKETAUDIT_SHARED_DATA", REPO.parent / "shared" / "data"))
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no test vectors at {'/'.join(parts)} (third-party data, not in the repository)")
    return path


def needs_tools(*names: str) -> None:
    """Skip, naming the first tool that is missing."""
    for name in names:
        if find_tool(name) is None:
            pytest.skip(f"{name} is not installed")


def find_tool(name: str) -> str | None:
    """The tool's path, also from sbin folders that an ordinary user's PATH leaves out."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin")
