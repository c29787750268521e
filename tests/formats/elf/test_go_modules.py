"""Go's modules and the version of the main one, compared with `go version -m` on programs built here and Debian's."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from rocketaudit.analysis.sbom.go_modules import go_components, main_version
from rocketaudit.formats.elf import read_elf
from rocketaudit.formats.elf.go_settings import version_settings
from rocketaudit.model.binary import Binary, GoModule
from rocketaudit.model.component import Component
from tests.formats.elf.programs import stripped_by_tools
from tests.images.compile import find_compiler
from tests.support import CACHE, find_tool, needs_tools

MAIN = """package main
import ("example.org/plain"; "example.org/asked/v2"; "example.org/local"; "fmt")
var version = "none"
func main() { fmt.Println(version, plain.Name, asked.Name, local.Name) }
"""
LIBRARIES = {"plain": "plain", "asked/v2": "asked", "local": "local"}
VENDORED = """# example.org/asked/v2 v2.0.1 => example.org/forked/v2 v2.0.2
## explicit; go 1.20
example.org/asked/v2
# example.org/local v1.0.0 => ./local
## explicit; go 1.20
example.org/local
# example.org/plain v1.2.3
## explicit; go 1.20
example.org/plain
# example.org/asked/v2 => example.org/forked/v2 v2.0.2
# example.org/local => ./local
"""
MODULE = """module example.org/program/v3
go 1.20
require (
 example.org/plain v1.2.3
 example.org/asked/v2 v2.0.1
 example.org/local v1.0.0
)
replace example.org/asked/v2 => example.org/forked/v2 v2.0.2
replace example.org/local => ./local
"""
COMMITTED = "2024-05-06T07:08:09Z"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to build: flags, and whether in a Git work tree, with something uncommitted, without symbols."""

    flags: tuple[str, ...]
    is_committed: bool = False
    is_dirty: bool = False
    is_stripped: bool = False


PIE = ("-buildmode=pie", "-mod=vendor", "-buildvcs=false")
WAYS = {
    "plain": Way(("-mod=vendor", "-buildvcs=false")),
    "trimmed": Way(("-mod=vendor", "-buildvcs=false", "-trimpath", "-ldflags=-s -w -X main.version=1.2.3")),
    "flagged": Way(("-mod=vendor", "-buildvcs=false", "-ldflags=-s -w -X main.version=1.2.3"), is_stripped=True),
    "bottlerocket": Way((*PIE, "-ldflags=-linkmode=external -s -w -X 'main.version=v1.2.3'")),
    "committed": Way(("-mod=vendor", "-buildvcs=true"), is_committed=True),
    "dirty": Way(("-mod=vendor", "-buildvcs=true"), is_committed=True, is_dirty=True),
}
VERSIONS = {"plain": "", "trimmed": "", "flagged": "v1.2.3", "bottlerocket": "v1.2.3"}


def go() -> str:
    found = find_compiler("go")
    if found is None:
        pytest.skip("no compiler for go")
    return found


def run(command: list[str], folder: Path) -> str:
    environment = os.environ | {
        "GOCACHE": str(CACHE / "go-cache"), "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOENV": "off", "GOFLAGS": "",
        "GOPATH": str(folder / "home"), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_DATE": COMMITTED,
        "GIT_COMMITTER_DATE": COMMITTED, "LC_ALL": "C",
    }  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
    return done.stdout


def built(name: str) -> Path:
    """The program of one way, built once."""
    way, compiler = WAYS[name], go()
    digest = sha256(repr((way, MAIN, MODULE, VENDORED, compiler)).encode()).hexdigest()[:16]
    made = CACHE / "elf" / f"go-modules-{name}-{digest}"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as scratch:
            folder = Path(scratch, "program")
            _write_sources(folder)
            if way.is_committed:
                _commit(folder, is_dirty=way.is_dirty)
            run([compiler, "build", *way.flags, "-o", f"{scratch}/made", "."], folder)
            if way.is_stripped:
                Path(scratch, "made").write_bytes(stripped_by_tools(Path(scratch, "made").read_bytes(), Path(scratch)))
            os.replace(f"{scratch}/made", made)
    return made


def _write_sources(folder: Path) -> None:
    folder.mkdir()
    (folder / "main.go").write_text(MAIN)
    (folder / "go.mod").write_text(MODULE)
    for path, package in LIBRARIES.items():
        inner = folder / "vendor" / "example.org" / path
        inner.mkdir(parents=True)
        (inner / "it.go").write_text(f'package {package}\nconst Name = "{package}"\n')
    (folder / "vendor" / "modules.txt").write_text(VENDORED)
    shutil.copytree(folder / "vendor/example.org/local", folder / "local")
    (folder / "local" / "go.mod").write_text("module example.org/local\ngo 1.20\n")


def _commit(folder: Path, *, is_dirty: bool) -> None:
    needs_tools("git")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    run(["git", "init", "-q", "."], folder)
    run(["git", "add", "-A"], folder)
    run(["git", *identity, "commit", "-q", "-m", "x"], folder)
    if is_dirty:
        (folder / "main.go").write_text(MAIN + "// changed\n")


def stated_by_go(path: Path) -> tuple[str, str, GoModule | None, tuple[GoModule, ...]]:
    """(version, main package, main module, the others) as `go version -m` prints them."""
    first, *lines = run([go(), "version", "-m", str(path)], path.parent).splitlines()
    package, main, others = "", None, []
    for line in lines:
        kind, *fields = line.strip("\n").split("\t")[1:]
        path_, version, check = (*fields, "", "", "")[:3]
        if kind == "path":
            package = path_
        elif kind == "mod":
            main = GoModule(path_, version, None, check or None)
        elif kind == "dep":
            others.append(GoModule(path_, version, None, check or None))
        elif kind == "=>":
            old = others.pop()
            others.append(GoModule(old.path, old.version, f"{path_}@{version}" if version else path_, check or None))
    return first.rpartition(": ")[2], package, main, tuple(others)


def stated_by_us(path: Path) -> tuple[Binary, tuple[str | None, str | None, GoModule | None, tuple[GoModule, ...]]]:
    binary = read_elf(path.read_bytes())
    assert binary.error is None
    return binary, (binary.go_version, binary.go_main, binary.go_module, binary.go_modules)


def main_of(binary: Binary) -> Component:
    (found,) = (c for c in go_components(binary, ()) if ("rocketaudit:go-main-module", "true") in c.properties)
    return found


@pytest.mark.parametrize("name", WAYS)
def test_modules_and_replacements_are_those_that_go_itself_names(name: str) -> None:
    binary, ours = stated_by_us(built(name))
    assert ours == stated_by_go(built(name))
    found = {(c.name, c.version, c.purl) for c in go_components(binary, ()) if c.name.startswith("example.org/")}
    assert found - {(main_of(binary).name, main_of(binary).version, main_of(binary).purl)} == {
        ("example.org/plain", "v1.2.3", "pkg:golang/example.org/plain@v1.2.3"),
        ("example.org/forked/v2", "v2.0.2", "pkg:golang/example.org/forked/v2@v2.0.2"),
        ("example.org/local", "", "pkg:golang/example.org/local"),
    }


@pytest.mark.parametrize("program", ["kubectl", "runc", "umoci"])
def test_modules_of_programs_of_distributions_are_those_that_go_itself_names(program: str) -> None:
    """Debian builds without modules (runc, umoci), Google with a workspace (kubectl)."""
    found = find_tool(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    binary, ours = stated_by_us(Path(found))
    assert ours == stated_by_go(Path(found))
    if binary.go_module is None:
        assert binary.go_main
        assert [component.name for component in go_components(binary, ())] == ["stdlib"]
    else:
        assert main_of(binary).name == binary.go_module.path
        assert main_of(binary).version or "rocketaudit:version-unknown" in dict(main_of(binary).properties)


@pytest.mark.parametrize("name", WAYS)
def test_the_main_module_is_always_there_and_says_where_its_version_comes_from(name: str) -> None:
    binary, _ = stated_by_us(built(name))
    main = main_of(binary)
    assert main.name == "example.org/program/v3"
    if name in VERSIONS:
        assert main.version == VERSIONS[name]
        reason = "rocketaudit:version-from" if main.version else "rocketaudit:version-unknown"
        assert dict(main.properties)[reason]
    else:
        assert binary.go_module is not None
        stated = binary.go_module.version if binary.go_module.version != "(devel)" else main.version
        assert main.version == stated
        assert "20240506070809" in main.version
        assert main.version.endswith("+dirty") == WAYS[name].is_dirty


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("-ldflags=-X=main.Version=2", {"-X main.Version": "2"}),
        ('-ldflags="-s -w -X main.version=1.2 -extldflags \\"-static\\""', {"-X main.version": "1.2"}),
        ("-ldflags=\"-X 'k8s.io/x.gitVersion=v1 2' -X a.b/c.d=3\"", {"-X k8s.io/x.gitVersion": "v1 2"}),
        ("-ldflags=\"all=-X main.git_tag=v1 --X main.version=a --X 'main.version=b'\"",
         {"-X main.git_tag": "v1", "-X main.version": "b"}),
        ("-ldflags=-X main.token=secret -X main.goVersion=1", {}),
        ('-ldflags="-X', {}),
        ("-gcflags=-X main.version=1", {}),
        ("vcs.time=2024-05-06T07:08:09Z", {"vcs.time": "2024-05-06T07:08:09Z"}),
    ],
)  # fmt: skip
def test_only_settings_about_the_version_are_kept(setting: str, found: dict[str, str]) -> None:
    assert dict(version_settings([setting])) == found


def test_settings_are_bounded_and_read_in_linear_time() -> None:
    many = " ".join(f"-X p{i}.version={'9' * 500}" for i in range(5_000))
    found = version_settings([f"-ldflags={many}", "-ldflags=" + " '" * 500_000, "vcs.revision=" + "a" * 10_000])
    assert len(found) == 32
    assert all(len(name) <= 200 and len(value) <= 200 for name, value in found)


COMMIT = (("vcs.revision", "a" * 40), ("vcs.time", "2024-05-06T07:08:09Z"))


@pytest.mark.parametrize(
    ("stated", "version", "confidence"),
    [
        ((("-X main.version", "1.2.3"), *COMMIT), "v1.2.3", 0.95),
        ((("-X main.version", "dev"), *COMMIT), "v0.0.0-20240506070809-aaaaaaaaaaaa", 1.0),
        ((*COMMIT, ("vcs.modified", "true")), "v0.0.0-20240506070809-aaaaaaaaaaaa+dirty", 1.0),
        ((("-X a.org/x/version.Version", "2.0.0-rc.1+k3s1"), ("-X b.org/y.version", "9")), "v2.0.0-rc.1+k3s1", 0.95),
        ((("-X b.org/y/version.Version", "1.33.4"), ("-X c.org/z.gitVersion", "v1.33.4")), "v1.33.4", 0.7),
        ((("-X b.org/y.version", "1.0"), ("-X c.org/z.version", "2.0")), "", 1.0),
        ((("-X main.version", "1.0"), ("-X main.tag", "2.0")), "", 1.0),
        ((("-X a.org/xylophone.version", "1.0"), ("-X main.version", "${VERSION}")), "v1.0", 0.7),
        ((("vcs.revision", "a" * 39), ("vcs.time", "2024-05-06T07:08:09Z")), "", 1.0),
        ((("vcs.revision", "a" * 40), ("vcs.time", "yesterday")), "", 1.0),
        ((), "", 1.0),
    ],
)
def test_a_version_is_taken_from_a_statement_and_never_invented(
    stated: tuple[tuple[str, str], ...], version: str, confidence: float
) -> None:
    said = main_version(GoModule("a.org/x/v2", "(devel)", None, None), stated)
    assert (said.version, said.confidence) == (version, confidence)
    assert said.why


def test_a_version_that_go_states_is_not_overruled() -> None:
    said = main_version(GoModule("a.org/x", "v1.0.0", None, None), (("-X main.version", "2.0.0"),))
    assert (said.version, said.why) == ("v1.0.0", "")
