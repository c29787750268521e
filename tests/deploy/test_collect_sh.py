"""The collector for places without Python: a clean shell script whose bundle says what `rocketaudit node` would see."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.analysis.benchmark import needs
from rocketaudit.audit import TOOL, Judging, judge_evidence
from rocketaudit.cli.running import SHIPPED, NodeRun, Run, node_evidence, read_benchmarks
from rocketaudit.errors import FormatError
from rocketaudit.evidence.bundle import evidence_of_bundle
from rocketaudit.formats.bundle import parse_bundle
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Assurance, Key, Plane, State
from rocketaudit.model.policy import Policy
from rocketaudit.model.verdict import Verdict
from tests.api_double import OS, SETTINGS, answer, api_double
from tests.fake_node import FakeNode
from tests.support import REPO, needs_tools

SCRIPT = REPO / "deploy/control/collect.sh"
MAX_CHARACTERS = 24_000  # what SSM's GetCommandInvocation returns of standard output
COREUTILS = ("cat", "date", "head", "readlink", "timeout", "tr")
ALLOWED = (*COREUTILS, "sed", "jq", "gzip")
CANARY = "CANARY-51c0"
LINE = (
    "console=ttyS0 root=/dev/dm-0 rootwait ro selinux=1 enforcing=1 lockdown=integrity systemd.unit=x "
    'dm-mod.create="root,,,ro,0 1000 verity 1 PARTUUID=a PARTUUID=b 4096 4096 125 1 sha256 aa bb 2 '
    'restart_on_corruption ignore_zero_blocks" vendor.token=' + CANARY + f' "odd name={CANARY} x" -- --quiet'
)
CONFIG = b"CONFIG_DM_VERITY=y\n# CONFIG_MODULES is not set\nCONFIG_SECCOMP=y\nCONFIG_SECURITY_SELINUX_DEVELOP=y\n"
APICLIENT = """#!{python}
import os, re, socket, sys
channel = socket.socket(socket.AF_UNIX)
channel.connect(os.environ["API_SOCKET"])
assert sys.argv[1:5] == ["raw", "-m", "GET", "-u"], sys.argv
channel.sendall(b"GET " + sys.argv[5].encode() + b" HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n")
data = b""
while piece := channel.recv(65536):
    data += piece
head, _, body = data.partition(b"\\r\\n\\r\\n")
status = int(head.split()[1])
if status == 200:
    sys.stdout.write(body.decode())
else:
    sys.exit(f"Failed GET request to '{{sys.argv[5]}}': Status {{status}} when GETing unix://x: {{body.decode()}}")
"""


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    """What the control container of a node shows: no files of the host, its network and its control groups."""
    needs_tools("jq")
    monkeypatch.setattr("rocketaudit.source.gently.step_back", lambda: ())
    base = tmp_path / "node"
    (base / ".bottlerocket/host-containers/control").mkdir(parents=True)
    node = FakeNode(base, command_line=LINE, is_host=False, capabilities="00000000a80425fb").make()
    node.write("proc/config.gz", gzip.compress(CONFIG))
    shutil.rmtree(base / "sys/kernel")
    shutil.rmtree(base / "sys/fs/selinux")
    return node


@pytest.fixture(scope="module")
def real_bundle(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    needs_tools("jq")
    folder = tmp_path_factory.mktemp("bundle")
    base = folder / "node"
    (base / ".bottlerocket/host-containers/control").mkdir(parents=True)
    node = FakeNode(base, command_line=LINE, is_host=False, capabilities="00000000a80425fb").make()
    with api_double(base / "run/api.sock"):
        return collect(node, tools(folder / "bin"))


def tools(folder: Path, *, apiclient: bool = True) -> Path:
    """A folder with nothing but what the collector may use."""
    folder.mkdir(exist_ok=True)
    for name in ALLOWED:
        path = shutil.which(name)
        if path is not None and not (folder / name).exists():
            (folder / name).symlink_to(path)
    if apiclient:
        (folder / "apiclient").write_text(APICLIENT.format(python=sys.executable))
        (folder / "apiclient").chmod(0o755)
    return folder


def collect(node: FakeNode, path: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> bytes:
    shell = shutil.which("dash") or "/bin/sh"
    values = {"PATH": str(path), "ROCKETAUDIT_ROOT": str(node.base), "API_SOCKET": str(node.base / "run/api.sock")}
    done = subprocess.run(
        [shell, str(SCRIPT), *arguments], env=values | dict(environment or {}), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def bundled(data: bytes) -> Evidence:
    return evidence_of_bundle(parse_bundle(data), needs(read_benchmarks(SHIPPED)), name="node", tool=TOOL)


def verdicts(evidence: Evidence) -> dict[str, Verdict]:
    from datetime import date

    judging = Judging(read_benchmarks(SHIPPED), Policy(), date(2026, 1, 1))
    report = judge_evidence(evidence, judging)
    return {result.rule.id: result.verdict for one in report.benchmarks for result in one.results}


def direct(node: FakeNode) -> Evidence:
    return node_evidence(Run(target=Path("/"), quiet=True), NodeRun(base=node.base), read_benchmarks(SHIPPED))


def runtime(evidence: Evidence, text: str) -> tuple[State, object]:
    fact = evidence.get(Key.parse(text), Plane.RUNTIME)
    return fact.state, fact.value


def test_script_is_clean_for_shellcheck_and_dash() -> None:
    needs_tools("shellcheck", "dash")
    subprocess.run(["shellcheck", "--shell=sh", str(SCRIPT)], check=True)
    subprocess.run(["dash", "-n", str(SCRIPT)], check=True)


@pytest.mark.golden
def test_lists_in_deploy_are_those_that_the_shipped_rules_need() -> None:
    arguments = [] if os.environ.get("ROCKETAUDIT_GOLDEN") == "write" else ["--check"]
    done = subprocess.run([sys.executable, str(REPO / "deploy/generate.py"), *arguments], check=False)
    assert done.returncode == 0, "run `make golden`"


def test_bundle_gives_the_verdict_of_the_node_for_every_rule_that_it_decides(control: FakeNode, tmp_path: Path) -> None:
    with api_double(control.base / "run/api.sock"):
        here = verdicts(direct(control))
        there = verdicts(bundled(collect(control, tools(tmp_path / "bin"))))
    decided = {rule: verdict for rule, verdict in there.items() if verdict in (Verdict.PASS, Verdict.FAIL)}
    assert len(decided) >= 30
    assert decided == {rule: here[rule] for rule in decided}
    lost = {rule for rule, verdict in here.items() if verdict in (Verdict.PASS, Verdict.FAIL)} - set(decided)
    assert lost == set(), "rules that Python decides in the same container and the shell does not"
    rest = {rule: verdict for rule, verdict in there.items() if rule not in decided}
    assert {rule for rule, verdict in rest.items() if verdict not in (Verdict.UNKNOWN, here[rule])} == set()
    assert Verdict.UNKNOWN in rest.values()


def test_bundle_states_the_same_facts_as_the_node(control: FakeNode, tmp_path: Path) -> None:
    with api_double(control.base / "run/api.sock"):
        here, there = direct(control), bundled(collect(control, tools(tmp_path / "bin")))
    stated = [fact for fact in there.facts if fact.state is not State.UNREAD and fact.key.namespace != "node"]
    assert {fact.key.namespace for fact in stated} >= {
        "sysctl", "kernel_arg", "init_arg", "kconfig", "modules", "kernel", "unit", "units", "setting", "update",
        "own_check", "os", "kernel_command_line",
    }  # fmt: skip
    for fact in stated:
        other = here.get(fact.key, Plane.RUNTIME)
        if fact.key == Key("settings", ("api",)):
            continue  # the node counts all settings, a bundle those that rules ask for
        assert (fact.state, fact.value) == (other.state, other.value), str(fact.key)
    assert there.assurance is Assurance.ASSERTED
    assert there.target.variant == OS["variant_id"]


def test_bundle_fits_into_what_ssm_returns_and_needs_only_what_the_container_has(
    control: FakeNode, tmp_path: Path
) -> None:
    modules = "".join(f"a_module_with_a_rather_long_name_{number} 1 0 - Live 0x0\n" for number in range(1000))
    control.write("proc/modules", modules)
    checks = {f"br{number:08}": {"id": str(number), "status": "PASS", "level": 1} for number in range(300)}
    with api_double(control.base / "run/api.sock") as double:
        double.replies["/report/cis"] = answer(200, {"name": "n", "status": "PASS", "level": 1, "results": checks})
        data = collect(control, tools(tmp_path / "bin"), "--nonce", "n" * 128)
    assert len(data.decode()) < MAX_CHARACTERS
    evidence = bundled(data)
    assert evidence.get(Key("modules", ("loaded",)), Plane.RUNTIME).state is State.UNREAD
    assert runtime(evidence, "sysctl:kernel.randomize_va_space") == (State.PRESENT, "2")


def test_many_middling_values_are_left_out_and_counted(control: FakeNode, tmp_path: Path) -> None:
    checks = {f"br{number:08}": {"id": str(number), "status": "PASS", "level": 1} for number in range(80)}
    control.write("proc/modules", "".join(f"module_number_{number} 1 0 - Live 0x0\n" for number in range(300)))
    control.write("proc/cmdline", "ro " + " ".join(f"sysctl.kernel.x{number}=1" for number in range(250)))
    with api_double(control.base / "run/api.sock") as double:
        double.replies["/report/cis"] = answer(200, {"name": "n", "status": "PASS", "level": 1, "results": checks})
        double.replies["/report/fips"] = answer(200, {"name": "n", "status": "PASS", "level": 1, "results": checks})
        data = collect(control, tools(tmp_path / "bin"))
    assert len(data) < MAX_CHARACTERS
    bundle = parse_bundle(data)
    assert any("did not fit" in problem for problem in bundle.problems)
    assert any("did not fit" in gap.reason for gap in bundled(data).gaps)


def test_a_cut_bundle_never_decides_what_the_whole_one_does_not(control: FakeNode, tmp_path: Path) -> None:
    with api_double(control.base / "run/api.sock"):
        data = collect(control, tools(tmp_path / "bin"))
    whole = bundled(data)
    right = verdicts(whole)
    start = data.index(b"where ") + 20
    for cut in range(start, len(data) - 3, max(1, (len(data) - start) // 60)):
        evidence = bundled(data[:cut])
        assert any("cut off" in gap.reason for gap in evidence.gaps), cut
        for fact in evidence.facts:
            full = whole.get(fact.key, Plane.RUNTIME)
            assert fact.state is State.UNREAD or (fact.state, fact.value) == (full.state, full.value), (cut, fact)
    for cut in (start + 200, len(data) // 2, len(data) - 10):
        for rule, verdict in verdicts(bundled(data[:cut])).items():
            assert verdict is right[rule] or verdict in (Verdict.UNKNOWN, Verdict.NOT_APPLICABLE), (cut, rule)


def test_a_bundle_that_ends_after_any_of_its_lines_is_said_to_be_cut(control: FakeNode, tmp_path: Path) -> None:
    with api_double(control.base / "run/api.sock"):
        lines = collect(control, tools(tmp_path / "bin")).splitlines(keepends=True)
    whole = {line.key: line for line in parse_bundle(b"".join(lines)).lines}
    for count in range(6, len(lines)):
        for tail in (b"", lines[count][: len(lines[count]) // 2]):
            bundle = parse_bundle(b"".join(lines[:count]) + tail)
            assert any("cut off" in problem for problem in bundle.problems), count
            assert all(whole[line.key] == line for line in bundle.lines), count
    for count in range(6):
        with pytest.raises(FormatError):
            parse_bundle(b"".join(lines[:count]))


@given(
    st.lists(
        st.tuples(st.sampled_from(["drop", "double", "swap", "change"]), st.integers(0, 10_000), st.integers(0, 255))
    )
)
@settings(max_examples=200, deadline=None)
def test_any_change_of_a_real_bundle_gives_evidence_or_one_clear_error(
    real_bundle: bytes, changes: list[tuple[str, int, int]]
) -> None:
    """Lines left out, doubled and swapped, bytes changed: nothing but FormatError."""
    lines = real_bundle.split(b"\n")
    for how, place, byte in changes[:12]:
        at = place % len(lines)
        if how == "drop":
            del lines[at : at + byte % 3]
        elif how == "double":
            lines.insert(at, lines[byte % len(lines)])
        elif how == "swap":
            lines[at], lines[byte % len(lines)] = lines[byte % len(lines)], lines[at]
        else:
            line = bytearray(lines[at])
            if line:
                line[place % len(line)] = byte
            lines[at] = bytes(line)
        lines = lines or [b""]
    try:
        evidence = bundled(b"\n".join(lines))
    except FormatError:
        return
    assert evidence.assurance is Assurance.ASSERTED
    assert all(gap.reason for gap in evidence.gaps)


def test_the_largest_bundle_of_a_real_node_is_whole(control: FakeNode, tmp_path: Path) -> None:
    """As many checks, modules, units and arguments as a Kubernetes node has, each as long as they get there."""
    modules = [f"nf_conntrack_{name}_{number:02}" for name in ("netlink", "broadcast", "ftp") for number in range(60)]
    control.write("proc/modules", "".join(f"{name} 20480 1 - Live 0x0\n" for name in modules))
    control.write(
        "proc/cmdline", LINE + "".join(f" sysctl.net.ipv4.conf.eth{number}.rp_filter=1" for number in range(24))
    )
    for number in range(70):
        control.write(
            f"sys/fs/cgroup/system.slice/a-service-of-bottlerocket-{number:02}.service/cgroup.events", "populated 1\n"
        )
    checks = {
        f"{name}{number:08}": {
            "id": f"{name.upper()}.{number}.1",
            "status": "PASS",
            "level": 2,
            "title": "x" * 120,
            "error": "y" * 200,
        }
        for name in ("br",)
        for number in range(28)
    }
    with api_double(control.base / "run/api.sock") as double:
        for target in ("/report/cis", "/report/fips"):
            double.replies[target] = answer(200, {"name": "n", "status": "PASS", "level": 2, "results": checks})
        containers = {
            f"container-{number}": {"enabled": True, "superpowered": False, "source": "x" * 200} for number in range(12)
        }
        double.replies["/settings"] = answer(200, {**SETTINGS, "host-containers": containers})
        data = collect(control, tools(tmp_path / "bin"), "--nonce", "n" * 128)
    bundle = parse_bundle(data)
    assert bundle.problems == ()
    assert 12_000 < len(data.decode()) < MAX_CHARACTERS
    assert [line.key for line in bundle.lines if "too long" in line.reason] == []
    assert [one.target for one in bundle.answers if b"too long" in one.body] == []


def test_the_order_of_lines_says_nothing_and_a_line_put_in_is_noticed(control: FakeNode, tmp_path: Path) -> None:
    with api_double(control.base / "run/api.sock"):
        lines = collect(control, tools(tmp_path / "bin")).splitlines(keepends=True)
    head, body, end = lines[:6], lines[6:-1], lines[-1:]
    whole = bundled(b"".join(lines))

    def said(evidence: Evidence) -> dict[Key, object]:
        return {fact.key: (fact.state, fact.value) for fact in evidence.facts}

    turned = bundled(b"".join([*head, *reversed(body), *end]))
    assert (said(turned), turned.gaps) == (said(whole), whole.gaps)
    forged = b'=\tsysctl:kernel.kptr_restrict\t"2"\n'
    twice = bundled(b"".join([*head, *body, forged, *end]))
    assert runtime(twice, "sysctl:kernel.kptr_restrict")[0] is State.UNREAD
    assert any("put in" in gap.reason for gap in twice.gaps)


def test_nothing_that_may_be_a_secret_is_in_a_bundle(control: FakeNode, tmp_path: Path) -> None:
    settings = json.loads(json.dumps(SETTINGS))
    settings["motd"] = CANARY
    settings["kubernetes"] = {"bootstrap-token": CANARY}
    settings["host-containers"]["admin"]["user-data"] = CANARY
    settings["updates"]["metadata-base-url"] = f"https://user:{CANARY}@updates.example/"
    settings["updates"]["targets-base-url"] = f"https://updates.example/?signature={CANARY}"
    with api_double(control.base / "run/api.sock") as double:
        double.replies["/settings"] = answer(200, settings)
        data = collect(control, tools(tmp_path / "bin"))
    assert CANARY.encode() not in data
    evidence = bundled(data)
    assert runtime(evidence, 'setting:["updates","metadata-base-url"]')[0] is State.UNREAD
    assert runtime(evidence, "kernel_arg:vendor.token")[0] is State.UNREAD
    assert runtime(evidence, 'setting:["host-containers","admin","enabled"]') == (State.PRESENT, False)
    assert runtime(evidence, 'setting:["kubernetes","allowed-unsafe-sysctls"]')[0] is State.ABSENT


@pytest.mark.parametrize(
    ("tools_container", "verdict"),
    [
        ({"enabled": True, "superpowered": True}, Verdict.FAIL),
        ({"enabled": False, "superpowered": True}, Verdict.PASS),
        (None, Verdict.PASS),
    ],
)
def test_a_rule_about_all_host_containers_is_decided_by_a_bundle_too(
    control: FakeNode, tmp_path: Path, tools_container: object, verdict: Verdict
) -> None:
    settings = json.loads(json.dumps(SETTINGS))
    if tools_container is not None:
        settings["host-containers"]["tools"] = tools_container
    with api_double(control.base / "run/api.sock") as double:
        double.replies["/settings"] = answer(200, settings)
        evidence = bundled(collect(control, tools(tmp_path / "bin")))
    assert verdicts(evidence)["no-other-container-has-superpowers"] is verdict
    stated = [fact.key for fact in evidence.facts]
    assert len(stated) == len(set(stated))


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (answer(500, "Unable to get settings: live datastore missing", "text/plain"), "locked down"),
        (answer(423, "busy", "text/plain"), "423"),
        (answer(200, "not JSON", "text/plain"), "no JSON"),
        (answer(200, [1, 2]), "no JSON"),
    ],
)
def test_what_the_api_does_not_answer_is_unread_with_the_reason(
    control: FakeNode, tmp_path: Path, reply: bytes, reason: str
) -> None:
    with api_double(control.base / "run/api.sock") as double:
        double.replies["/settings"] = reply
        evidence = bundled(collect(control, tools(tmp_path / "bin")))
    fact = evidence.get(Key("setting", ("host-containers", "admin", "enabled")), Plane.RUNTIME)
    assert fact.state is State.UNREAD
    assert reason in fact.reason


def test_without_apiclient_and_gzip_the_rest_is_still_read(control: FakeNode, tmp_path: Path) -> None:
    folder = tools(tmp_path / "bin", apiclient=False)
    (folder / "gzip").unlink()
    evidence = bundled(collect(control, folder))
    assert "gzip" in evidence.get(Key("kconfig", ("CONFIG_MODULES",)), Plane.RUNTIME).reason
    assert "apiclient" in evidence.get(Key("settings", ("api",)), Plane.RUNTIME).reason
    assert runtime(evidence, "sysctl:kernel.randomize_va_space") == (State.PRESENT, "2")


def test_in_a_pod_the_pods_own_network_is_not_taken_for_the_nodes(control: FakeNode, tmp_path: Path) -> None:
    folder = tools(tmp_path / "bin", apiclient=False)
    name = "sysctl:net.ipv4.conf.all.send_redirects"
    assert runtime(bundled(collect(control, folder)), name) == (State.PRESENT, "1")
    in_pod = bundled(collect(control, folder, environment={"KUBERNETES_SERVICE_HOST": "10.0.0.1"}))
    assert runtime(in_pod, name)[0] is State.UNREAD


def test_in_a_sandbox_with_nothing_but_its_tools_it_writes_nothing(control: FakeNode, tmp_path: Path) -> None:
    """As in a container: a read-only root, no network, its own processes, and the tools of the list.

    Where a machine makes no namespaces for its users, only the tools are limited.
    """
    needs_tools("bwrap")
    folder = tools(tmp_path / "bin", apiclient=False)
    shell = shutil.which("dash") or "/bin/sh"
    box = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--unshare-all"]
    if subprocess.run([*box, "true"], capture_output=True, check=False).returncode:
        box = []
    environment = {"PATH": str(folder), "ROCKETAUDIT_ROOT": str(control.base)}
    before = {path: path.lstat().st_mtime_ns for path in control.base.rglob("*")}
    command = [shutil.which(word) or word for word in box[:1]] + [*box[1:], shell, str(SCRIPT)]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert {path: path.lstat().st_mtime_ns for path in control.base.rglob("*")} == before
    assert runtime(bundled(done.stdout), "sysctl:kernel.randomize_va_space") == (State.PRESENT, "2")


@pytest.mark.parametrize(
    "arguments", [["--nonce"], ["--nonce", ""], ["--nonce", "a b"], ["--nonce", "x" * 129], ["-x"]]
)
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    done = subprocess.run(["/bin/sh", str(SCRIPT), *arguments], capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stdout == b""


def test_an_argument_that_only_the_kernel_splits_off_is_not_hidden(control: FakeNode, tmp_path: Path) -> None:
    """The kernel takes the byte 0xA0 for a blank; no value that stays on the node may swallow `selinux=0`."""
    control.write("proc/cmdline", "ro selinux=1 quiet\u00a0selinux=0 x\u00a0enforcing=0\n")
    evidence = bundled(collect(control, tools(tmp_path / "bin", apiclient=False)))
    for name in ("selinux", "enforcing", "lockdown"):
        assert runtime(evidence, f"kernel_arg:{name}")[0] is State.UNREAD
