"""Rules over the real files of Bottlerocket."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rocketaudit.model.verdict import Verdict
from tests.rules import data_file, judge_world, verdict_on
from tests.support import needs_tools

KUBELET = {"/usr/bin/kubelet": "x"}
DEFAULTS = "/etc/storewolf/defaults.toml"
TEMPLATED = """
[settings.kubernetes]
standalone-mode = false
server-tls-bootstrap = true
cluster-domain = "cluster.local"
[configuration-files.kubelet-config]
path = "/etc/kubernetes/kubelet/config"
template-path = "/usr/share/templates/kubelet-config"
mode = "0600"
"""


def _template_world(version: str, defaults: str = TEMPLATED) -> dict[str, Any]:
    template = data_file("kubelet", f"kubelet-config-{version}.template").read_text()
    return {"files": {**KUBELET, DEFAULTS: defaults, "/usr/share/templates/kubelet-config": template}}


@pytest.mark.parametrize("version", ["1.24", "1.25", "1.26", "1.27", "1.28", "1.29", "1.30", "1.31"])
def test_kubelet_is_judged_from_the_template_and_the_default_settings(version: str) -> None:
    world = _template_world(version)
    for rule in (
        "kubelet-refuses-anonymous-requests",
        "kubelet-authorizes-requests",
        "kubelet-knows-its-client-ca",
        "kubelet-read-only-port-is-closed",
        "kubelet-uses-strong-ciphers",
        "kubelet-serves-its-own-certificate",
        "kubelet-config-is-private",
    ):
        assert verdict_on(rule, world) is Verdict.PASS, rule


def test_settings_that_open_the_kubelet_are_seen_in_the_image() -> None:
    world = _template_world("1.31", TEMPLATED.replace("standalone-mode = false", "standalone-mode = true"))
    assert verdict_on("kubelet-refuses-anonymous-requests", world) is Verdict.FAIL
    assert verdict_on("kubelet-authorizes-requests", world) is Verdict.FAIL


def test_value_that_only_a_node_can_compute_is_unknown() -> None:
    template = "podPidsLimit: {{pids_by_instance_type settings.aws.instance-type}}\n"
    world = {"files": {**KUBELET, DEFAULTS: TEMPLATED, "/usr/share/templates/kubelet-config": template}}
    outcome = judge_world("pods-have-a-process-limit", world)
    assert outcome.verdict is Verdict.UNKNOWN
    assert "only a node knows" in outcome.why


def test_condition_that_only_a_node_can_answer_is_unknown_when_its_branches_differ() -> None:
    template = (
        "{{#if (is_big settings.x)}}\nreadOnlyPort: 0\n{{else}}\nreadOnlyPort: 10255\n{{/if}}\nseccompDefault: true\n"
    )
    world = {"files": {**KUBELET, DEFAULTS: TEMPLATED, "/usr/share/templates/kubelet-config": template}}
    assert verdict_on("kubelet-read-only-port-is-closed", world) is Verdict.UNKNOWN
    assert verdict_on("pods-get-the-default-seccomp-profile", world) is Verdict.PASS


def test_real_kubelet_configuration_of_2021_has_no_process_limit() -> None:
    config = data_file("live", "kubelet-config-kubebench887-2021.yaml").read_text()
    world = {"files": {**KUBELET, "/etc/kubernetes/kubelet/config": config}}
    assert verdict_on("pods-have-a-process-limit", world) is Verdict.FAIL
    assert verdict_on("kubelet-refuses-anonymous-requests", world) is Verdict.PASS
    assert verdict_on("kubelet-server-certificate-rotates", world) is Verdict.PASS


def test_sysctls_of_the_release_give_the_verdicts_that_a_real_node_got() -> None:
    files = {"/usr/lib/sysctl.d/80-release.conf": data_file("release", "release-sysctl.conf").read_text()}
    passing = ("unprivileged-bpf-is-off", "user-namespaces-are-off", "setuid-programs-leave-no-core-dumps")
    for rule in passing:
        assert verdict_on(rule, {"files": files}) is Verdict.PASS, rule
    for rule in ("no-icmp-redirects-are-sent", "icmp-redirects-are-refused"):
        assert verdict_on(rule, {"files": files}) is Verdict.FAIL, rule


def test_mount_units_of_the_release_restrict_what_they_mount() -> None:
    names = ("local.mount", "var-lib-bottlerocket.mount", "etc-cni.mount", "opt-cni.mount")
    files = {f"/usr/lib/systemd/system/{name}": data_file("release", name).read_text() for name in names}
    for rule in (
        "local-storage-is-restricted",
        "private-storage-is-restricted",
        "cni-configuration-is-restricted",
        "plugin-folders-are-restricted",
    ):
        assert verdict_on(rule, {"files": files}) is Verdict.PASS, rule
    assert verdict_on("tmp-is-restricted", {"files": files}) is Verdict.UNKNOWN


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Bottlerocket's own policy, compiled as it is and with a permissive domain."""
    needs_tools("secilc", "bash")
    folder = tmp_path_factory.mktemp("policy")
    source = data_file("selinux")
    categories = subprocess.run(["bash", str(source / "catgen.sh")], check=True, capture_output=True).stdout
    (folder / "category.cil").write_bytes(categories)
    (folder / "permissive.cil").write_text("(typepermissive control_t)\n")
    modules = [str(path) for path in sorted(source.glob("*.cil"))] + [str(folder / "category.cil")]
    return {
        "strict": _compile(folder / "strict", modules, "31"),
        "permissive": _compile(folder / "permissive", [*modules, str(folder / "permissive.cil")], "31"),
    }


def _compile(out: Path, modules: list[str], version: str) -> bytes:
    subprocess.run(["secilc", f"--policyvers={version}", *modules, "-o", str(out), "-f", "/dev/null"], check=True)
    return out.read_bytes()


def _selinux_world(policy: bytes) -> dict[str, Any]:
    base = "/usr/share/factory/etc/selinux"
    return {
        "files": {
            f"{base}/config": data_file("selinux", "selinux.config").read_text(),
            f"{base}/fortified/policy/policy.31": {"base64": base64.b64encode(policy).decode()},
            "/usr/lib/modules/6.1.0/config": data_file("kernel", "config-bottlerocket-6.1").read_text(),
        },
        "command_line": "ro selinux=1 enforcing=1",
    }


def test_real_selinux_policy_enforces_and_has_no_permissive_domain(policy: dict[str, bytes]) -> None:
    world = _selinux_world(policy["strict"])
    assert verdict_on("selinux-enforces-the-fortified-policy", world) is Verdict.PASS
    assert verdict_on("policy-has-no-permissive-domains", world) is Verdict.PASS
    assert verdict_on("policy-is-current", world) is Verdict.PASS


def test_permissive_domain_in_the_real_policy_is_seen(policy: dict[str, bytes]) -> None:
    assert verdict_on("policy-has-no-permissive-domains", _selinux_world(policy["permissive"])) is Verdict.FAIL
