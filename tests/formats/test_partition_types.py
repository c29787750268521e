"""Type GUIDs against systemd's own list."""

from __future__ import annotations

import re
import subprocess

from rocketaudit.formats.partition_types import TYPES, Role, type_of
from tests.images.disk import TYPES as BUILT
from tests.support import needs_tools


def test_systemd_agrees_on_every_discoverable_type() -> None:
    needs_tools("systemd-id128")
    said = subprocess.run(["systemd-id128", "show"], check=True, capture_output=True, text=True).stdout
    listed = set(re.findall(r"^(\S+)\s+([0-9a-f]{32})$", said, re.MULTILINE))
    arches = {"x86_64": "x86-64", "aarch64": "arm64"}
    seen = 0
    for guid, kind in TYPES.items():
        if not kind.arch:
            continue
        base, _, rest = kind.role.value.partition("-")
        expected = "-".join(part for part in (base, arches[kind.arch], rest) if part)
        assert (expected, guid.replace("-", "")) in listed
        seen += 1
    assert seen == 12
    boot = next(guid for guid, kind in TYPES.items() if kind.role is Role.XBOOTLDR)
    assert ("xbootldr", boot.replace("-", "")) in listed


def test_bottlerocket_types_have_their_roles() -> None:
    roles = {name: type_of(guid).role.value for name, guid in BUILT.items()}
    assert roles["ROOT"] == "bottlerocket-root"
    assert roles["EFI-A"] == "efi-system"
    assert roles["DATA"] == "bottlerocket-data"
    assert all(role != "other" for role in roles.values())


def test_case_of_a_guid_does_not_matter_and_unknown_ones_have_no_name() -> None:
    assert type_of("C12A7328-F81F-11D2-BA4B-00A0C93EC93B").role is Role.ESP
    assert type_of("00000000-1111-2222-3333-444444444444").name == ""
