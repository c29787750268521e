"""The project about itself: what ships, what is named where, and what may not be in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from rocketaudit.resources import FOLDERS, data_file, data_root
from tests.support import REPO

PYPROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())
LOCKED = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z0-9,._-]+\])?==([^ ;\\]+)(?: ; ([^\\]+?))? \\$")


def tracked_files() -> list[Path]:
    """What git would submit: tracked files and those that are new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := REPO / name).is_file()]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=REPO, capture_output=True, check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def ask(where: Path, folder: Path, question: str) -> str:
    """What Python prints with the package taken from `where` (a wheel or a folder), far from the checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        [sys.executable, "-c", question],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(where)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_wheel_holds_every_data_file_of_the_checkout(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in FOLDERS:
        files = [path for path in (REPO / folder).rglob("*") if path.is_file()]
        assert files, f"{folder} is empty"
        missing = {f"rocketaudit/_data/{path.relative_to(REPO).as_posix()}" for path in files} - names
        assert not missing
    assert "rocketaudit/demo/demo.img.lz4" in names


def test_wheel_leaves_out_what_is_for_the_checkout_only(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    strays = [name for name in names if not name.startswith(("rocketaudit/", "rocketaudit-"))]
    assert strays == []
    assert [name for name in names if "/examples/" in name] == []


@pytest.mark.parametrize("form", ["wheel", "installed"])
def test_data_is_found_in_a_wheel_zipped_or_not(form: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    where = request.getfixturevalue(form)
    said = ask(where, tmp_path, "from rocketaudit.resources import data_root; print(data_root())")
    assert said.startswith(str(where))
    question = "from rocketaudit.resources import FOLDERS, data_file\nfor f in FOLDERS: assert data_file(f).is_dir(), f"
    ask(where, tmp_path, question)


@pytest.mark.parametrize("form", ["wheel", "installed"])
def test_demo_image_is_a_file_from_a_wheel_zipped_or_not(
    form: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    question = "from rocketaudit.demo import demo_image_path\nwith demo_image_path() as p: print(p.stat().st_size)"
    said = ask(request.getfixturevalue(form), tmp_path, question)
    assert int(said) == (REPO / "rocketaudit/demo/demo.img.lz4").stat().st_size


def test_data_of_a_checkout_is_the_checkout() -> None:
    assert Path(str(data_root())) == REPO
    assert data_file("benchmarks/cis").is_dir()


def test_a_missing_data_file_is_named() -> None:
    with pytest.raises(Exception, match="no data file reports/none"):
        data_file("reports/none.json")


def test_every_format_is_imported_by_a_test() -> None:
    tests = "\n".join(path.read_text() for path in (REPO / "tests").rglob("test_*.py"))
    formats = REPO / "rocketaudit" / "formats"
    names = {path.stem for path in formats.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    untested = [
        name
        for name in sorted(names - {"__init__"})
        if not re.search(rf"rocketaudit\.formats(\.| import .*\b){name}\b", tests)
    ]
    assert untested == []


def machine_words() -> list[str]:
    """Addresses and folders of this machine, and the package registries, spelled so that this file holds none."""
    words = ["pypi" + ".org", "pythonhosted" + ".org", "registry.npmjs" + ".org", "deb.debian" + ".org"]
    words += [f"{REPO}/", "/work" + "/shared", "/work" + "/main"]
    words += ["/root" + f"/.{name}" for name in ("cache", "cargo", "rustup", "pyenv", "local", "npm")]
    said = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    words += re.findall(r"https?://(?:[^@/'\s]*@)?([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)", said.stdout)
    return words


def test_no_file_names_this_machine_or_a_package_registry() -> None:
    pattern = re.compile("|".join(re.escape(word) for word in machine_words()))
    found = []
    for path in tracked_files():
        if path.suffix in (".lz4", ".png"):
            continue
        text = path.read_bytes().decode("utf-8", errors="replace")
        found += [f"{path.relative_to(REPO)}: {match[0]}" for match in pattern.finditer(text)]
    assert found == []


def test_no_file_but_the_demo_image_is_bigger_than_a_mebibyte() -> None:
    big = [str(path.relative_to(REPO)) for path in tracked_files() if path.stat().st_size > 1 << 20]
    assert big == ["rocketaudit/demo/demo.img.lz4"]


def locked_names(name: str) -> dict[str, int]:
    """The pinned packages of a requirements file and how many hashes each has."""
    counts: dict[str, int] = {}
    current = ""
    for line in (REPO / "requirements" / f"{name}.txt").read_text().splitlines():
        if match := LOCKED.match(line):
            current = match[1]
            counts[current] = 0
        elif line.strip().startswith("--hash=sha256:"):
            counts[current] += 1
        else:
            assert line.startswith("#"), line
    return counts


@pytest.mark.parametrize("name", ["run", "dev", "build", "ci"])
def test_requirements_are_pinned_with_hashes_and_name_no_address(name: str) -> None:
    assert all(count >= 1 for count in locked_names(name).values())
    assert "://" not in (REPO / "requirements" / f"{name}.txt").read_text()


def test_requirements_cover_what_the_project_declares() -> None:
    declared = PYPROJECT["project"]["dependencies"]
    assert names_of(declared) <= locked_names("run").keys()
    development = declared + PYPROJECT["project"]["optional-dependencies"]["dev"]
    assert names_of(development) <= locked_names("dev").keys()


def names_of(requirements: list[str]) -> set[str]:
    found = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match}


def test_development_and_use_are_locked_to_the_same_versions() -> None:
    def versions(name: str) -> set[tuple[str, str]]:
        lines = (REPO / "requirements" / f"{name}.txt").read_text().splitlines()
        return {(match[1], match[2]) for line in lines if (match := LOCKED.match(line))}

    assert versions("run") - versions("dev") == set()


def test_debian_packages_are_listed_once_and_in_order() -> None:
    lines = (REPO / ".ci" / "packages.txt").read_text().splitlines()
    names = [line.split()[0] for line in lines if line and not line.startswith("#")]
    assert names == sorted(set(names))
