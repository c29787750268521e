"""Crates out of programs that Debian ships stripped, against what its build says it put into them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rocketaudit.formats.elf import read_elf
from rocketaudit.model.binary import Crate
from tests.images.full import fetch, members_of
from tests.images.licensed import crates_stated_by

PLAIN = re.compile(rb"/(?:usr/share/cargo/registry|usr/src/rustc-[0-9.]+/vendor)/([A-Za-z0-9_-]+-\d+\.\d+\.\d+)/")
# package: (its program, crate versions that plain strings show at least, share of the build's crates found at least)
PROGRAMS = {
    "ripgrep": ("./usr/bin/rg", 40, 0.75),
    "fd-find": ("./usr/lib/cargo/bin/fd", 20, 0.40),
    "bat": ("./usr/bin/batcat", 35, 0.38),
}


@pytest.fixture(params=PROGRAMS)
def package(request: pytest.FixtureRequest) -> tuple[str, Path, bytes]:
    name: str = request.param
    try:
        (path,) = fetch((name,))
    except FileNotFoundError as error:
        pytest.skip(f"Debian's {name} cannot be downloaded: {error}")
    (program,) = (m.content for m in members_of(path) if m.name == PROGRAMS[name][0])
    assert program is not None
    return name, path, program.read_bytes()


def recovered(data: bytes) -> tuple[Crate, ...]:
    return tuple(crate for crate in read_elf(data).crates if crate.source != "std")


def test_every_crate_version_that_plain_strings_show_is_found(package: tuple[str, Path, bytes]) -> None:
    name, _, data = package
    shown = {found.decode() for found in PLAIN.findall(data)}
    ours = {f"{crate.name}-{crate.version}" for crate in recovered(data)}
    assert shown <= ours
    assert len(ours) >= PROGRAMS[name][1]


def test_no_crate_is_made_up_and_a_known_share_is_found(package: tuple[str, Path, bytes]) -> None:
    name, path, data = package
    stated = {  # Debian appends the branch to the source name of an older one: rust-cfg-if-0.1
        (re.sub(r"-\d+(\.\d+)*$", "", source), version)
        for source, versions in crates_stated_by(path).items()
        for version in versions
    }
    of_registry = {
        (crate.name.replace("_", "-"), crate.version) for crate in recovered(data) if crate.source == "registry"
    }
    assert of_registry <= stated  # precision 1.0
    assert len(of_registry) / len(stated) >= PROGRAMS[name][2]
