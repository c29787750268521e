"""Which settings may leave a node with their values."""

from __future__ import annotations

import pytest

from rocketaudit.evidence.kernel_arguments import is_shown
from rocketaudit.evidence.setting_names import may_leave
from rocketaudit.model.fact import JsonValue


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kernel/lockdown", "integrity"),
        ("kernel/sysctl/net.ipv4.conf.all.send_redirects", "0"),
        ("host-containers/admin/enabled", True),
        ("updates/metadata-base-url", "https://updates.example/"),
        ("kubernetes/eviction-hard/memory.available", "15%"),
        ("ntp/time-servers", ("169.254.169.123",)),
    ],
)
def test_harmless_settings_are_shown(path: str, value: JsonValue) -> None:
    assert may_leave(tuple(path.split("/")), value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("motd", "x"),
        ("kubernetes/bootstrap-token", "x"),
        ("kubernetes/server-key", "x"),
        ("host-containers/admin/user-data", "x"),
        ("aws/credentials", "x"),
        ("network/https-proxy", "http://proxy"),
        ("boot/kernel-parameters/token", ("x",)),
        ("updates/metadata-base-url", "https://user:password@updates.example/"),
        ("updates/metadata-base-url", "https://bucket.example/m/?X-Amz-Signature=0b5e"),
        ("ntp/time-servers", ("http://user:password@host",)),
        ("ntp/time-servers", {"a": "b"}),
        ("kernel/lockdown/deeper", "x"),
        ("a-setting-of-next-year", "x"),
        ("", "x"),
    ],
)
def test_anything_else_stays(path: str, value: JsonValue) -> None:
    assert not may_leave(tuple(path.split("/")), value)


def test_a_rule_may_ask_for_a_setting_but_not_for_a_secret() -> None:
    asked = frozenset({("motd",), ("kubernetes", "bootstrap-token")})
    assert may_leave(("motd",), "x", asked)
    assert not may_leave(("kubernetes", "bootstrap-token"), "x", asked)


@pytest.mark.parametrize(
    "name", ["root", "dm-mod.create", "dm_mod.create", "sysctl.kernel.x", "BOOT_IMAGE", "lockdown"]
)
def test_harmless_kernel_arguments_are_shown(name: str) -> None:
    assert is_shown(name)


@pytest.mark.parametrize("name", ["token", "systemd.setenv", "ip", "nfsroot", "systemd.set_credential", "rd.luks.key"])
def test_other_kernel_arguments_stay(name: str) -> None:
    assert not is_shown(name)
