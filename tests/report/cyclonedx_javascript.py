"""The CycloneDX project's own strict validator, in JavaScript."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support import REPO, find_tool, needs_tools

MODULES = REPO / "tests" / "node_modules"
CHECK = """
const {Validation} = require("@cyclonedx/cyclonedx-library"); const fs = require("fs");
(async () => { for (const path of process.argv.slice(1)) {
  const text = fs.readFileSync(path, "utf8");
  const found = await new Validation.JsonStrictValidator(JSON.parse(text).specVersion).validate(text);
  if (found !== null) { console.log(path, JSON.stringify(found)); process.exitCode = 1; } } })();
"""


def check_with_javascript(*paths: Path) -> str:
    """What the validator says of the documents, "" when it accepts all of them."""
    needs_tools("node")
    if not (MODULES / "@cyclonedx").is_dir():
        pytest.skip("@cyclonedx/cyclonedx-library is not installed (npm ci in tests/)")
    done = subprocess.run(
        [str(find_tool("node")), "-e", CHECK, *map(str, paths)], capture_output=True, text=True, cwd=MODULES.parent
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout + done.stderr
