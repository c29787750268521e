"""Facts of a running node, from a folder that looks like one and a socket that answers like its API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from rocketaudit.evidence import COLLECTORS
from rocketaudit.evidence.sockets import parse_sockets
from rocketaudit.model.evidence import Coverage, Evidence, Wants
from rocketaudit.model.fact import Fact, JsonValue, Key, Plane, State
from rocketaudit.source.api_client import ApiClient
from tests.api_double import SETTINGS, ApiDouble, answer, api_double
from tests.fake_node import DEFAULT_POWERS, MOUNTS, FakeNode, command_line_of, loaded_policy
from tests.images import Built

RUNTIME = Plane.RUNTIME
ASKED = (
    "sysctl:kernel.randomize_va_space",
    "sysctl:net.ipv4.conf.all.send_redirects",
    "sysctl:kernel.no_such_thing",
    "sysctl:user.max_user_namespaces",
    "kconfig:CONFIG_BPF",
    "kconfig:CONFIG_KEXEC",
    "kconfig:CONFIG_NONE",
    "unit:chronyd.service#active",
    "unit:kubelet.service#active",
    'setting:["kernel","lockdown"]',
    "mount:/tmp#options",
    "iptables:INPUT#chains",
    'config:["/etc/kubernetes/kubelet/config","readOnlyPort"]#yaml',
)


@contextmanager
def api_at(base: Path) -> Iterator[ApiDouble]:
    with api_double(base / "run/api.sock") as double:
        yield double


def seen_on(node: FakeNode, keys: Sequence[str] = ASKED) -> Evidence:
    """The evidence of all runtime collectors, without walking anything."""
    source = node.open()
    source.api = replace(source.api, seconds=3.0)
    wants = Wants(keys=tuple(Key.parse(text) for text in keys))
    try:
        found = [item for one in COLLECTORS if one.plane is RUNTIME for item in one.collect(source, wants)]
    finally:
        source.close()
    facts = tuple(item for item in found if isinstance(item, Fact))
    covers = tuple(item for item in found if isinstance(item, Coverage))
    assert len({(fact.key, fact.plane, fact.scope) for fact in facts}) == len(facts)
    return Evidence(source.target, source.judged, facts=facts, covered=covers)


def value(evidence: Evidence, key: str) -> JsonValue:
    fact = evidence.get(Key.parse(key), RUNTIME)
    assert fact.state is State.PRESENT, f"{key}: {fact.state} {fact.reason}"
    return fact.value


def reason(evidence: Evidence, key: str) -> str:
    fact = evidence.get(Key.parse(key), RUNTIME)
    assert fact.state is State.UNREAD, f"{key}: {fact.state} {fact.value}"
    return fact.reason


def test_kernel_tables_are_facts(tmp_path: Path) -> None:
    seen = seen_on(FakeNode(tmp_path).make())
    assert value(seen, "sysctl:kernel.randomize_va_space") == "2"
    assert value(seen, "sysctl:net.ipv4.conf.all.send_redirects") == "1"
    assert value(seen, "kconfig:CONFIG_BPF") == "y"
    assert value(seen, "kconfig:CONFIG_KEXEC") == "n"
    assert seen.get(Key.parse("kconfig:CONFIG_NONE"), RUNTIME).state is State.ABSENT
    assert seen.get(Key.parse("sysctl:kernel.no_such_thing"), RUNTIME).state is State.ABSENT
    assert value(seen, "modules:loaded") == ("dm_verity", "erofs")
    assert value(seen, "kernel_arg:root") == "/dev/dm-0"
    assert seen.get(Key.parse("kernel_arg:norandmaps"), RUNTIME).state is State.ABSENT
    assert value(seen, "lockdown:mode") == "integrity"
    assert value(seen, "listening:sockets") == ("tcp 0.0.0.0:10246", "tcp 127.0.0.1:10050")


def test_selinux_of_the_running_kernel(tmp_path: Path) -> None:
    seen = seen_on(FakeNode(tmp_path, files={"etc/selinux/config": "SELINUXTYPE=fortified\n"}).make())
    assert value(seen, "selinux:mode") == "enforcing"
    assert value(seen, "selinux:policy#mls") is True
    assert value(seen, "selinux:policy#handle_unknown") == "deny"
    assert value(seen, "selinux:policy#version") == 31
    assert value(seen, "selinux:policy#permissive_types") == 0
    assert value(seen, "selinux:checkreqprot") == "0"


def test_version_of_a_policy_is_that_of_the_loaded_one_not_the_highest_that_the_kernel_knows(tmp_path: Path) -> None:
    node = FakeNode(tmp_path, files={"sys/fs/selinux/policy": loaded_policy(28, permissive=0b1010)}).make()
    seen = seen_on(node)
    assert value(seen, "selinux:policy#version") == 28
    assert value(seen, "selinux:policy#permissive_types") == 2
    (tmp_path / "sys/fs/selinux/policy").unlink()
    assert "selinuxfs" in reason(seen_on(node), "selinux:policy#version")


@pytest.mark.parametrize("data", [b"", b"policy", loaded_policy()[:-1], loaded_policy(99)])
def test_a_policy_that_the_kernel_writes_out_otherwise_is_unread(tmp_path: Path, data: bytes) -> None:
    seen = seen_on(FakeNode(tmp_path, files={"sys/fs/selinux/policy": data}).make())
    for key in ("selinux:policy#version", "selinux:policy#permissive_types"):
        assert seen.get(Key.parse(key), RUNTIME).state is State.UNREAD


@pytest.mark.parametrize(("text", "mode"), [("0", "permissive"), ("1", "enforcing"), ("2", "unknown")])
def test_selinux_mode_is_what_the_kernel_says(tmp_path: Path, text: str, mode: str) -> None:
    assert value(seen_on(FakeNode(tmp_path, files={"sys/fs/selinux/enforce": text}).make()), "selinux:mode") == mode


def test_a_kernel_without_selinux_or_lockdown_says_so_by_its_list_of_modules(tmp_path: Path) -> None:
    node = FakeNode(tmp_path).make()
    node.write("sys/kernel/security/lsm", "capability,yama")
    (tmp_path / "sys/kernel/security/lockdown").unlink()
    (tmp_path / "sys/fs/selinux/enforce").unlink()
    seen = seen_on(node)
    assert seen.get(Key.parse("lockdown:mode"), RUNTIME).state is State.ABSENT
    assert seen.get(Key.parse("selinux:mode"), RUNTIME).state is State.ABSENT


def test_what_a_containers_sys_lacks_is_unread_not_absent(tmp_path: Path) -> None:
    node = FakeNode(tmp_path).make()
    for path in ("sys/kernel/security/lsm", "sys/kernel/security/lockdown", "sys/fs/selinux/enforce"):
        (tmp_path / path).unlink()
    seen = seen_on(node)
    assert "securityfs" in reason(seen, "lockdown:mode")
    assert "selinuxfs" in reason(seen, "selinux:mode")


@pytest.mark.parametrize("text", ["", "none integrity confidentiality", "[", "[]"])
def test_lockdown_that_marks_no_mode_is_unread(tmp_path: Path, text: str) -> None:
    node = FakeNode(tmp_path, files={"sys/kernel/security/lockdown": text}).make()
    assert "no mode" in reason(seen_on(node), "lockdown:mode")


def test_network_of_a_pod_is_not_the_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakeNode(tmp_path, capabilities=DEFAULT_POWERS, is_host=False).make()
    (tmp_path / "var/run/secrets/kubernetes.io").mkdir(parents=True)
    seen = seen_on(node)
    assert "hostNetwork" in reason(seen, "listening:sockets")
    assert "hostNetwork" in reason(seen, "sysctl:net.ipv4.conf.all.send_redirects")
    assert value(seen, "sysctl:kernel.randomize_va_space") == "2"
    assert value(seen, "node:where") == "a Kubernetes pod"


def test_own_user_namespace_does_not_speak_for_the_node(tmp_path: Path) -> None:
    node = FakeNode(tmp_path, files={"proc/sys/user/max_user_namespaces": "0"}).make()
    assert value(seen_on(node), "sysctl:user.max_user_namespaces") == "0"
    (tmp_path / "proc/self/ns/user").unlink()
    node.link("proc/self/ns/user", "user:[4026533000]")
    assert "user namespace" in reason(seen_on(node), "sysctl:user.max_user_namespaces")


@pytest.mark.parametrize("name", ["../../etc/shadow", "a//b", "/etc/passwd", "kernel/../../self/environ"])
def test_a_name_cannot_leave_proc_sys(tmp_path: Path, name: str) -> None:
    node = FakeNode(tmp_path, files={"etc/shadow": "root:x", "proc/self/environ": "SECRET=1"}).make()
    fact = seen_on(node, [f"sysctl:{name}"]).get(Key("sysctl", (name,)), RUNTIME)
    assert fact.state is State.UNREAD


def test_unit_with_processes_is_active_and_one_without_is_not(tmp_path: Path) -> None:
    unit = "[Service]\nExecStart=/usr/bin/kubelet\n"
    lines = tuple(line.replace("253:0", "0:77") for line in MOUNTS)
    node = FakeNode(tmp_path, mounts=lines, files={"usr/lib/systemd/system/kubelet.service": unit}).make()
    seen = seen_on(node)
    assert value(seen, "unit:chronyd.service#active") == "active"
    assert value(seen, "unit:kubelet.service#active") == "inactive"
    node.write("usr/lib/systemd/system/kubelet.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\n")
    assert "no process" in reason(seen_on(node), "unit:kubelet.service#active")


def test_mounts_of_the_host_are_facts_and_of_a_container_are_not(tmp_path: Path) -> None:
    seen = seen_on(FakeNode(tmp_path / "a").make())
    assert value(seen, "mount:/tmp#options") == ("rw", "nosuid", "nodev", "noexec", "seclabel")
    assert value(seen, "mount:/#options") == ("ro", "relatime", "seclabel")
    assert seen.get(Key.parse("mount:/opt#options"), RUNTIME).state is State.ABSENT
    hidden = seen_on(FakeNode(tmp_path / "b", is_host=False).make())
    assert "only the mounts of this container" in reason(hidden, "mount:/tmp#options")


@pytest.mark.parametrize(("byte", "expected"), [(b"\1", True), (b"\0", False)])
def test_secure_boot_is_the_firmwares_variable(tmp_path: Path, byte: bytes, expected: bool) -> None:
    variable = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    seen = seen_on(FakeNode(tmp_path, files={variable: b"\x06\0\0\0" + byte}).make())
    assert value(seen, "secure_boot:enabled") is expected
    assert reason(seen, "secure_boot:setup_mode")


def test_a_machine_without_efi_has_no_secure_boot(tmp_path: Path) -> None:
    (tmp_path / "sys/firmware/memmap").mkdir(parents=True)
    seen = seen_on(FakeNode(tmp_path).make())
    assert seen.get(Key.parse("secure_boot:enabled"), RUNTIME).state is State.ABSENT


def test_running_configuration_is_the_file_and_never_its_template(tmp_path: Path) -> None:
    lines = tuple(line.replace("253:0", "0:77") for line in MOUNTS)
    path = "etc/kubernetes/kubelet/config"
    node = FakeNode(tmp_path, mounts=lines, files={path: "readOnlyPort: 0\n"}).make()
    key = ASKED[-1]
    assert value(seen_on(node), key) == 0
    (tmp_path / path).unlink()
    assert seen_on(node).get(Key.parse(key), RUNTIME).state is State.ABSENT


def test_api_answers_are_facts(tmp_path: Path) -> None:
    node = FakeNode(tmp_path).make()
    with api_at(tmp_path):
        seen = seen_on(node)
    assert value(seen, 'setting:["kernel","lockdown"]') == "integrity"
    assert value(seen, 'setting:["kernel","sysctl","user.max_user_namespaces"]') == "0"
    assert seen.get(Key.parse('setting:["no","such"]'), RUNTIME).state is State.ABSENT
    assert value(seen, "os:variant_id") == "aws-k8s-1.31"
    assert value(seen, "update:status#state") == "Idle"
    assert value(seen, "update:status#running") == "1.26.1"
    assert value(seen, 'own_check:["bottlerocket","1.3.1"]#status') == "pass"


def test_locked_settings_are_locked_not_failed(tmp_path: Path) -> None:
    node = FakeNode(tmp_path).make()
    with api_at(tmp_path) as double:
        double.replies["/settings"] = answer(500, "Live datastore missing", "text/plain")
        double.replies["/updates/status"] = answer(423, "Update lock held", "text/plain")
        seen = seen_on(node)
    assert "locked down" in reason(seen, 'setting:["kernel","lockdown"]')
    assert "locked down" in reason(seen, "settings:api")
    assert "busy" in reason(seen, "update:status#state")
    assert value(seen, "os:version_id") == "1.26.1"


def test_updates_that_were_never_asked_for_are_no_failure(tmp_path: Path) -> None:
    node = FakeNode(tmp_path).make()
    with api_at(tmp_path) as double:
        del double.replies["/updates/status"]
        seen = seen_on(node)
        assert "switched off" in reason(seen, "update:status#state")
        assert "switched off" in reason(seen, "update:status#in_place")


def test_both_spellings_of_the_release_are_read(tmp_path: Path) -> None:
    node = FakeNode(tmp_path).make()
    with api_at(tmp_path) as double:
        double.replies["/os"] = answer(200, {"variant-id": "aws-dev"})
        assert value(seen_on(node), "os:variant_id") == "aws-dev"


@pytest.mark.parametrize("body", [b"[]", b"nope", b"\xff", b'{"a":1,"a":2}', b"[" * 100_000])
def test_answers_that_are_no_json_object_are_unread(tmp_path: Path, body: bytes) -> None:
    node = FakeNode(tmp_path).make()
    with api_at(tmp_path) as double:
        for target in ("/os", "/settings", "/updates/status", "/report/cis"):
            double.replies[target] = answer(200, body)
        seen = seen_on(node)
    for key in ("os:variant_id", "settings:api", "update:status#state", 'own_check:["bottlerocket"]#status'):
        assert reason(seen, Key.parse(key).__str__())


def test_without_a_socket_settings_are_unread(tmp_path: Path) -> None:
    assert "no socket" in reason(seen_on(FakeNode(tmp_path).make()), 'setting:["kernel","lockdown"]')


def test_settings_that_may_hold_secrets_keep_their_values(tmp_path: Path) -> None:
    secret = "CANARY-5t4ck"
    settings = {
        **SETTINGS,
        "motd": secret,
        "kubernetes": {"bootstrap-token": secret, "server-key": secret, "max-pods": 110},
        "container-registry": {"credentials": [{"registry": "docker.io", "password": secret}]},
        "network": {"https-proxy": f"http://user:{secret}@proxy:3128"},
        "host-containers": {"x": {"user-data": secret, "source": f"https://u:{secret}@r/x", "enabled": True}},
        "boot": {"kernel-parameters": {"token": [secret]}},
    }
    node = FakeNode(tmp_path).make()
    with api_at(tmp_path) as double:
        double.replies["/settings"] = answer(200, settings)
        seen = seen_on(node, [*ASKED, 'setting:["kubernetes","bootstrap-token"]'])
    assert secret not in repr(seen)
    assert value(seen, 'setting:["kubernetes","max-pods"]') == 110
    assert value(seen, 'setting:["host-containers","x","enabled"]') is True
    assert "stays on the node" in reason(seen, 'setting:["kubernetes","bootstrap-token"]')
    assert "stays on the node" in reason(seen, "setting:motd")


def test_arguments_that_may_hold_secrets_keep_their_values(tmp_path: Path) -> None:
    line = 'root=/dev/dm-0 ro token=CANARY-7 "quoted=CANARY-7 x" -- systemd.setenv=PASSWORD=CANARY-7'
    seen = seen_on(FakeNode(tmp_path, command_line=line).make())
    assert "CANARY-7" not in repr(seen)
    assert value(seen, "kernel_arg:root") == "/dev/dm-0"
    assert "stays on the node" in reason(seen, "kernel_arg:token")
    text = value(seen, "kernel_command_line:text")
    assert text == "root=/dev/dm-0 ro token=(not shown) quoted=(not shown) -- systemd.setenv=(not shown)"


def test_environment_for_init_is_seen_and_not_shown_even_where_a_rule_asks_for_it(tmp_path: Path) -> None:
    line = b"ro systemd.setenv=TOKEN=CANARY -- systemd.setenv=X=CANARY\n"
    keys = ("kernel_arg:systemd.setenv", "init_arg:systemd.setenv")
    seen = seen_on(FakeNode(tmp_path, files={"proc/cmdline": line}).make(), keys)
    assert [value(seen, key) for key in keys] == ["(not shown)"] * 2
    assert "CANARY" not in repr(seen)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("proc/cmdline", b"\xff" * 100_000),
        ("proc/config.gz", b"\x1f\x8b\x08" + b"\0" * 20),
        ("proc/modules", b"\0\n\n \n"),
        ("proc/1/mountinfo", b"garbage\n"),
        ("proc/net/tcp", b"a\nb\n"),
        ("proc/self/status", b"CapEff:\tzz\n"),
        ("sys/fs/cgroup/system.slice/x.service/cgroup.events", b"\xff\xff"),
    ],
)
def test_broken_tables_of_the_kernel_are_unread_and_nothing_else_suffers(
    tmp_path: Path, path: str, text: bytes
) -> None:
    seen = seen_on(FakeNode(tmp_path, files={path: text}).make())
    assert value(seen, "lockdown:mode") == "integrity"
    assert not any(re.search(r"Traceback|Error\(", fact.reason) for fact in seen.facts)


def test_a_fifo_in_place_of_a_table_does_not_hang(tmp_path: Path) -> None:
    import os

    node = FakeNode(tmp_path).make()
    (tmp_path / "proc/modules").unlink()
    os.mkfifo(tmp_path / "proc/modules")
    assert "no regular file" in reason(seen_on(node), "modules:loaded")


def test_addresses_of_both_families_are_read_in_the_kernels_order() -> None:
    text = "head\n  0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0\n"
    assert list(parse_sockets(text, "tcp6", ("0A",))) == ["tcp [::1]:8080"]


def test_no_collector_of_a_node_speaks_of_an_image(tmp_path: Path) -> None:
    from rocketaudit.source.memory import MemorySource

    for collector in COLLECTORS:
        if collector.plane is RUNTIME:
            assert list(collector.collect(MemorySource({"root": {}}), Wants())) == []


def test_every_fact_of_a_node_is_among_what_its_collector_says_it_provides(tmp_path: Path) -> None:
    from fnmatch import fnmatchcase

    node = FakeNode(tmp_path).make()
    with api_at(tmp_path):
        source = node.open()
        assert isinstance(source.api, ApiClient)
        wants = Wants(keys=tuple(Key.parse(text) for text in ASKED))
        for collector in COLLECTORS:
            if collector.plane is not RUNTIME:
                continue
            for item in collector.collect(source, wants):
                if isinstance(item, Fact):
                    assert any(fnmatchcase(str(item.key), one) for one in collector.provides), (
                        collector.name,
                        item.key,
                    )
        source.close()


def test_a_setting_that_is_the_images_default_is_no_secret(tmp_path: Path, small_erofs_image: Built) -> None:
    node = FakeNode(tmp_path, image=small_erofs_image.path, command_line=command_line_of(small_erofs_image.path)).make()
    with api_at(tmp_path) as double:
        double.replies["/settings"] = answer(200, {"motd": "A test image", "aws": {"profile": "p"}})
        assert value(seen_on(node), "setting:motd") == "A test image"
        double.replies["/settings"] = answer(200, {"motd": "A test image "})
        assert "not the image's default" in reason(seen_on(node), "setting:motd")
