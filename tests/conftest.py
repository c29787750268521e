"""Fixtures that many tests share: real images, built once and cached; and the rule that CI skips nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.images import Built, ImageSpec, build
from tests.images.disk import Sizes
from tests.support import CACHE


def built(spec: ImageSpec) -> Built:
    """The image, or a skip that names the tool that is missing."""
    try:
        return build(spec)
    except FileNotFoundError as error:
        pytest.skip(str(error))


SMALL_EROFS = ImageSpec(root_fs="erofs")
SMALL_EXT4 = ImageSpec(root_fs="ext4")
FULL_EROFS = ImageSpec(root_fs="erofs", tree="full", sizes=Sizes.of_gib(2))
FULL_EXT4 = ImageSpec(root_fs="ext4", tree="full", sizes=Sizes.of_gib(2))


@pytest.fixture(scope="session")
def small_erofs_image() -> Built:
    """Two banks, bank B empty, EROFS root: today's normal."""
    return built(SMALL_EROFS)


@pytest.fixture(scope="session")
def small_ext4_image() -> Built:
    """Two banks, bank B empty, ext4 root: older releases."""
    return built(SMALL_EXT4)


@pytest.fixture(scope="session")
def two_bank_image() -> Built:
    """EROFS, both banks populated and sound; each has its own salt and so its own root hash."""
    return built(replace(SMALL_EROFS, bank_b="same"))


@pytest.fixture(scope="session")
def corrupt_bank_b_image() -> Built:
    """As two_bank_image, with one byte of ROOT-B flipped."""
    return built(replace(SMALL_EROFS, bank_b="corrupt"))


@pytest.fixture(scope="session")
def single_bank_image() -> Built:
    """One bank with partitions twice as large, as without in-place updates; unified plan (DATA on the same disk)."""
    return built(replace(SMALL_EROFS, kind="single", split=False))


@pytest.fixture(scope="session")
def uki_image() -> Built:
    """No GRUB: an unsigned unified kernel image in the ESP holds the command line; one bank."""
    return built(replace(SMALL_EROFS, kind="uki"))


@pytest.fixture(scope="session")
def standalone_image() -> Built:
    """A guest: five partitions, no PRIVATE, no bootconfig."""
    return built(replace(SMALL_EROFS, kind="standalone", split=False))


@pytest.fixture(scope="session")
def enclave_image() -> Built:
    """An enclave's disk: ROOT-A and HASH-A, nothing that says the root hash."""
    return built(replace(SMALL_EROFS, kind="eif"))


@pytest.fixture(scope="session")
def hostile_names_image() -> Built:
    """File names that break careless writers."""
    return built(replace(SMALL_EROFS, plants=("hostile_names",)))


@pytest.fixture(scope="session")
def edges_erofs_image() -> Built:
    """The small tree and entries at the edges: holes, devices, hard links, large attributes, wide and deep folders."""
    return built(replace(SMALL_EROFS, tree="edges"))


@pytest.fixture(scope="session")
def edges_ext4_image() -> Built:
    """As edges_erofs_image, ext4."""
    return built(replace(SMALL_EXT4, tree="edges"))


@pytest.fixture(scope="session")
def full_erofs_image() -> Built:
    """2 GiB with about 700 MiB of files from Debian packages, EROFS."""
    return built(FULL_EROFS)


@pytest.fixture(scope="session")
def full_ext4_image() -> Built:
    """2 GiB with about 700 MiB of files from Debian packages, ext4."""
    return built(FULL_EXT4)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test marked `own_process` forks and kills: under xdist, whose workers have threads, it gets a new process."""
    if pyfuncitem.get_closest_marker("own_process") is None or "PYTEST_XDIST_WORKER" not in os.environ:
        return None
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", pyfuncitem.nodeid]
    done = subprocess.run(
        command, cwd=pyfuncitem.config.rootpath, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A missing tool skips; with ROCKETAUDIT_NO_SKIPS=1 (CI, where everything is installed) a skip is a failure."""
    report = yield
    error = call.excinfo.value if call.excinfo is not None else None
    if report.failed and isinstance(error, FileNotFoundError) and str(error).endswith(" is not installed"):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.reportinfo()[1] or 0, f"Skipped: {error}")
    if os.environ.get("ROCKETAUDIT_NO_SKIPS") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and no test may be: {report.longrepr}"
    return report


def pytest_configure(config: pytest.Config) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
