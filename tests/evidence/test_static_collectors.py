"""Configuration files as facts: order, overrides, and that what cannot be read is never called absent."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.cli.rule_examples import evidence_of
from rocketaudit.evidence import COLLECTORS
from rocketaudit.evidence.kernel_hmac import MATCHES
from rocketaudit.model.disk import Bank, Container, DiskSummary, Layout, Partition, PartitionTable, Release, TableKind
from rocketaudit.model.evidence import Evidence, SignedBlob, Wants
from rocketaudit.model.fact import Fact, Key, Plane, State
from rocketaudit.model.target import Target, TargetKind
from rocketaudit.model.verdict import Verdict
from rocketaudit.source.memory import MemorySource, broken
from tests.rules import all_rules, data_file, verdict_on

ALL_KEYS = tuple({key: None for rule in all_rules().values() if rule.check for key in rule.check.needs()})


def see(files: Mapping[str, Any], keys: tuple[Key, ...] = ALL_KEYS, **more: Any) -> Evidence:
    return evidence_of({"files": dict(files), **more}, keys)


def value(evidence: Evidence, key: str) -> object:
    fact = evidence.get(Key.parse(key), Plane.STATIC)
    return fact.value if fact.state is State.PRESENT else fact.state


def test_sysctl_file_of_the_same_name_in_etc_replaces_the_vendors() -> None:
    files = {"/usr/lib/sysctl.d/50-a.conf": "a.b = 1\na.c = 1\n", "/etc/sysctl.d/50-a.conf": "a.b = 2\n"}
    evidence = see(files)
    assert value(evidence, "sysctl:a.b") == "2"
    assert value(evidence, "sysctl:a.c") is State.ABSENT


def test_sysctl_files_are_ordered_by_name_over_all_folders() -> None:
    files = {"/etc/sysctl.d/10-a.conf": "a.b = etc\n", "/usr/lib/sysctl.d/90-z.conf": "a/b = usr\n"}
    assert value(see(files), "sysctl:a.b") == "usr"


def test_sysctl_link_to_nowhere_masks_the_vendors_file() -> None:
    files = {"/usr/lib/sysctl.d/50-a.conf": "a.b = 1\n", "/etc/sysctl.d/50-a.conf": {"link": "/dev/null"}}
    assert value(see(files), "sysctl:a.b") is State.ABSENT


def test_sysctl_that_an_unread_later_file_may_override_is_unread_and_one_set_after_it_is_known() -> None:
    files = {
        "/usr/lib/sysctl.d/10-a.conf": "a.b = 1\n",
        "/usr/lib/sysctl.d/50-b.conf": {"error": "bad block"},
        "/usr/lib/sysctl.d/90-c.conf": "a.c = 3\n",
    }
    evidence = see(files, (Key("sysctl", ("a.d",)),))
    assert value(evidence, "sysctl:a.b") is State.UNREAD
    assert value(evidence, "sysctl:a.c") == "3"
    assert value(evidence, "sysctl:a.d") is State.UNREAD


def test_sysctl_glob_gives_the_value_of_a_name_that_nothing_else_sets() -> None:
    keys = tuple(Key("sysctl", (f"net.ipv4.conf.{name}.rp_filter",)) for name in ("all", "lo", "default"))
    text = "net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.all.rp_filter\nnet.ipv4.conf.lo.rp_filter = 1\n"
    evidence = see({"/usr/lib/sysctl.d/a.conf": text}, keys)
    assert value(evidence, "sysctl:net.ipv4.conf.default.rp_filter") == "2"
    assert value(evidence, "sysctl:net.ipv4.conf.lo.rp_filter") == "1"
    assert value(evidence, "sysctl:net.ipv4.conf.all.rp_filter") is State.ABSENT


def test_sysctl_of_the_command_line_comes_first_and_of_the_settings_last() -> None:
    line = "ro sysctl.a.b=line sysctl.a/c=line"
    files: dict[str, Any] = {"/usr/lib/sysctl.d/a.conf": "a.b = file\n"}
    assert value(see(files, command_line=line), "sysctl:a.b") == "file"
    assert value(see(files, command_line=line), "sysctl:a.c") == "line"
    files["/etc/storewolf/defaults.toml"] = '[settings.kernel.sysctl]\n"a.b" = "setting"\n'
    assert value(see(files, command_line=line), "sysctl:a.b") == "setting"


def test_sysctl_fact_names_the_byte_of_its_line() -> None:
    fact = see({"/usr/lib/sysctl.d/a.conf": "# x\na.b = 1\n"}).get(Key.parse("sysctl:a.b"), Plane.STATIC)
    assert (fact.where.path, fact.where.offset) == ("/usr/lib/sysctl.d/a.conf", 4)


def test_unit_that_cannot_be_read_leaves_everything_about_it_unread() -> None:
    evidence = see({"/usr/lib/systemd/system/a.service": {"error": "bad block"}})
    for attribute in ("state", "sandbox", "ip_address_deny"):
        assert value(evidence, f"unit:a.service#{attribute}") is State.UNREAD
    assert value(evidence, "unit:b.service#state") is State.ABSENT


def test_mount_unit_that_cannot_be_read_leaves_its_mount_unread() -> None:
    evidence = see({"/usr/lib/systemd/system/var-lib-x\\x2dy.mount": {"error": "bad block"}})
    assert value(evidence, "mount:/var/lib/x-y#options") is State.UNREAD


def test_units_of_presets_aliases_masks_and_templates_have_their_states() -> None:
    body = "[Service]\nExecStart=/x\n[Install]\nWantedBy=multi-user.target\n"
    system = "/usr/lib/systemd/system"
    evidence = see(
        {
            f"{system}/preset.service": body,
            f"{system}/plain.service": body,
            f"{system}/static.service": "[Service]\nExecStart=/x\n",
            f"{system}/masked.service": "",
            f"{system}/other.service": {"link": "plain.service"},
            f"{system}/getty@.service": body,
            f"{system}/multi-user.target.wants/getty@tty1.service": {"link": "../getty@.service"},
            "/usr/lib/systemd/system-preset/80-a.preset": "enable preset.*\ndisable *\n",
        }
    )
    states = {
        name: value(evidence, f"unit:{name}.service#state") for name in ("preset", "plain", "static", "masked", "other")
    }
    assert states == {
        "preset": "enabled",
        "plain": "disabled",
        "static": "static",
        "masked": "masked",
        "other": "alias",
    }
    assert value(evidence, "unit:getty@.service#state") == "enabled"


def test_secrets_of_the_defaults_are_not_shown() -> None:
    text = '[settings.host-containers.admin]\nuser-data = "canary"\n[settings.network]\nproxy-password = "canary"\n'
    evidence = see({"/etc/storewolf/defaults.toml": text, "/etc/shadow": "root:canary:1::::::\n"})
    assert "canary" not in repr(evidence.facts)


def test_password_hashes_are_not_in_the_facts() -> None:
    files = {"/etc/passwd": "root:x:0:0::/:/bin/sh\n", "/etc/shadow": "root:$6$canary$hash:1::::::\n"}
    evidence = see(files)
    assert value(evidence, "user:root#password") == "set"
    assert "canary" not in repr(evidence.facts)


def test_several_defaults_without_a_link_are_unread_and_nothing_is_guessed() -> None:
    folder = "/usr/share/storewolf"
    evidence = see({f"{folder}/a.toml": "[settings]\nmotd = 1\n", f"{folder}/b.toml": "[settings]\nmotd = 2\n"})
    assert value(evidence, "settings_defaults:file") is State.UNREAD
    assert value(evidence, "setting:motd") is State.UNREAD


@pytest.mark.parametrize("name", ["inventory/trivy-no-epoch-1.19.2.json", "live/inventory-fragment-twoliter384.json"])
def test_every_historic_shape_of_the_inventory_is_read(name: str) -> None:
    text = data_file(*name.split("/")).read_text()
    evidence = see({"/usr/share/bottlerocket/application-inventory.json": text})
    assert len(evidence.packages) == value(evidence, "inventory:packages") > 0
    assert all(package.name and package.version and package.arch for package in evidence.packages)
    assert value(evidence, "inventory:problems") == ()


def test_inventory_with_package_ids_gives_digests_and_does_not_count_source_packages() -> None:
    row = '{"Name":"a","Version":"1","Summary":"s%s","PackageId":"%s"}'
    digest = "ab" * 32
    rows = (row % ("", f"bottlerocket-a-1-1.x86_64.rpm@sha256:{digest}"), row % (" (source package)", ""))
    text = f'{{"Content":[{",".join(rows)}]}}'
    evidence = see({"/usr/share/bottlerocket/application-inventory.json": text})
    first, parent = evidence.packages
    assert (first.package_file, first.package_sha256) == ("bottlerocket-a-1-1.x86_64.rpm", digest)
    assert parent.synthetic
    assert value(evidence, "inventory:packages") == 1


@pytest.mark.parametrize("version", ["1", "2"])
def test_production_root_of_trust_is_read_and_kept_as_signed_bytes(version: str) -> None:
    text = data_file("tuf", f"production-{version}.root.json").read_text()
    evidence = see({"/usr/share/updog/root.json": text})
    assert value(evidence, "update_root:root#version") == int(version)
    assert value(evidence, "update_root:root#threshold") == 2
    assert value(evidence, "update_root:root#enough_signatures") is True
    assert [blob.name for blob in evidence.blobs if isinstance(blob, SignedBlob) and "root" in blob.name]


def test_kernel_command_line_of_a_real_node_is_split_as_the_kernel_does() -> None:
    evidence = see({}, command_line=data_file("live", "cmdline-pr2706-before.txt").read_text())
    assert value(evidence, "kernel_arg:root") == "/dev/dm-0"
    assert str(value(evidence, "kernel_arg:dm_mod.create")).endswith("2 restart_on_corruption ignore_zero_blocks")
    assert value(evidence, "kernel_arg:console#all") == ("tty0", "ttyS0,115200n8")
    assert value(evidence, "init_arg:systemd.log_color") == "0"
    assert value(evidence, "kernel_arg:systemd.log_color") is State.ABSENT


def test_fips_checksum_of_the_kernel_is_computed() -> None:
    right = hmac.new(b"FIPS-FTW-RHT2009", b"kernel", hashlib.sha512).hexdigest()
    for stated, expected in ((right, True), ("d2e1a4", False)):
        boot = {"/vmlinuz": b"kernel", "/.vmlinuz.hmac": f"{stated}  /boot/vmlinuz\n"}
        source = MemorySource({"bank-a": {"/usr/bin/x": "x"}, "boot-a": boot}, disk=_disk())
        facts = _facts_of(source, Wants(keys=(MATCHES,)))
        assert next(fact for fact in facts if fact.key == MATCHES).value is expected


def _disk() -> DiskSummary:
    partition = Partition(2, "boot-a", "BOTTLEROCKET-BOOT-A", "", "", "", 0, 0)
    bank = Bank("A", "bank-a", boot=2)
    container = Container("raw", ("raw",), 0, 0)
    return DiskSummary(
        container, PartitionTable(TableKind.GPT), (partition,), Layout.GRUB_ONE_BANK, (bank,), (), Release()
    )


def _facts_of(source: MemorySource, wants: Wants) -> list[Fact]:
    return [one for each in COLLECTORS for one in each.collect(source, wants) if isinstance(one, Fact)]


PATHS = (
    "/etc/passwd",
    "/etc/shadow",
    "/etc/os-release",
    "/etc/sysctl.d/a.conf",
    "/etc/modprobe.d/a.conf",
    "/etc/selinux/config",
    "/etc/selinux/fortified/policy/policy.31",
    "/etc/storewolf/defaults.toml",
    "/etc/chrony.conf",
    "/etc/containerd/config.toml",
    "/etc/docker/daemon.json",
    "/etc/kubernetes/kubelet/config",
    "/etc/systemd/system/kubelet.service.d/exec-start.conf",
    "/usr/lib/systemd/system/kubelet.service",
    "/usr/lib/systemd/system/a.socket",
    "/usr/lib/systemd/system/tmp.mount",
    "/usr/lib/systemd/journald.conf.d/a.conf",
    "/usr/lib/modules/6.1.0/modules.dep",
    "/usr/lib/modules/6.1.0/modules.builtin",
    "/usr/lib/modules/6.1.0/config",
    "/usr/share/updog/root.json",
    "/usr/share/bottlerocket/application-inventory.json",
    "/etc/pki/tls/certs/ca-bundle.crt",
)
NOISE = st.one_of(
    st.binary(max_size=200),
    st.text(alphabet='{}[]"\\:,=\n -#01a\t\0é%', max_size=200).map(str.encode),
    st.sampled_from(
        [
            b"a" + b".a" * 5000 + b" = 1\n",
            b"[" * 5000,
            b"{" * 5000,
            b"a: &a [*a]\n",
            b"\xff\xfe",
            b"a = [" * 3000,
            b"\x8c\xff\x7c\xf9\x08\0\0\0SE Linux",
        ]
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(NOISE, min_size=len(PATHS), max_size=len(PATHS)))
def test_collectors_never_raise_for_what_files_hold(contents: list[bytes]) -> None:
    source = MemorySource({"root": dict(zip(PATHS, contents, strict=True))}, Target("t", TargetKind.IMAGE))
    _facts_of(source, Wants(keys=ALL_KEYS))


def test_files_that_cannot_be_read_are_never_called_absent() -> None:
    whole = MemorySource({"root": dict.fromkeys(PATHS, broken("bad block"))})
    for fact in _facts_of(whole, Wants(keys=ALL_KEYS)):
        if fact.state is State.ABSENT:
            raise AssertionError(f"{fact.key} is called absent ({fact.where})")


def test_mount_unit_that_is_not_named_after_its_place_mounts_nothing() -> None:
    weak = "[Mount]\nWhat=tmpfs\nWhere=/tmp\nType=tmpfs\nOptions=defaults\n"
    strict = weak.replace("defaults", "nosuid,nodev")
    folder = "/usr/lib/systemd/system"
    evidence = see({f"{folder}/tmp.mount": weak, f"{folder}/zz.mount": strict})
    assert value(evidence, "mount:/tmp#options") == ("defaults",)


def test_fstab_wins_over_units_of_the_vendor_and_not_over_those_of_etc() -> None:
    unit = "[Mount]\nWhat=tmpfs\nWhere=/tmp\nType=tmpfs\nOptions=nosuid\n"
    table = {"/etc/fstab": "# x\ntmpfs /tmp tmpfs defaults,nodev 0 0\nUUID=1 / ext4\n"}
    assert value(see({**table, "/usr/lib/systemd/system/tmp.mount": unit}), "mount:/tmp#options") == (
        "defaults",
        "nodev",
    )
    assert value(see({**table, "/etc/systemd/system/tmp.mount": unit}), "mount:/tmp#options") == ("nosuid",)
    assert value(see(table), "mount:/#options") == ("defaults",)


def test_second_line_for_one_account_is_not_hidden_by_the_first_or_the_last() -> None:
    files = {"/etc/passwd": "root::0:0::/:/sbin/nologin\nroot:!:0:0::/:/sbin/nologin\n"}
    assert verdict_on("no-account-has-a-password", {"files": files}) is Verdict.FAIL
    shadow = {"/etc/passwd": "a:x:1:1::/:/x\n", "/etc/shadow": "a:$6$h:1::::::\na:!:1::::::\n"}
    assert value(see(shadow), "user:a#password") == "set"


def test_install_command_for_a_glob_of_modules_comes_first_when_it_is_met_first() -> None:
    files = {"/usr/lib/modules/6.1.0/modules.dep": "kernel/fs/udf/udf.ko:\n"}
    files["/usr/lib/modprobe.d/a.conf"] = "install ud* /sbin/insmod udf\ninstall udf /bin/true\n"
    assert verdict_on("udf-module-unavailable", {"files": files}) is Verdict.FAIL
    files["/usr/lib/modprobe.d/a.conf"] = "install ud? /bin/true\n"
    assert verdict_on("udf-module-unavailable", {"files": files}) is Verdict.PASS


def test_device_node_in_a_folder_that_only_looks_like_dev_is_no_exception() -> None:
    for path in ("/x86_64-bottlerocket-linux-gnu/sys-root/dev/sda", "/x-bottlerocket-linux-gnu/sys-root/dev/sda"):
        assert verdict_on("no-device-nodes", {"files": {path: {"device": True}}}) is Verdict.FAIL
    assert verdict_on("no-device-nodes", {"files": {"/dev/sda": {"device": True}}}) is Verdict.PASS


def test_empty_filter_of_system_calls_shuts_nothing_in() -> None:
    body = "[Service]\nProtectSystem=yes\nProtectHome=yes\nPrivateTmp=yes\nSystemCallFilter=@system-service\n"
    unit = "/usr/lib/systemd/system/chronyd.service"
    assert verdict_on("network-services-are-shut-in", {"files": {unit: body}}) is Verdict.PASS
    emptied = {unit: body, f"{unit}.d/z.conf": "[Service]\nSystemCallFilter=\n"}
    assert verdict_on("network-services-are-shut-in", {"files": emptied}) is Verdict.FAIL


def test_numbers_that_no_program_can_mean_are_not_carried_on() -> None:
    huge = "0x" + "f" * 20_000
    files = {
        "/etc/storewolf/defaults.toml": f"[settings]\nx = {huge}\n",
        "/etc/kubernetes/kubelet/config": f"readOnlyPort: {huge}\n",
    }
    evidence = see(files)
    assert value(evidence, "setting:x") == "(a number of more than 63 bits)"
    assert len(repr(evidence.facts)) < 1_000_000
    root = data_file("tuf", "production-1.root.json").read_text().replace('"version": 1,', f'"version": {"9" * 400},')
    assert value(see({"/usr/share/updog/root.json": root}), "update_root:root#version") is State.UNREAD
