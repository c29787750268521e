"""Bottlerocket's own checker is wrong in these cases; ours is not. Each test is named after the case."""

from __future__ import annotations

from rocketaudit.model.verdict import Verdict
from tests.rules import data_file, judge_world, verdict_on

KUBELET = {"/usr/bin/kubelet": "x"}
CONFIG = "/etc/kubernetes/kubelet/config"
CHRONYD = {
    "/usr/lib/systemd/system/chronyd.service": "[Service]\nExecStart=/usr/sbin/chronyd\n[Install]\nWantedBy=a\n",
    "/usr/lib/systemd/system/multi-user.target.wants/chronyd.service": {"link": "../chronyd.service"},
}


def test_false_pass_4_2_5_a_timeout_of_0s_is_no_timeout() -> None:
    for value in ("0s", "0h0m0s", "0"):
        world = {"files": {**KUBELET, CONFIG: f"streamingConnectionIdleTimeout: {value}\n"}}
        assert verdict_on("kubelet-ends-idle-streams", world) is Verdict.FAIL, value
    world = {"files": {**KUBELET, CONFIG: "streamingConnectionIdleTimeout: soon\n"}}
    assert verdict_on("kubelet-ends-idle-streams", world) is Verdict.UNKNOWN


def test_false_pass_2_1_1_1_an_unreadable_chrony_conf_is_unknown_although_chronyd_runs() -> None:
    world = {
        "files": {**CHRONYD, "/etc/chrony.conf": {"error": "permission denied"}},
        "running": {"unit:chronyd.service#active": "active"},
    }
    assert verdict_on("time-is-synchronized", world) is Verdict.UNKNOWN


def test_false_pass_4_1_2_a_missing_journal_is_unknown() -> None:
    assert verdict_on("journal-is-private", {"files": {}, "running": {}}) is Verdict.UNKNOWN
    assert verdict_on("journal-is-private", {"files": {"/var/log/journal": {"folder": True}}, "running": {}}) is (
        Verdict.UNKNOWN
    )


def test_false_pass_3_4_1_2_and_3_4_2_2_an_input_chain_that_cannot_be_listed_is_unknown() -> None:
    for family, table in (("ipv4", "iptables"), ("ipv6", "ip6tables")):
        output = [_chain("OUTPUT", "-A OUTPUT -o lo -j ACCEPT")]
        running = {f"{table}:INPUT#chains": {"unread": "exit 4"}, f"{table}:OUTPUT#chains": output}
        assert verdict_on(f"{family}-loopback-is-filtered", {"running": running}) is Verdict.UNKNOWN


def test_false_pass_4_3_1_an_address_that_others_can_route_to_fails() -> None:
    for address in ("10.0.0.5:10249", ":::10249", "[::]:10249", "0.0.0.0:10249", "node.example.com:10249"):
        world = {
            "files": {**KUBELET, "/etc/kubernetes/kube-proxy/kube-proxy.conf": f"metricsBindAddress: '{address}'\n"}
        }
        assert verdict_on("kube-proxy-metrics-stay-local", world) is Verdict.FAIL, address
    for address in ("127.0.0.1:10249", "[::1]:10249", "localhost:10249"):
        world = {
            "files": {**KUBELET, "/etc/kubernetes/kube-proxy/kube-proxy.conf": f"metricsBindAddress: '{address}'\n"}
        }
        assert verdict_on("kube-proxy-metrics-stay-local", world) is Verdict.PASS, address


def test_false_pass_of_a_broken_kubelet_configuration_is_unknown() -> None:
    world = {"files": {**KUBELET, CONFIG: "authentication: [\n"}}
    rules = (
        "kubelet-ends-idle-streams",
        "kubelet-manages-iptables-chains",
        "kubelet-serves-its-own-certificate",
        "kubelet-server-certificate-rotates",
        "kubelet-refuses-anonymous-requests",
    )
    assert {rule: verdict_on(rule, world) for rule in rules} == dict.fromkeys(rules, Verdict.UNKNOWN)


def test_false_fail_1_5_2_lockdown_confidentiality_is_stricter() -> None:
    assert verdict_on("kernel-lockdown-is-on", {"running": {"lockdown:mode": "confidentiality"}}) is Verdict.PASS


def test_false_fail_2_1_1_1_server_and_refclock_lines_are_time_sources() -> None:
    for line in ("server 169.254.169.123 prefer iburst", "peer 10.0.0.1", "refclock PHC /dev/ptp0"):
        world = {"files": {**CHRONYD, "/etc/chrony.conf": f"{line}\n"}}
        assert verdict_on("time-is-synchronized", world) is Verdict.PASS, line


def test_false_pass_2_1_1_1_a_comment_about_a_pool_is_no_time_source() -> None:
    world = {"files": {**CHRONYD, "/etc/chrony.conf": "# pool time.example.com\n"}}
    assert verdict_on("time-is-synchronized", world) is Verdict.FAIL


def test_false_fail_1_4_3_value_2_is_off_too() -> None:
    world = {"running": {"sysctl:kernel.unprivileged_bpf_disabled": "2"}}
    assert verdict_on("unprivileged-bpf-is-off", world) is Verdict.PASS


def test_false_fail_3_2_7_value_2_always_sends_cookies() -> None:
    assert verdict_on("syn-cookies-are-on", {"running": {"sysctl:net.ipv4.tcp_syncookies": "2"}}) is Verdict.PASS


def test_false_fail_3_4_1_2_the_protocol_may_be_spelled_all_or_0() -> None:
    for spelled in ("", "-p all ", "-p 0 "):
        rules = [f"-A INPUT -i lo {spelled}-j ACCEPT", f"-A INPUT -s 127.0.0.0/8 {spelled}-j DROP"]
        output = [_chain("OUTPUT", f"-A OUTPUT -o lo {spelled}-j ACCEPT")]
        running = {"iptables:INPUT#chains": [_chain("INPUT", *rules)], "iptables:OUTPUT#chains": output}
        assert verdict_on("ipv4-loopback-is-filtered", {"running": running}) is Verdict.PASS, spelled


def test_false_pass_of_a_number_that_only_begins_with_the_wanted_digit() -> None:
    assert (
        verdict_on("setuid-programs-leave-no-core-dumps", {"running": {"sysctl:fs.suid_dumpable": "01"}})
        is Verdict.FAIL
    )
    assert verdict_on("addresses-are-fully-randomized", _running("kernel.randomize_va_space", "20")) is Verdict.FAIL


def _chain(name: str, *rules: str) -> dict[str, object]:
    return {"table": "filter", "chain": name, "policy": "ACCEPT", "rules": list(rules)}


def _running(name: str, value: str) -> dict[str, object]:
    return {"running": {f"sysctl:{name}": value, "kernel_arg:norandmaps": None}}


def test_false_fail_1_3_1_the_quote_may_stand_before_or_after_the_name() -> None:
    line = data_file("live", "cmdline-pr2706-before.txt").read_text()
    assert '"dm-mod.create=' in line
    facts = {"verity:root#on_corruption": "restart"}
    for text in (line, line.replace('"dm-mod.create=', 'dm-mod.create="')):
        assert verdict_on("root-is-mounted-through-verity", {"command_line": text, "facts": facts}) is Verdict.PASS


def test_false_pass_4_1_1_1_a_comment_or_an_overridden_line_keeps_no_journal() -> None:
    vendor = "/usr/lib/systemd/journald.conf.d/journald.conf"
    commented = {"files": {vendor: "[Journal]\n#Storage=persistent\n"}}
    override = {
        "files": {vendor: "[Journal]\nStorage=persistent\n", "/etc/systemd/journald.conf": "[Journal]\nStorage=none\n"}
    }
    later = {"files": {**override["files"], "/etc/systemd/journald.conf.d/zz.conf": "[Journal]\nStorage=volatile\n"}}
    assert verdict_on("journal-is-kept-on-disk", commented) is Verdict.FAIL
    assert verdict_on("journal-is-kept-on-disk", override) is Verdict.PASS  # drop-ins come after the main file
    assert verdict_on("journal-is-kept-on-disk", later) is Verdict.FAIL


def test_false_pass_of_one_setting_where_two_are_needed_4_2_9() -> None:
    world = {"files": {**KUBELET, CONFIG: "tlsCertFile: /etc/kubernetes/pki/a.crt\n"}}
    assert verdict_on("kubelet-serves-its-own-certificate", world) is Verdict.FAIL


def test_flags_of_the_kubelet_win_over_its_configuration_file() -> None:
    start = "[Service]\nExecStart=/usr/bin/kubelet --anonymous-auth=true --config /etc/kubernetes/kubelet/config\n"
    world = {
        "files": {
            **KUBELET,
            CONFIG: "authentication:\n  anonymous:\n    enabled: false\n",
            "/etc/systemd/system/kubelet.service.d/exec-start.conf": start,
        }
    }
    outcome = judge_world("kubelet-refuses-anonymous-requests", world)
    assert outcome.verdict is Verdict.FAIL
    assert "kubelet_flag:anonymous-auth" in outcome.why


def test_module_that_does_not_exist_cannot_be_loaded_1_1_1_1() -> None:
    world = {"files": {"/usr/lib/modules/6.1.0/modules.dep": "kernel/fs/ext4/ext4.ko:\n"}}
    assert verdict_on("udf-module-unavailable", world) is Verdict.PASS
    built_in = {"files": {**world["files"], "/usr/lib/modules/6.1.0/modules.builtin": "kernel/fs/udf/udf.ko\n"}}
    assert verdict_on("udf-module-unavailable", built_in) is Verdict.FAIL


def test_install_line_that_runs_a_shell_is_not_taken_for_nothing() -> None:
    for command in ("/bin/true; /sbin/modprobe --ignore-install udf", "/bin/true && insmod udf", "/bin/trueish"):
        files = {
            "/usr/lib/modules/6.1.0/modules.dep": "kernel/fs/udf/udf.ko:\n",
            "/etc/modprobe.d/a.conf": f"install udf {command}\n",
        }
        assert verdict_on("udf-module-unavailable", {"files": files}) is Verdict.FAIL, command
