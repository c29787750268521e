"""How many crates of stripped programs are found, against what their builds say: `python -m bench.crate_recovery`.

The programs come from PyPI, pinned. maturin puts a CycloneDX list of what cargo resolved into a wheel (PEP 770), and
some are built with cargo-auditable (`.dep-v0`): both are the truth that names and versions out of panic paths are held
against. The lists also name crates without any code in the program, so a recall of 1 is out of reach.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rocketaudit.formats.elf.crates import audited_crates, crates_by_paths
from rocketaudit.formats.elf.header import parse_header
from rocketaudit.formats.elf.language_signals import search_ranges
from tests.support import CACHE

PROGRAMS = (
    "ast-grep-cli==0.51.1", "cargo-zigbuild==0.24.1", "cryptography==50.0.2", "maturin==1.16.0", "prek==0.5.11",
    "pydantic-core==2.50.5", "rpds-py==2026.9.1", "ruff==0.17.6", "sqruff==0.44.0", "ty==0.0.107", "typos==1.52.0",
    "uv==0.13.9", "zizmor==1.32.0",
)  # fmt: skip
SMALLEST = 1 << 20  # bytes; a smaller program only starts another one that has the crates

Crates = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Recovered:
    """Crates of registries that paths name in one program, and those that its build says it put there."""

    program: str
    found: Crates
    stated: Crates
    by: str

    @property
    def wrong(self) -> Crates:
        return self.found - self.stated


def measure(wheel: Path) -> Iterator[Recovered]:
    """Every program of a wheel whose build says what is in it."""
    with zipfile.ZipFile(wheel) as archive:
        listed = _listed(archive)
        for member in archive.infolist():
            if member.file_size < SMALLEST:
                continue
            data = archive.read(member)
            if not data.startswith(b"\x7fELF"):
                continue
            elf = parse_header(data)
            audited = frozenset((_known(crate.name), crate.version) for crate in audited_crates(elf))
            paths = crates_by_paths(elf, search_ranges(elf))
            found = frozenset((_known(c.name), c.version) for c in paths if c.source in ("crates.io", "registry"))
            if audited or listed:
                name = member.filename.rpartition("/")[2]
                yield Recovered(name, found, audited or listed, ".dep-v0" if audited else "list of the wheel")


def _listed(archive: zipfile.ZipFile) -> Crates:
    found: set[tuple[str, str]] = set()
    for name in archive.namelist():
        if ".dist-info/sboms/" in name and name.endswith(".json"):
            for component in json.loads(archive.read(name)).get("components", ()):
                if component.get("purl", "").startswith("pkg:cargo/"):
                    found.add((_known(component["name"]), component["version"]))
    return frozenset(found)


def _known(name: str) -> str:
    return name.replace("_", "-").lower()


def table(rows: list[Recovered]) -> str:
    """Markdown: one line a program, and all of them."""
    lines = ["| program | stated by | stated | found | wrong | recall |", "|---|---|---|---|---|---|"]
    for row in rows:
        recall = len(row.found & row.stated) / len(row.stated)
        counts = f"{len(row.stated)} | {len(row.found)} | {len(row.wrong)} | {recall:.2f}"
        lines.append(f"| {row.program} | {row.by} | {counts} |")
    stated, found, wrong = (sum(len(getattr(row, name)) for row in rows) for name in ("stated", "found", "wrong"))
    lines.append(f"| all {len(rows)} | | {stated} | {found} | {wrong} | {(found - wrong) / stated:.2f} |")
    return "\n".join(lines)


def main() -> None:
    folder = CACHE / "packages" / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
    subprocess.run([*command, *PROGRAMS], check=True)
    names = {word.partition("=")[0].replace("-", "_") for word in PROGRAMS}
    wheels = [wheel for wheel in sorted(folder.glob("*.whl")) if wheel.name.partition("-")[0] in names]
    print(table([row for wheel in wheels for row in measure(wheel)]))


if __name__ == "__main__":
    main()
