#!/usr/bin/env python3
"""Set up and run a checkout with nothing but Python 3.11+ (with venv) and git.

    python3 run.py demo [OPTIONS]     scan the image that ships inside, write HTML, JSON and an SBOM
    python3 run.py test [PYTEST ARGS] run the tests; the last line counts what passed, failed and was skipped
    python3 run.py scan IMAGE ...     any other word is a rocketaudit command
    python3 run.py setup              only make .venv with everything a developer needs

The first run makes .venv from the hash-locked files in requirements/; later runs find it there.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

REPO = Path(__file__).resolve().parent
ENVIRONMENT = REPO / ".venv"
PYTHON = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin") / "python"
NEEDED = {"test": ("dev",), "setup": ("dev",)}
EVERYONE = ("build", "run")


def main(words: list[str]) -> int:
    """Set up what the command needs and run it; its exit code, or 2 when the set-up fails."""
    if sys.version_info < (3, 11):
        print(f"rocketaudit needs Python 3.11 or newer; this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    command, rest = (words[0], words[1:]) if words else ("", [])
    if command in ("", "-h", "--help"):
        print(__doc__)
        return 0 if words else 2
    try:
        set_up(NEEDED.get(command, EVERYONE))
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"run.py: the set-up failed: {error}", file=sys.stderr)
        return 2
    if command == "setup":
        return 0
    if command == "test":
        parallel = [] if any(word.startswith(("-n", "--numprocesses")) for word in rest) else ["-n", "auto"]
        return call("-m", "pytest", *parallel, *rest)
    return call("-m", "rocketaudit", command, *rest)


def set_up(files: tuple[str, ...]) -> None:
    """Make .venv hold these requirements, hash-checked, and the checkout itself; does nothing when it does already."""
    if stamp_of(files) or stamp_of(NEEDED["test"]):
        return
    print(f"Setting up {ENVIRONMENT.name} (once) ...", file=sys.stderr)
    if not PYTHON.exists():
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
    for name in files:
        pip("install", "--require-hashes", "--requirement", str(REPO / "requirements" / f"{name}.txt"))
    pip("install", "--no-deps", "--no-build-isolation", "--editable", str(REPO))
    # as pip does for what it copies; many environments forbid Python to do it later (PYTHONDONTWRITEBYTECODE)
    subprocess.run([PYTHON, "-m", "compileall", "-q", str(REPO / "rocketaudit")], check=True, stdin=subprocess.DEVNULL)
    stamp_of(files, write=True)


def stamp_of(files: tuple[str, ...], *, write: bool = False) -> bool:
    """Whether .venv was set up from exactly these files; with `write`, note that it was."""
    paths = [*(REPO / "requirements" / f"{name}.txt" for name in files), REPO / "pyproject.toml"]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
    stamp = ENVIRONMENT / f"set-up-{'-'.join(files)}"
    if write:
        stamp.write_text(digest)
    return PYTHON.exists() and stamp.exists() and stamp.read_text() == digest


def pip(*arguments: str) -> None:
    quiet = ("-qq", "--disable-pip-version-check", "--no-input")  # errors only
    subprocess.run([PYTHON, "-m", "pip", *arguments, *quiet], check=True, stdin=subprocess.DEVNULL)


def call(*arguments: str) -> int:
    """Run Python of .venv with these arguments in the checkout (test) or where the user is (everything else)."""
    folder = REPO if arguments[1] == "pytest" else None
    return subprocess.run([PYTHON, *arguments], cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
