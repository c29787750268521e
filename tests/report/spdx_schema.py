"""The JSON schema that SPDX generates from its model for 3.0.1, and Node's validator to check documents with it.

No package of SPDX carries the file; cdxgen (npm, Apache-2.0) does, so one file is taken out of its package.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

from tests.report.cyclonedx_javascript import MODULES
from tests.support import CACHE, find_tool, needs_tools

PACKAGE = "@cyclonedx/cdxgen@12.8.4"
MEMBER = "package/data/spdx-export.schema.json"
DIGEST = "873ff9d3177a0c12495fe585c5012f7bec0aa70aabed1f2f1e79f25bd95eb107"
CHECK = """
const Ajv = require("ajv/dist/2020").default; const fs = require("fs");
const ajv = new Ajv({strict: false, inlineRefs: false}); require("ajv-formats").default(ajv);
const check = ajv.compile(JSON.parse(fs.readFileSync(process.argv[1], "utf8")));
for (const path of process.argv.slice(2)) {
  if (!check(JSON.parse(fs.readFileSync(path, "utf8")))) {
    console.log(path, JSON.stringify(check.errors.slice(0, 5))); process.exitCode = 1; } }
"""


def check_with_schema(*paths: Path) -> str:
    """What is wrong with SPDX 3.0.1 documents by the schema, "" when nothing is."""
    needs_tools("node", "npm")
    if not (MODULES / "ajv").is_dir():
        pytest.skip("ajv is not installed (npm ci in tests/)")
    command = [str(find_tool("node")), "-e", CHECK, str(_schema()), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=MODULES.parent)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout + done.stderr


def _schema() -> Path:
    """The schema's file, fetched once."""
    path = CACHE / "packages" / "spdx-3.0.1.schema.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            command = [str(find_tool("npm")), "pack", "--silent", f"--pack-destination={folder}", PACKAGE]
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
            if done.returncode:
                pytest.skip(f"{PACKAGE} cannot be had from npm: {done.stderr[-300:]}")
            (packed,) = Path(folder).glob("*.tgz")
            with tarfile.open(packed) as archive:
                member = archive.extractfile(MEMBER)
                assert member is not None
                made = Path(folder, "schema")
                made.write_bytes(member.read())
            os.replace(made, path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == DIGEST
    return path
