"""How shipped files and the running system are put together."""

from __future__ import annotations

from rocketaudit.model.verdict import Verdict
from tests.rules import judge_world, verdict_on

DEFAULTS = "/etc/storewolf/defaults.toml"
ADMIN = 'setting:["host-containers","admin","enabled"]'


def test_setting_of_a_node_wins_over_the_default_of_its_image() -> None:
    rule = "admin-container-is-off"
    off, on = ({DEFAULTS: f"[settings.host-containers.admin]\nenabled = {word}\n"} for word in ("false", "true"))
    assert verdict_on(rule, {"files": off, "running": {ADMIN: True}}) is Verdict.FAIL
    assert verdict_on(rule, {"files": on, "running": {ADMIN: False}}) is Verdict.PASS


def test_setting_that_the_node_did_not_tell_is_unknown_whatever_the_default() -> None:
    files = {DEFAULTS: "[settings.host-containers.admin]\nenabled = false\n"}
    assert verdict_on("admin-container-is-off", {"files": files, "running": {}}) is Verdict.UNKNOWN


def test_kubelet_of_a_node_is_judged_by_its_own_file_not_by_the_template() -> None:
    template = "readOnlyPort: 10255\n"
    config = "/etc/kubernetes/kubelet/config"
    made = f'[configuration-files.k]\npath = "{config}"\ntemplate-path = "/usr/share/templates/k"\n'
    files = {"/usr/bin/kubelet": "x", DEFAULTS: made, "/usr/share/templates/k": template}
    rule = "kubelet-read-only-port-is-closed"
    assert verdict_on(rule, {"files": files}) is Verdict.FAIL
    assert verdict_on(rule, {"files": files, "running": {}}) is Verdict.UNKNOWN
    assert verdict_on(rule, {"files": {**files, config: "readOnlyPort: 0\n"}, "running": {}}) is Verdict.PASS


def test_files_that_contradict_the_running_kernel_fail() -> None:
    world = {
        "files": {"/usr/lib/sysctl.d/a.conf": "kernel.kptr_restrict = 0\n"},
        "running": {"sysctl:kernel.kptr_restrict": "1"},
    }
    assert verdict_on("kernel-pointers-are-hidden", world) is Verdict.FAIL


def test_running_kernel_decides_where_files_say_nothing_or_nobody_looked_at_them() -> None:
    running = {"sysctl:kernel.kptr_restrict": "1"}
    assert verdict_on("kernel-pointers-are-hidden", {"running": running}) is Verdict.PASS
    assert verdict_on("kernel-pointers-are-hidden", {"files": {}, "running": running}) is Verdict.PASS


def test_file_that_should_have_been_readable_keeps_a_running_value_undecided() -> None:
    world = {
        "files": {"/usr/lib/sysctl.d/a.conf": {"error": "bad block"}},
        "running": {"sysctl:kernel.kptr_restrict": "1"},
    }
    assert verdict_on("kernel-pointers-are-hidden", world) is Verdict.UNKNOWN


def test_parameter_that_the_running_kernel_does_not_have_is_not_taken_from_its_default() -> None:
    world = {"files": {}, "running": {"sysctl:kernel.randomize_va_space": None, "kernel_arg:norandmaps": None}}
    assert verdict_on("addresses-are-fully-randomized", world) is Verdict.UNKNOWN


def test_rule_for_a_node_says_on_an_image_that_it_needs_one() -> None:
    outcome = judge_world("journal-is-private", {"files": {"/var/log/journal/a": "x"}})
    assert (outcome.verdict, "needs a node" in outcome.why) == (Verdict.UNKNOWN, True)


def test_benchmark_that_does_not_apply_says_so_also_for_rules_that_need_a_node() -> None:
    world = {"files": {"/usr/lib/os-release": "ID=bottlerocket\nVARIANT_ID=aws-ecs-2\n"}, "command_line": "ro"}
    assert verdict_on("fips-mode-is-on", world) is Verdict.NOT_APPLICABLE
    assert verdict_on("kubelet-read-only-port-is-closed", world) is Verdict.NOT_APPLICABLE


def test_whether_a_benchmark_applies_is_unknown_when_the_tree_was_not_listed() -> None:
    assert verdict_on("kubelet-read-only-port-is-closed", {"command_line": "ro"}) is Verdict.UNKNOWN
