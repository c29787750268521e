"""The user-data in the documents: TOML that sets what Bottlerocket has, with options that the program takes."""

from __future__ import annotations

import base64
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from rocketaudit.cli.main import build_app, main
from tests.support import REPO

# settings-models: host-containers and bootstrap-containers
_KNOWN = {
    "host-containers": {"enabled", "source", "superpowered", "user-data"},
    "bootstrap-containers": {"source", "mode", "essential", "user-data"},
}
_MODES = {"once", "always", "off"}


def blocks() -> list[dict[str, Any]]:
    texts = [(REPO / "docs" / name).read_text() for name in ("nodes.md", "scheduled.md")]
    return [tomllib.loads(found) for text in texts for found in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)]


def containers() -> list[tuple[str, dict[str, Any]]]:
    return [
        (kind, container)
        for block in blocks()
        for kind, named in block["settings"].items()
        for container in named.values()
    ]


def test_both_kinds_of_container_have_an_example_and_no_key_is_made_up() -> None:
    found = containers()
    assert {kind for kind, _ in found} == set(_KNOWN)
    for kind, container in found:
        assert set(container) <= _KNOWN[kind]
        assert container.get("mode", "once") in _MODES
        assert container.get("superpowered", False) is False, "superpowers are for whoever asks for them"
    assert any(container.get("mode") == "always" for _, container in found)


def test_user_data_says_what_the_remark_says_and_watch_takes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line for line in (REPO / "docs/scheduled.md").read_text().splitlines() if line.startswith("user-data = ")]
    assert lines
    for line in lines:
        remark = line.partition("# base64 of: ")[2]
        words = base64.b64decode(tomllib.loads(line)["user-data"]).decode()
        assert words.strip() == remark
        # a folder that is not there ends it before the first audit, after all options were read
        assert main(["watch", "--to", str(tmp_path / "none"), *shlex.split(words)]) == 2
        assert "No such file" in capsys.readouterr().err


def commands() -> list[str]:
    """Every command of ours in the two documents: in blocks, a line or a continued one, and in the text."""
    found = []
    for name in ("nodes.md", "scheduled.md"):
        text = (REPO / "docs" / name).read_text().replace("\\\n", " ")
        found += re.findall(r"^ *(rocketaudit [a-z].*)$", text, re.MULTILINE) + re.findall(
            r"`(rocketaudit [a-z][^`]*)`", text
        )
    return sorted({line.partition(" #")[0].strip() for line in found})


@pytest.mark.parametrize("line", commands())
def test_every_command_of_the_documents_is_one_that_is_there_with_options_that_it_has(line: str) -> None:
    name, *words = shlex.split(line)[1:]
    command = typer.main.get_command(build_app([name])).commands[name]  # type: ignore[attr-defined]
    if words:
        command.make_context(name, words)


def test_the_documents_have_commands_and_one_that_is_wrong_would_be_found() -> None:
    assert len(commands()) > 8
    command = typer.main.get_command(build_app(["node"])).commands["node"]  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="No such option"):
        command.make_context("node", ["--no-such-option"])
