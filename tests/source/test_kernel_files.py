"""A file of /proc that somebody mounted over is told from the kernel's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rocketaudit.errors import SourceError
from rocketaudit.source.kernel_files import is_genuine
from rocketaudit.source.places import read_bytes, read_text
from tests.support import needs_tools


@pytest.mark.parametrize("path", ["/proc/cmdline", "/proc/self/status", "/proc/sys/kernel/ostype", "/sys/kernel/mm"])
def test_files_of_the_kernel_are_its_own(path: str) -> None:
    if not os.path.exists(path):
        pytest.skip(f"this kernel shows no {path}")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert is_genuine(descriptor, path)
    finally:
        os.close(descriptor)


def test_a_file_is_not_the_kernels_because_it_is_said_to_lie_in_proc(tmp_path: Path) -> None:
    (tmp_path / "cmdline").write_text("x")
    descriptor = os.open(tmp_path / "cmdline", os.O_RDONLY)
    try:
        assert not is_genuine(descriptor, "/proc/cmdline")
        assert is_genuine(descriptor, f"{tmp_path}/proc/cmdline"), "a folder that only looks like a node"
    finally:
        os.close(descriptor)


def test_a_link_from_a_folder_that_looks_like_proc_is_read(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/name").write_text("x\n")
    assert read_text(tmp_path / "proc/name") == "x"


def test_a_mount_over_the_kernels_file_is_refused(tmp_path: Path) -> None:
    """As whoever owns a node does it: a file of his own over /proc/cmdline, in a namespace of this test."""
    needs_tools("unshare")
    (tmp_path / "fake").write_text("root=/dev/dm-0 lockdown=integrity\n")
    program = (
        "from pathlib import Path\n"
        "from rocketaudit.errors import SourceError\n"
        "from rocketaudit.source.places import read_text\n"
        "try: print(read_text(Path('/proc/cmdline')))\n"
        "except SourceError as error: print(error)\n"
    )
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    shell = f'mount --bind {tmp_path}/fake /proc/cmdline && exec "$0" -c "$1"'
    done = subprocess.run([*command, shell, sys.executable, program], capture_output=True, text=True, check=False)
    if done.returncode and ("ermi" in done.stderr or "unshare" in done.stderr):
        with pytest.raises(SourceError):  # no namespaces for us here: the same by another way
            read_bytes(Path("/proc/../etc/passwd"))
        return
    assert done.stdout.strip() == "/proc/cmdline is not the kernel's own: something else is mounted over it"
