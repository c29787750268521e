"""What somebody would try who wants a rule to pass that should not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import pytest

from rocketaudit.analysis.benchmark import judge, needs
from rocketaudit.cli.rule_examples import evidence_of
from rocketaudit.evidence.bundle import bundle_keys
from rocketaudit.evidence.kernel_arguments import shown_command_line
from rocketaudit.model.verdict import Verdict
from tests.rules import all_rules, judge_world, shipped, verdict_on

VENDOR, ADMIN = "/usr/lib/systemd/system", "/etc/systemd/system"
CONFIG = "/etc/kubernetes/kubelet/config"
START = f"{ADMIN}/kubelet.service.d/exec-start.conf"
ANONYMOUS = "kubelet-refuses-anonymous-requests"
KUBELET = {
    "/usr/bin/kubelet": "x",
    CONFIG: "authentication:\n  anonymous:\n    enabled: false\n",
    START: f"[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --config {CONFIG}\n",
}
OPEN = "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --anonymous-auth=true\n"


def _started(words: str) -> dict[str, str]:
    return {START: f"[Service]\nExecStart=\nExecStart=/usr/bin/kubelet {words}\n"}


def test_kubelet_that_is_closed_passes() -> None:
    assert verdict_on(ANONYMOUS, {"files": KUBELET}) is Verdict.PASS


FAILING_KUBELETS = {
    "a later drop-in": {f"{ADMIN}/kubelet.service.d/zz.conf": OPEN},
    "a later drop-in of the vendor": {f"{VENDOR}/kubelet.service.d/zz.conf": OPEN},
    "a drop-in for all services": {f"{ADMIN}/service.d/zz.conf": OPEN},
    "underscores": _started(f"--config {CONFIG} --anonymous_auth=true"),
    "twice": _started(f"--anonymous-auth=false --config {CONFIG} --anonymous-auth"),
}


@pytest.mark.parametrize("files", FAILING_KUBELETS.values(), ids=FAILING_KUBELETS)
def test_flag_of_the_kubelet_is_seen_wherever_it_stands(files: dict[str, str]) -> None:
    assert verdict_on(ANONYMOUS, {"files": {**KUBELET, **files}}) is Verdict.FAIL
    node = {"files": {**KUBELET, **files}, "running": {}}
    assert verdict_on(ANONYMOUS, node) is Verdict.FAIL


UNKNOWN_KUBELETS = {
    "another file": _started("--config /etc/other"),
    "no file": _started("--node-ip ${NODE_IP}"),
    "a folder of files": _started(f"--config {CONFIG} --config-dir /etc/kubernetes/kubelet/config.d"),
    "a variable": _started(f"--config {CONFIG} $ARGS"),
    "a variable in braces": _started(f"${{ARGS}} --config {CONFIG}"),
    "a shell": {START: '[Service]\nExecStart=/bin/sh -c "kubelet --x"\n'},
    "an empty file": {CONFIG: ""},
    "a list": {CONFIG: "- 1\n"},
}


@pytest.mark.parametrize("files", UNKNOWN_KUBELETS.values(), ids=UNKNOWN_KUBELETS)
def test_kubelet_whose_configuration_is_elsewhere_is_unknown(files: dict[str, str]) -> None:
    assert verdict_on(ANONYMOUS, {"files": {**KUBELET, **files}}) is Verdict.UNKNOWN


def test_values_that_the_unit_takes_from_its_environment_add_no_flags() -> None:
    files = {**KUBELET, **_started(f'--config {CONFIG} --node-ip ${{NODE_IP}} --node-labels "${{NODE_LABELS}}"')}
    assert verdict_on(ANONYMOUS, {"files": files}) is Verdict.PASS


def test_feature_gate_and_bootstrap_have_flags_of_other_names() -> None:
    gate = {**KUBELET, **_started(f"--config {CONFIG} --feature-gates=A=true,RotateKubeletServerCertificate=false")}
    assert verdict_on("kubelet-server-certificate-rotates", {"files": gate}) is Verdict.FAIL
    boot = {
        **KUBELET,
        CONFIG: "serverTLSBootstrap: true\n",
        **_started(f"--config {CONFIG} --rotate-server-certificates=false"),
    }
    assert verdict_on("kubelet-serves-its-own-certificate", {"files": boot}) is Verdict.FAIL


@pytest.mark.parametrize(
    "files",
    [
        {"/usr/lib/os-release": "ID=bottlerocket\nVARIANT_ID=aws-k8s-1.31\n"},
        {f"{VENDOR}/kubelet.service": "[Service]\nExecStart=/usr/local/bin/kubelet\n"},
    ],
    ids=["variant", "unit"],
)
def test_kubelet_that_was_moved_does_not_take_its_benchmark_away(files: dict[str, str]) -> None:
    assert verdict_on(ANONYMOUS, {"files": files}) is Verdict.UNKNOWN


def _tmp(options: str, **more: object) -> dict[str, object]:
    unit = f"[Mount]\nWhat=tmpfs\nWhere=/tmp\nType=tmpfs\nOptions={options}\n"
    return {"files": {f"{VENDOR}/tmp.mount": unit, **more}}


@pytest.mark.parametrize("options", ["nosuid,nodev,suid", "nosuid,nodev,dev,nosuid", "nodev,suid"])
def test_mount_option_that_a_later_one_takes_back_does_not_count(options: str) -> None:
    assert verdict_on("tmp-is-restricted", _tmp("mode=1777,suid,nosuid,nodev")) is Verdict.PASS
    assert verdict_on("tmp-is-restricted", _tmp(options)) is Verdict.FAIL


def test_drop_ins_for_a_type_and_for_the_beginning_of_a_name_count() -> None:
    weak = "[Mount]\nOptions=mode=1777\n"
    assert verdict_on("tmp-is-restricted", _tmp("nosuid,nodev", **{f"{ADMIN}/mount.d/a.conf": weak})) is Verdict.FAIL
    unit = "[Mount]\nWhat=x\nWhere=/var/lib/bottlerocket\nOptions=nosuid,nodev,noexec\n"
    files = {f"{VENDOR}/var-lib-bottlerocket.mount": unit}
    assert verdict_on("private-storage-is-restricted", {"files": files}) is Verdict.PASS
    files[f"{ADMIN}/var-lib-.mount.d/a.conf"] = "[Mount]\nOptions=exec\n"
    assert verdict_on("private-storage-is-restricted", {"files": files}) is Verdict.FAIL


SHELL = {f"{VENDOR}/debug-shell.service": "[Service]\nExecStart=/bin/sh\n[Install]\nWantedBy=sysinit.target\n"}
TARGET = f"{VENDOR}/multi-user.target"
PULLED: dict[str, dict[str, object]] = {
    "text": {TARGET: "[Unit]\nRequires=a.service debug-shell.service\n"},
    "drop-in": {TARGET: "[Unit]\n", f"{ADMIN}/multi-user.target.d/a.conf": "[Unit]\nWants=debug-shell.service\n"},
    "alias": {
        f"{ADMIN}/x.service": {"link": f"{VENDOR}/debug-shell.service"},
        f"{ADMIN}/multi-user.target.wants/x.service": {"link": "../x.service"},
    },
    "attached": {"/etc/systemd/system.attached/a.target.wants/debug-shell.service": {"link": "x"}},
}


@pytest.mark.parametrize("files", PULLED.values(), ids=PULLED)
def test_unit_that_another_one_starts_is_not_off(files: dict[str, object]) -> None:
    assert verdict_on("debug-shell-is-off", {"files": SHELL}) is Verdict.PASS
    assert verdict_on("debug-shell-is-off", {"files": {**SHELL, **files}}) is Verdict.FAIL


def test_login_that_a_generator_or_logind_starts_is_not_off() -> None:
    for unit, starter in (
        ("serial-getty@.service", "/usr/lib/systemd/system-generators/systemd-getty-generator"),
        ("getty@.service", "/usr/lib/systemd/systemd-logind"),
    ):
        rule = "serial-login-is-off" if unit.startswith("serial") else "console-login-is-off"
        files: dict[str, object] = {f"{VENDOR}/{unit}": "[Service]\nExecStart=x\n[Install]\nWantedBy=getty.target\n"}
        assert verdict_on(rule, {"files": files}) is Verdict.PASS
        files[starter] = "x"
        assert verdict_on(rule, {"files": files}) is Verdict.FAIL
        masked = {**files, f"{ADMIN}/{unit}": {"link": "/dev/null"}}
        assert verdict_on(rule, {"files": masked}) is Verdict.PASS


INIT_WORDS = (
    "s", "S", "1", "-s", "-b", "single", "emergency", "rescue", "systemd.debug-shell", "rd.break", "init=/bin/sh",
    "systemd.unit=debug-shell.service", "systemd.wants=debug-shell.service", "systemd.run=/bin/x",
    "systemd.crash_shell=1", "systemd.mask=systemd-sysctl.service", "systemd.setenv=LD_PRELOAD=/x", "rdinit=/x",
    "-- s", "-- 1", "-- single", "-- -b", "-- systemd.unit=rescue.target", "-- systemd.debug_shell",
)  # fmt: skip


@pytest.mark.parametrize("words", INIT_WORDS)
def test_word_that_opens_a_shell_at_boot_is_seen_on_both_sides_of_the_dashes(words: str) -> None:
    assert verdict_on("boot-starts-the-real-init", {"command_line": f"ro {words}"}) is Verdict.FAIL
    plain = "ro quiet -- systemd.log_target=journal-or-kmsg"
    assert verdict_on("boot-starts-the-real-init", {"command_line": plain}) is Verdict.PASS


OFF = (
    "mitigations=off", "mitigations=auto mitigations=off", "mitigations=auto;no_user_kernel", "nopti", "kpti=0",
    "nospectre_bhb", "spectre_v2_user=off", "ssbd=force-off", "srbds=off", "spec_rstack_overflow=off", "nosmap",
    "clearcpuid=smep", "kvm.nx_huge_pages=never", "nospec_store_bypass_disable", "spectre_bhi=off", "vmscape=off",
)  # fmt: skip


@pytest.mark.parametrize("words", OFF)
def test_mitigation_that_is_switched_off_under_any_of_its_names_is_seen(words: str) -> None:
    assert verdict_on("boot-keeps-cpu-mitigations", {"command_line": f"ro {words}"}) is Verdict.FAIL
    assert verdict_on("boot-keeps-cpu-mitigations", {"command_line": "ro mitigations=auto,nosmt"}) is Verdict.PASS


def test_sysctl_file_that_nobody_reads_at_boot_sets_nothing() -> None:
    files: dict[str, object] = {"/usr/lib/sysctl.d/a.conf": "kernel.unprivileged_bpf_disabled = 1\n"}
    assert verdict_on("unprivileged-bpf-is-off", {"files": files}) is Verdict.PASS
    files[f"{ADMIN}/systemd-sysctl.service"] = {"link": "/dev/null"}
    assert verdict_on("unprivileged-bpf-is-off", {"files": files}) is Verdict.UNKNOWN


def test_sysctl_beats_the_panic_argument() -> None:
    world = {"command_line": "ro panic=10", "files": {"/usr/lib/sysctl.d/a.conf": "kernel.panic = 0\n"}}
    assert verdict_on("boot-restarts-after-a-panic", world) is Verdict.FAIL
    assert verdict_on("boot-restarts-after-a-panic", {"command_line": "ro panic=10", "files": {}}) is Verdict.PASS


def test_first_mode_of_selinux_counts_as_for_libselinux() -> None:
    world = {"files": {"/etc/selinux/config": "SELINUX=permissive\nSELINUX=enforcing\nSELINUXTYPE=fortified\n"}}
    assert "selinux:mode is 'permissive'" in judge_world("selinux-enforces-the-fortified-policy", world).why


INPUT, OUTPUT = "INPUT", "OUTPUT"


def firewall(rules: Mapping[str, Sequence[str]], policy: str = "ACCEPT") -> dict[str, object]:
    """A node with one chain at each hook, as the older tables have them."""
    chains = {
        f"iptables:{hook}#chains": [{"table": "filter", "chain": hook, "policy": policy, "rules": list(lines)}]
        for hook, lines in rules.items()
    }
    return {"running": chains}


def test_rule_that_accepts_everything_first_leaves_the_later_one_nothing() -> None:
    tail = ["-A INPUT -s 127.0.0.0/8 -j DROP"]
    running = {OUTPUT: ["-A OUTPUT -o lo -j ACCEPT"], INPUT: ["-A INPUT -i lo -j ACCEPT", *tail]}
    assert verdict_on("ipv4-loopback-is-filtered", firewall(running)) is Verdict.PASS
    running[INPUT] = ["-A INPUT -i lo -j ACCEPT", "-A INPUT -j ACCEPT", *tail]
    assert verdict_on("ipv4-loopback-is-filtered", firewall(running)) is Verdict.FAIL


LOOPBACK_IN = ("-A INPUT -i lo -j ACCEPT", "-A INPUT -s 127.0.0.0/8 -j DROP")


@pytest.mark.parametrize(
    ("before", "verdict"),
    [
        ((), Verdict.PASS),
        (("-A INPUT -j ACCEPT",), Verdict.FAIL),
        (("-A INPUT -p tcp -j ACCEPT",), Verdict.FAIL),
        (("-A INPUT -i eth0 -j ACCEPT",), Verdict.FAIL),
        (("-A INPUT -s 127.0.0.1/32 -j ACCEPT",), Verdict.FAIL),
        (("-A INPUT -s 0.0.0.0/1 -j ACCEPT",), Verdict.FAIL),
        (("-A INPUT ! -s 10.0.0.0/8 -j ACCEPT",), Verdict.FAIL),
        (("-A INPUT -j OTHER", "-A OTHER -j ACCEPT"), Verdict.FAIL),
        (("-A INPUT -m state --state NEW -j ACCEPT",), Verdict.FAIL),
        (("-A INPUT -g OTHER", "-A OTHER -j LOG"), Verdict.FAIL),
        (("-A INPUT -j RETURN",), Verdict.FAIL),
        (("-A INPUT -s 10.0.0.0/8 -j ACCEPT",), Verdict.PASS),
        (("-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",), Verdict.PASS),
        (("-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT",), Verdict.PASS),
        (("-A INPUT -j OTHER", "-A OTHER -p tcp -m tcp --dport 22 -j ACCEPT"), Verdict.PASS),
        (("-A INPUT -j undecoded:map",), Verdict.UNKNOWN),
    ],
)
def test_what_comes_before_the_loopback_rules_counts(before: tuple[str, ...], verdict: Verdict) -> None:
    rules = {OUTPUT: ["-A OUTPUT -o lo -j ACCEPT"], INPUT: [*before, *LOOPBACK_IN]}
    assert verdict_on("ipv4-loopback-is-filtered", firewall(rules)) is verdict


def test_match_whose_name_alone_is_known_is_a_restriction() -> None:
    rules = {OUTPUT: ["-A OUTPUT -o lo -j ACCEPT"], INPUT: ["-A INPUT -i lo -m owner -j ACCEPT", LOOPBACK_IN[1]]}
    assert verdict_on("ipv4-loopback-is-filtered", firewall(rules)) is Verdict.FAIL
    rules[INPUT] = ["-A INPUT ! -i lo -s 127.0.0.0/8 -j DROP", "-A INPUT -i lo -j ACCEPT"]
    assert verdict_on("ipv4-loopback-is-filtered", firewall(rules)) is Verdict.PASS


@pytest.mark.parametrize(
    ("rules", "policy", "verdict"),
    [
        ((), "DROP", Verdict.PASS),
        ((), "ACCEPT", Verdict.FAIL),
        (("-j DROP",), "ACCEPT", Verdict.PASS),
        (("-p tcp -m tcp --dport 22 -j ACCEPT", "-j REJECT"), "ACCEPT", Verdict.PASS),
        (("-p tcp -j DROP",), "ACCEPT", Verdict.FAIL),
        (("-p tcp -j RETURN", "-j DROP"), "ACCEPT", Verdict.FAIL),
        (("-j ACCEPT",), "DROP", Verdict.FAIL),
        (("-p tcp -j RETURN", "-j ACCEPT"), "DROP", Verdict.FAIL),
        (("-m comment --comment -j -j ACCEPT",), "DROP", Verdict.FAIL),
        (("-s 0.0.0.0/1 -j ACCEPT", "-s 128.0.0.0/2 -j ACCEPT", "-s 192.0.0.0/2 -j ACCEPT"), "DROP", Verdict.FAIL),
        (("-s 0.0.0.0/1 -j ACCEPT", "-s 128.0.0.0/2 -j ACCEPT"), "DROP", Verdict.PASS),
        (("-j undecoded:NFQUEUE",), "DROP", Verdict.UNKNOWN),
    ],
)
def test_policy_counts_only_for_what_reaches_it(rules: tuple[str, ...], policy: str, verdict: Verdict) -> None:
    chains = {hook: [f"-A {hook} {rule}" for rule in rules] for hook in ("INPUT", "FORWARD", "OUTPUT")}
    assert verdict_on("ipv4-firewall-denies-by-default", firewall(chains, policy)) is verdict


def test_one_chain_that_drops_is_enough_beside_others_that_accept() -> None:
    world = firewall(dict.fromkeys(("INPUT", "FORWARD", "OUTPUT"), ()), "ACCEPT")
    other = {"table": "inet fw", "chain": "in", "policy": "DROP", "rules": []}
    running = {key: [*chains, other] for key, chains in world["running"].items()}  # type: ignore[attr-defined]
    assert verdict_on("ipv4-firewall-denies-by-default", {"running": running}) is Verdict.PASS


def test_chains_that_jump_in_circles_or_without_end_are_unknown() -> None:
    rules = ["-A INPUT -j A", *(f"-A {'ABCDEFGHIJKLMNOPQRSTU'[n]} -j {'BCDEFGHIJKLMNOPQRSTUA'[n]}" for n in range(21))]
    world = firewall({"INPUT": rules, "FORWARD": (), "OUTPUT": ()}, "DROP")
    assert verdict_on("ipv4-firewall-denies-by-default", world) is Verdict.UNKNOWN
    wide = [f"-A {'ABCDEFGHIJKLMNOP'[n]} -j {'ABCDEFGHIJKLMNOP'[n + 1]}" for n in range(15) for _ in range(9)]
    world = firewall({"INPUT": ["-A INPUT -j A", *wide], "FORWARD": (), "OUTPUT": ()}, "DROP")
    assert verdict_on("ipv4-firewall-denies-by-default", world) is Verdict.UNKNOWN


@pytest.mark.parametrize("states", ["NEW,ESTABLISHED", "NEW,RELATED,ESTABLISHED", "ESTABLISHED -s 10.0.0.1"])
def test_rule_that_lets_new_connections_in_does_not_name_answers(states: str) -> None:
    outside = [f"-A OUTPUT -p {name} -m state --state NEW,ESTABLISHED -j ACCEPT" for name in ("tcp", "udp", "icmp")]
    for given, verdict in (
        ("ESTABLISHED", Verdict.PASS),
        ("RELATED,ESTABLISHED", Verdict.PASS),
        (states, Verdict.FAIL),
    ):
        inside = [f"-A INPUT -p {name} -m state --state {given} -j ACCEPT" for name in ("tcp", "udp", "icmp")]
        running = {OUTPUT: outside, INPUT: inside}
        assert verdict_on("ipv4-established-connections-are-accepted", firewall(running)) is verdict


def test_open_copy_of_the_password_file_fails_beside_a_closed_one() -> None:
    files = {
        "/etc/shadow": {"text": "", "mode": "0600"},
        "/usr/share/factory/etc/shadow": {"text": "", "mode": "0644"},
    }
    assert verdict_on("password-hashes-are-private", {"files": files}) is Verdict.FAIL


def test_kube_proxy_on_a_node_is_judged_by_its_file() -> None:
    path = "/etc/kubernetes/kube-proxy/kube-proxy.conf"
    for address, verdict in (("127.0.0.1:10249", Verdict.PASS), ("10.0.0.5:10249", Verdict.FAIL)):
        files = {**KUBELET, path: f"metricsBindAddress: {address}\n"}
        assert verdict_on("kube-proxy-metrics-stay-local", {"files": files, "running": {}}) is verdict
    assert verdict_on("kube-proxy-metrics-stay-local", {"files": KUBELET}) is Verdict.NOT_APPLICABLE


def test_nothing_passes_where_no_operating_system_is() -> None:
    keys = tuple(key for rule in all_rules().values() if rule.check is not None for key in rule.check.needs())
    for files, passes in (({"/readme": "x"}, False), ({"/readme": "x", "/usr/lib/os-release": "ID=x\n"}, True)):
        results = judge(shipped(), evidence_of({"files": files}, keys), None, today=date(2026, 11, 22))
        found = {each.verdict for one in results for each in one.results}
        assert (Verdict.PASS in found) is passes
        assert Verdict.FAIL in found


NAMED = {
    "no-shell": ("bash-5.1", "busybox.static", "pwsh", "elvish", "ksh93"),
    "no-interpreter": ("python3.11", "perl5.36-x86_64-linux-gnu", "pypy3", "deno", "php-fpm8.2", "Rscript", "java"),
    "no-package-manager": ("dnf5", "tdnf", "rpm2cpio", "pip3.11", "nix", "uv", "npx"),
    "no-ssh-server": ("sshd-session", "tinysshd", "xinetd", "ttyd"),
    "no-private-keys": ("id_ed25519_sk", "tls.key", "privkey.pem", "keystore.jks", "secring.gpg"),
}


@pytest.mark.parametrize(("rule", "name"), [(rule, name) for rule, names in NAMED.items() for name in names])
def test_program_is_found_under_its_other_names(rule: str, name: str) -> None:
    files = {f"/usr/libexec/.hidden/{name}": {"text": "x", "mode": "0755"}}
    assert verdict_on(rule, {"files": files}) is Verdict.FAIL


@pytest.mark.parametrize("unit", ["sshd.socket", "ssh.service", "sshd@.service", "dropbear.service", "telnet.socket"])
def test_remote_login_is_found_under_its_other_names(unit: str) -> None:
    files = {
        f"{VENDOR}/{unit}": "[Unit]\n",
        f"{VENDOR}/multi-user.target.wants/{unit.replace('@', '@x')}": {"link": f"../{unit}"},
    }
    assert verdict_on("remote-login-is-off", {"files": files}) is Verdict.FAIL


def test_excepted_program_may_have_its_own_capability_and_no_other() -> None:
    files = {"/usr/bin/newuidmap": {"text": "x", "mode": "0755"}}
    for given, verdict in ((["cap_setuid"], Verdict.PASS), (["cap_setuid", "cap_sys_admin"], Verdict.FAIL)):
        world = {"files": files, "capabilities": {"/usr/bin/newuidmap": given}}
        assert verdict_on("no-unexpected-file-capabilities", world) is verdict


def test_bounding_set_of_all_capabilities_takes_nothing_away() -> None:
    for given, verdict in (("~", Verdict.FAIL), ("", Verdict.PASS), ("CAP_NET_BIND_SERVICE", Verdict.PASS)):
        files = {f"{VENDOR}/chronyd.service": f"[Service]\nExecStart=x\nCapabilityBoundingSet={given}\n"}
        assert verdict_on("services-cannot-gain-privileges", {"files": files}) is verdict, given


@pytest.mark.parametrize("number", ["00", "+0", "-0", " 0"])
def test_user_number_0_is_seen_in_every_spelling_that_the_c_library_takes(number: str) -> None:
    files = {"/etc/passwd": f"root:x:0:0::/:/x\nevil:x:{number}:0::/:/x\n"}
    assert verdict_on("root-is-the-only-root", {"files": files}) is Verdict.FAIL


def test_environment_on_the_command_line_fails_the_rule_and_never_leaves_the_node() -> None:
    asked = {key.subject[0] for rule in all_rules().values() if rule.check is not None for key in rule.check.needs()}
    assert "systemd.setenv" in asked
    words = "systemd.setenv=TOKEN=CANARY systemd.run=CANARY systemd.set-credential=a:CANARY systemd.pull=CANARY"
    line = shown_command_line(f"ro {words} -- systemd.setenv=X=CANARY systemd.set_credential_binary=CANARY", asked)
    assert "CANARY" not in line
    assert "systemd.setenv" not in bundle_keys(needs(shipped()))["kernel_arg"]
    running = {"running": {"kernel_arg:systemd.setenv": "(not shown)"}}
    assert verdict_on("boot-starts-the-real-init", running) is Verdict.FAIL


SCTP = {"/usr/lib/modules/6.1.0/modules.dep": "kernel/sctp.ko.gz:\n"}


@pytest.mark.parametrize(
    ("command", "verdict"),
    [
        ("/bin/true", Verdict.PASS),
        ("/usr/bin/false", Verdict.PASS),
        ("true", Verdict.PASS),
        ("/tmp/true", Verdict.FAIL),
        ("/opt/bin/false", Verdict.FAIL),
        ("../../tmp/true", Verdict.FAIL),
        ("/bin/../tmp/true", Verdict.FAIL),
        ("/bin/true \\\n ; modprobe -i sctp", Verdict.FAIL),
    ],
)
def test_install_command_is_harmless_only_where_the_system_keeps_it(command: str, verdict: Verdict) -> None:
    files = {**SCTP, "/usr/lib/modprobe.d/deny.conf": f"install sctp {command}\n"}
    assert verdict_on("sctp-module-unavailable", {"files": files}) is verdict
