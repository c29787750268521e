"""The container image: built here from packages, run here without network, with nothing in it that need not be."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPO, needs_tools

ENTRY = ["/usr/bin/python3.11", "-m", "rocketaudit_entrypoint"]


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs_tools("umoci", "apt-get", "dpkg-deb")
    out = tmp_path_factory.mktemp("image")
    done = subprocess.run(
        [str(REPO / "deploy/image/build.sh"), str(out)],
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return out


def run(
    image: Path, *words: str, own: Path | None = None, place: str = "host-containers"
) -> subprocess.CompletedProcess[bytes]:
    """As the container runtime does: the image read-only, no network, own processes, the persistent folder writable."""
    needs_tools("bwrap")
    root = image / "bundle/rootfs"
    box = ["bwrap", "--ro-bind", str(root), "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--unshare-all"]
    box += ["--tmpfs", "/.bottlerocket"]
    if own is not None:
        box += ["--bind", str(own), f"/.bottlerocket/{place}/current"]
    box += ["--clearenv", "--chdir", "/tmp"]
    for name, _, value in (pair.partition("=") for pair in config(image)["Env"]):
        box += ["--setenv", name, value]
    done = subprocess.run([*box, "--", *ENTRY, *words], capture_output=True, check=False)
    if b"namespace" in done.stderr and done.returncode == 1 and not done.stdout:
        done = _in_chroot(root, words)
    return done


def _in_chroot(root: Path, words: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
    """Where a machine makes no namespaces for us."""
    command = ["chroot", str(root), "/usr/bin/python3.11", "-m", "rocketaudit_entrypoint", *words]
    return subprocess.run(command, env={"PYTHONPATH": "/usr/lib/rocketaudit"}, capture_output=True, check=False)


def config(image: Path) -> dict[str, object]:
    def blob(digest: str) -> dict[str, object]:
        raw = json.loads((image / "oci/blobs" / digest.replace(":", "/")).read_text())
        assert isinstance(raw, dict)
        return raw

    index = json.loads((image / "oci/index.json").read_text())
    manifest = blob(index["manifests"][0]["digest"])
    found = blob(manifest["config"]["digest"])["config"]  # type: ignore[index]
    assert isinstance(found, dict)
    return found


def test_image_holds_no_shell_no_setuid_file_and_no_package_manager(image: Path) -> None:
    root = image / "bundle/rootfs"
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in files if path.lstat().st_mode & (stat.S_ISUID | stat.S_ISGID)] == []
    names = {path.name for path in files}
    assert names & {"sh", "bash", "dash", "busybox", "apt", "dpkg", "pip", "curl", "wget", "perl"} == set()
    programs = [path.name for path in (root / "usr/bin").iterdir() if path.read_bytes()[:4] == b"\x7fELF"]
    assert programs == ["python3.11"]


def test_image_starts_rocketaudit_by_default(image: Path) -> None:
    found = config(image)
    assert found["Entrypoint"] == ENTRY
    assert found["User"] == "0:0"
    assert run(image, "--version").stdout.startswith(b"rocketaudit ")


def test_the_demo_runs_in_the_image_without_network(image: Path) -> None:
    done = run(image, "demo")
    assert done.returncode == 0, done.stderr
    assert b"INTEGRITY IS BROKEN" in done.stdout


def test_in_a_host_container_it_watches_with_the_options_of_its_user_data(image: Path, tmp_path: Path) -> None:
    (tmp_path / "user-data").write_text("# every hour\n--every 1h --times 1 --format openmetrics\n")
    done = run(image, own=tmp_path)
    if not (tmp_path / "rocketaudit.prom").exists():
        pytest.fail(f"no heartbeat: {done.stderr.decode()}")
    assert (tmp_path / "latest/report.prom").read_text().endswith("# EOF\n")
    assert "rocketaudit_watch_interval_seconds 3600" in (tmp_path / "rocketaudit.prom").read_text()


def test_in_a_bootstrap_container_it_audits_once(image: Path, tmp_path: Path) -> None:
    run(image, own=tmp_path, place="bootstrap-containers")
    assert json.loads((tmp_path / "report.json").read_text())["target"]["kind"] == "node"


def test_user_data_with_an_open_quote_is_wrong_usage_and_no_verdict(tmp_path: Path) -> None:
    current = tmp_path / "host-containers/current"
    current.mkdir(parents=True)
    (current / "user-data").write_text('--every "6h')
    text = (
        f"import sys; sys.path.insert(0, {str(REPO / 'deploy/image')!r})\n"
        f"from pathlib import Path\nimport entrypoint\nprint(entrypoint.words(Path({str(tmp_path)!r})))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    done = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "rocketaudit: the container's user-data is no line of options: No closing quotation\n"
