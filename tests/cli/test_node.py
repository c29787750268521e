"""`rocketaudit node` from end to end on a node made of files: reports, exit codes, and secrets that stay."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rocketaudit.cli.main import main
from rocketaudit.cli.running import NodeRun, Run, run_node
from rocketaudit.cli.trust_options import TrustArguments
from rocketaudit.report import WRITERS
from tests.api_double import SETTINGS, answer, api_double
from tests.cli.test_manifest import Keys, signed
from tests.fake_node import FakeNode, command_line_of
from tests.images import Built
from tests.support import REPO, needs_tools

CANARY = "CANARY-9d1f"
_CALLS = (
    "open,openat,openat2,creat,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,"
    "chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,truncate,ftruncate,utimensat,setxattr,lsetxattr,fsetxattr,removexattr,"
    "mount,umount2,mknod,mknodat,connect,pwrite64"
)
TRACE = ("strace", "-f", "-y", "-qq", "-e", f"trace={_CALLS}")


@pytest.fixture
def node(tmp_path: Path, small_erofs_image: Built, monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    monkeypatch.setattr("rocketaudit.source.gently.step_back", lambda: ())
    base = tmp_path / "node"
    base.mkdir()
    return FakeNode(base, small_erofs_image.path, command_line_of(small_erofs_image.path)).make()


def scan(node: FakeNode, *outputs: str, **changed: object) -> int:
    run = Run(target=Path("/"), outputs=outputs, quiet=True, **changed)  # type: ignore[arg-type]
    return run_node(run, NodeRun(base=node.base))


def test_report_says_where_it_ran_and_what_is_hidden_there(node: FakeNode, tmp_path: Path) -> None:
    code = scan(node, f"json={tmp_path / 'report.json'}", f"markdown={tmp_path / 'report.md'}", fail_on="integrity")
    report = json.loads((tmp_path / "report.json").read_text())
    assert code == 1  # the tree holds, but a folder is mounted in its place
    assert ["the mounted root does not show" in reason for reason in report["policy"]["reasons"]] == [True]
    assert report["integrity"]["verdict"] == "consistent_unsigned"
    assert report["target"]["kind"] == "node"
    assert report["extra"]["node:where"] == "the host itself"
    assert "raw disk" in report["extra"]["node:sees"]
    assert "CAP_SYS_ADMIN" in report["extra"]["node:hidden:device-mapper table and status"]


@pytest.mark.parametrize("bank", ["bank-a", "bank-b"])
def test_release_manifest_vouches_for_the_bank_that_runs(
    tmp_path: Path, two_bank_image: Built, small_erofs_image: Built, monkeypatch: pytest.MonkeyPatch, bank: str
) -> None:
    """Bank A of the node is the signed release, bank B is not."""
    monkeypatch.setattr("rocketaudit.source.gently.step_back", lambda: ())
    keys = Keys(tmp_path)
    manifest = signed(small_erofs_image.path, tmp_path, keys)
    base = tmp_path / "node"
    base.mkdir()
    node = FakeNode(base, two_bank_image.path, command_line_of(two_bank_image.path, bank), bank=bank).make()
    trust = TrustArguments(manifest=manifest, keys=(keys.public,))
    code = scan(node, f"json={tmp_path / 'report.json'}", fail_on="integrity", trust=trust)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["integrity"]["verdict"] == ("verified" if bank == "bank-a" else "broken")
    broken = [reason for reason in report["policy"]["reasons"] if reason.startswith("integrity is broken")]
    assert len(broken) == (0 if bank == "bank-a" else 1)
    assert code == 1  # of either bank a folder is mounted in its place, which is a finding


def test_every_report_for_people_says_where_it_ran(node: FakeNode, tmp_path: Path) -> None:
    scan(node, f"html={tmp_path / 'r.html'}", f"markdown={tmp_path / 'r.md'}", f"console={tmp_path / 'r.txt'}")
    for name in ("r.html", "r.md", "r.txt"):
        text = (tmp_path / name).read_text()
        assert "Ran in" in text and "the host itself" in text and "Hidden" in text


def test_a_rule_that_stays_undecided_is_named_with_what_would_decide_it(node: FakeNode, tmp_path: Path) -> None:
    shutil.rmtree(node.base / "sys/kernel")
    scan(node, f"json={tmp_path / 'report.json'}")
    extra = json.loads((tmp_path / "report.json").read_text())["extra"]
    hidden = extra["node:hidden:kernel lockdown"]
    assert "undecided: kernel-lockdown-is-on" in hidden
    assert "hostPath" in hidden


def test_console_shows_the_place_and_its_limits(node: FakeNode, capsys: pytest.CaptureFixture[str]) -> None:
    run_node(Run(target=Path("/")), NodeRun(base=node.base))
    printed = capsys.readouterr().out
    assert "Ran in" in printed and "the host itself" in printed and "Hidden" in printed


@pytest.mark.parametrize("writer", [writer.name for writer in WRITERS])
def test_no_output_holds_a_secret_of_the_node(node: FakeNode, tmp_path: Path, writer: str) -> None:
    line = node.command_line.replace(" -- ", f" secret={CANARY} -- token={CANARY} ", 1)
    node.write("proc/cmdline", line)
    node.write("proc/bootconfig", f'kernel.password = "{CANARY}"\ninit.token = "{CANARY}"\n')
    node.write("proc/self/environ", f"AWS_SECRET={CANARY}")
    for path in (
        "var/lib/bottlerocket/datastore/current/live/settings/kubernetes/bootstrap-token",
        "var/lib/bottlerocket/keys/private.pem",
        "local/host-containers/admin/user-data",
        "etc/kubernetes/pki/kubelet.key",
        "etc/shadow",
        "etc/containerd/config.toml",
        "run/secret",
        "var/log/journal/system.journal",
    ):
        node.write(path, f"root:{CANARY}:1:1:::\n")
    settings = {**SETTINGS, "motd": CANARY, "kubernetes": {"bootstrap-token": CANARY, "server-certificate": CANARY}}
    with api_double(node.base / "run/api.sock") as double:
        double.replies["/settings"] = answer(200, settings)
        scan(node, f"{writer}={tmp_path / 'out'}", benchmarks=("container_host", "bottlerocket", "kubernetes_worker"))
        assert "GET /settings HTTP/1.1" in double.asked
    written = (tmp_path / "out").read_bytes()
    assert len(written) > 100
    assert CANARY.encode() not in written


def test_corrupt_node_fails_and_names_the_file(
    tmp_path: Path, small_ext4_image: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rocketaudit.source.gently.step_back", lambda: ())
    copy = tmp_path / "disk.img"
    shutil.copy(small_ext4_image.path, copy)
    partition = small_ext4_image.partitions["ROOT-A"]
    with copy.open("r+b") as file:
        file.seek(partition.start)
        at = file.read(partition.length).find(b"PRETTY_NAME")
        file.seek(partition.start + at)
        file.write(b"p")
    base = tmp_path / "node"
    base.mkdir()
    node = FakeNode(base, copy, command_line_of(copy)).make()
    assert scan(node, f"json={tmp_path / 'report.json'}") == 1
    bad = json.loads((tmp_path / "report.json").read_text())["integrity"]["bad_blocks"]
    assert [block["path"].rpartition("/")[2] for block in bad] == ["os-release"]
    assert {block["scope"] for block in bad} == {"node"}


@pytest.mark.parametrize("words", [["--io-budget", "fast"], ["--rootfs", "/no/such/folder"], ["--workers", "0"]])
def test_wrong_arguments_are_found_before_anything_is_read(words: list[str]) -> None:
    assert main(["node", *words]) == 2


def test_nothing_on_the_node_is_written_and_memory_stays_small(tmp_path: Path, small_erofs_image: Built) -> None:
    """All that is opened for writing is the report; no directory, link, mode or owner is changed."""
    needs_tools("strace")
    base = tmp_path / "node"
    base.mkdir()
    FakeNode(base, small_erofs_image.path, command_line_of(small_erofs_image.path)).make()
    before = {path: path.lstat().st_mtime_ns for path in base.rglob("*")}
    report, trace = tmp_path / "out" / "report.json", tmp_path / "trace"
    report.parent.mkdir()
    program = (
        "import sys, resource; from pathlib import Path\n"
        "from rocketaudit.cli.running import NodeRun, Run, run_node\n"
        f"run_node(Run(Path('/'), ('json={report}',), quiet=True, workers=1), NodeRun(base=Path({str(base)!r})))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    command = [*TRACE, "-o", str(trace), sys.executable, "-B", "-c", program]
    environment = {**os.environ, "PYTHONPATH": str(REPO), "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(report.parent)}
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert report.exists()
    assert int(done.stdout) < 150 << 10
    strays = [line for line in trace.read_text().splitlines() if _writes(line) and str(report.parent) not in line]
    assert strays == []
    assert {path: path.lstat().st_mtime_ns for path in base.rglob("*")} == before


@pytest.mark.parametrize(
    "line",
    [
        "node -q -o json={out}/r.json -o html={out}/r.html --store {out}/s.sqlite --rootfs {host}",
        "node -q -o evidence={out}/e.json --workers 2 --rootfs {host}",
        "watch --to {out} --times 1 --format json --format openmetrics -- --rootfs {host}",
    ],
)
def test_no_way_to_audit_this_machine_writes_anywhere_but_where_it_is_told(line: str, tmp_path: Path) -> None:
    """The real /proc, /sys and devices of the machine that the test runs on."""
    needs_tools("strace")
    out, host, trace = tmp_path / "out", tmp_path / "host", tmp_path / "trace"
    out.mkdir()
    (host / "usr/bin").mkdir(parents=True)
    (host / "etc").mkdir()
    shutil.copy(shutil.which("true") or "/bin/true", host / "usr/bin/tool")
    before = {path: path.lstat().st_mtime_ns for path in host.rglob("*")}
    words = line.format(out=out, host=host).split()
    command = [*TRACE, "-o", str(trace), sys.executable, "-B", "-m", "rocketaudit", *words]
    environment = {**os.environ, "PYTHONPATH": str(REPO), "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(out)}
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1, 3), done.stderr
    assert any(out.rglob("*.json"))
    strays = [call for call in trace.read_text().splitlines() if _writes(call) and str(out) not in call]
    assert strays == []
    assert {path: path.lstat().st_mtime_ns for path in host.rglob("*")} == before


def test_without_any_capability_the_same_is_seen_of_files_that_root_may_read(node: FakeNode, tmp_path: Path) -> None:
    """docs/nodes.md: a pod needs none. The kernel refuses what would take one."""
    needs_tools("setpriv")
    if os.geteuid() != 0:
        pytest.skip("only root can give capabilities away")
    program = (
        "import sys; from pathlib import Path\n"
        "from rocketaudit.cli.running import NodeRun, Run, run_node\n"
        "outputs = (f'evidence={sys.argv[1]}',)\n"
        f"run_node(Run(Path('/'), outputs, quiet=True), NodeRun(base=Path({str(node.base)!r})))\n"
        "print(Path('/proc/self/status').read_text().partition('CapEff:')[2].split()[0])\n"
    )
    bodies = []
    for name, wrapper in (
        ("all", []),
        ("none", ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]),
    ):
        command = [*wrapper, sys.executable, "-c", program, str(tmp_path / name)]
        environment = {**os.environ, "PYTHONPATH": str(REPO)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        bodies.append(json.loads((tmp_path / name).read_text())["body"])
        assert (int(done.stdout, 16) == 0) == (name == "none")
    assert bodies[0] == bodies[1]


def test_memory_and_processor_stay_in_the_budget_that_the_documents_state(tmp_path: Path) -> None:
    """docs/nodes.md: 150 MiB with programs of up to 64 MiB, and 2 seconds of CPU and 15 for each GiB of files."""
    mebibytes = 64
    base = tmp_path / "node"
    base.mkdir()
    FakeNode(base, mounts=("21 1 0:99 / / ro,relatime - ext4 none ro",)).make()
    program = base / "usr/bin/kubelet"
    program.parent.mkdir(parents=True)
    shutil.copy(shutil.which("true") or "/bin/true", program)
    with program.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(os.urandom((mebibytes << 20) - file.tell()))
    report = tmp_path / "report.json"
    memory, seconds = _cost(base, report)
    assert '"/usr/bin/kubelet"' in report.read_text()
    assert memory < 150 << 10
    assert seconds < 2 + 15 * mebibytes / 1024


@pytest.mark.slow
@pytest.mark.parametrize("name", ["full_erofs_image", "full_ext4_image"])
def test_a_root_of_a_gibibyte_of_packages_stays_in_that_budget_too(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """11,000 entries, among them a library of 104 MiB, and a program with 170,000 symbols; read through the disk."""
    image: Built = request.getfixturevalue(name)
    base = tmp_path / "node"
    base.mkdir()
    FakeNode(base, image.path, command_line_of(image.path)).make()
    report = tmp_path / "report.json"
    memory, seconds = _cost(base, report)
    text = report.read_text()
    assert "libLLVM" in text and '/dockerd"' in text
    read = sum(one["size"] for one in json.loads(text)["body"]["files"] if one["scope"] == "node")
    assert memory < 150 << 10
    assert seconds < 2 + 15 * read / (1 << 30)


def _cost(base: Path, report: Path) -> tuple[int, float]:
    """Peak memory in KiB and seconds of CPU of an audit of the node below `base` in a process of its own."""
    text = (
        "import resource; from pathlib import Path\n"
        "from rocketaudit.cli.running import NodeRun, Run, run_node\n"
        f"run_node(Run(Path('/'), ('evidence={report}',), quiet=True, workers=1), NodeRun(base=Path({str(base)!r})))\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "status = Path('/proc/self/status').read_text()\n"  # ru_maxrss counts what this test itself had before exec
        "print(status.partition('VmHWM:')[2].split()[0], used.ru_utime + used.ru_stime)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    done = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    memory, seconds = done.stdout.split()
    return int(memory), float(seconds)


def _writes(line: str) -> bool:
    call = line.split(None, 1)[1].partition("(")[0] if " " in line else ""
    if call.startswith("open"):
        return any(flag in line for flag in ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC")) and "/dev/null" not in line
    if "resumed>" in line or line.split(None, 1)[1].startswith(("+++", "---")):
        return False
    return call != "connect"


def test_node_that_runs_a_release_differs_from_its_image_only_in_what_runs(node: FakeNode) -> None:
    from rocketaudit.analysis.drift.compare import compare
    from rocketaudit.cli.running import evidence_of, node_evidence, read_benchmarks

    assert node.image is not None
    image = evidence_of(Run(target=node.image, quiet=True, workers=1), read_benchmarks(("bottlerocket",)))
    live = node_evidence(Run(target=Path("/"), quiet=True), NodeRun(base=node.base), read_benchmarks(("bottlerocket",)))
    mounted = ("judged-root:/etc", "judged-root:/run", "judged-root:/tmp", "judged-root:/var")
    changes = [
        change
        for change in compare(image, live)
        if change.kind.value != "unreadable" and not change.subject.startswith(mounted)
    ]
    assert [one for one in changes if one.area in ("files", "banks", "boot", "partitions", "packages")] == []


def test_reports_of_the_nodes_own_checker_are_explained_from_its_evidence_alone(
    node: FakeNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The API's CIS report, asked while the node was audited, beside our verdicts on the same evidence."""

    def checks(**statuses: str) -> dict[str, object]:
        rows = {f"x{name}": (name.replace("_", ".").strip("."), status) for name, status in statuses.items()}
        results = {
            name: {"id": one, "status": status, "level": 1, "title": "t"} for name, (one, status) in rows.items()
        }
        return {"name": "CIS", "version": "v1.0.0", "status": "FAIL", "level": 2, "results": results}

    evidence = tmp_path / "evidence.json"
    with api_double(node.base / "run/api.sock") as double:
        report = checks(_1_5_2="PASS", _1_3_1="FAIL", _1_2_1="SKIP", _9_9="PASS")
        double.replies["/report/cis"] = answer(200, report, "application/text")
        double.replies["/report/fips"] = answer(423, "locked", "text/plain")
        scan(node, f"evidence={evidence}", fail_on="never")
    assert main(["compare-apiclient", str(evidence), "-o", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in told] == ["CIS Bottlerocket Benchmark", "CIS Kubernetes Benchmark (Worker Node)"]
    found = {row["id"]: row["comparison"] for row in told[0]["checks"]}
    assert found == {"1.2.1": "only_ours", "1.3.1": "contradicts", "1.5.2": "agrees", "9.9": "no_rule"}
    assert told[0]["version"] == "1.0.0"
    assert main(["compare-apiclient", str(evidence)]) == 1
    printed = capsys.readouterr().out
    assert "1 contradicts" in printed and "it searches the command line" in printed


def test_evidence_without_such_a_report_says_why(
    node: FakeNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence = tmp_path / "evidence.json"
    with api_double(node.base / "run/api.sock") as double:
        double.replies["/report/cis"] = answer(423, "locked", "text/plain")
        scan(node, f"evidence={evidence}", fail_on="never")
    assert main(["compare-apiclient", str(evidence)]) == 3
    assert "busy with an update" in capsys.readouterr().err
    (tmp_path / "report.txt").write_text("Benchmark name:  CIS Bottlerocket Benchmark\n[PASS] 1.4.1  x (Automatic)\n")
    assert main(["compare-apiclient", str(tmp_path / "report.txt")]) == 2
    assert "second argument" in capsys.readouterr().err
