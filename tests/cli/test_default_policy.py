"""A policy that nobody named is taken only where nobody else can have put it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rocketaudit.cli.default_policy import DEFAULT_POLICY, default_policy
from rocketaudit.errors import UsageError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir(mode=0o755)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_none_and_ones_own_are_taken(here: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.img"
    assert default_policy(image) is None
    (here / "rocketaudit.toml").write_text("level = 1\n")
    assert default_policy(image) == DEFAULT_POLICY
    assert default_policy(Path("/")) == DEFAULT_POLICY  # a node's root holds every folder


def test_the_target_never_says_how_it_is_judged(here: Path) -> None:
    (here / "rocketaudit.toml").write_text("level = 1\n")
    (here / "usr").mkdir()
    with pytest.raises(UsageError, match="inside the target"):
        default_policy(Path())
    with pytest.raises(UsageError, match="inside the target"):
        default_policy(here.parent)
    assert default_policy(here / "usr") == DEFAULT_POLICY  # beside it, not inside


def test_one_that_anybody_can_have_written_is_refused(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = here / "rocketaudit.toml"
    policy.write_text("level = 1\n")
    policy.chmod(0o666)
    with pytest.raises(UsageError, match="anybody's"):
        default_policy(tmp_path / "image.img")
    policy.chmod(0o644)
    here.chmod(0o1777)
    assert default_policy(tmp_path / "image.img") == DEFAULT_POLICY
    monkeypatch.setattr(os, "geteuid", lambda: policy.stat().st_uid + 1)
    if policy.stat().st_uid != 0:
        with pytest.raises(UsageError, match="anybody's"):
            default_policy(tmp_path / "image.img")
        return
    os.chown(policy, 12345, -1)
    with pytest.raises(UsageError, match="anybody's"):
        default_policy(tmp_path / "image.img")
