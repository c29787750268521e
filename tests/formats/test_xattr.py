from __future__ import annotations

import contextlib
import os
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.formats.xattr import decode_capability, decode_label
from rocketaudit.model.files import FileCapability
from tests.support import find_tool, needs_tools


def value(revision: int, *words: int, effective: bool = True) -> bytes:
    return struct.pack(f"<{1 + len(words)}I", revision << 24 | effective, *words)


def test_revision_one_has_thirty_two_capabilities() -> None:
    assert decode_capability(value(1, 1 << 13, 1)) == FileCapability(("cap_net_raw",), ("cap_chown",), True)


def test_revision_two_has_sixty_four_and_an_effective_bit() -> None:
    found = decode_capability(value(2, 1 << 10 | 1 << 13, 0, 1 << 7, 0, effective=False))
    assert found.permitted == ("cap_net_bind_service", "cap_net_raw", "cap_bpf")
    assert (found.inheritable, found.effective, found.root_id) == ((), False, None)


def test_revision_three_names_the_root_of_its_user_namespace() -> None:
    assert decode_capability(value(3, 0, 0, 0, 1 << 8, 100_000)).root_id == 100_000
    assert decode_capability(value(3, 0, 0, 0, 1 << 8, 0)).inheritable == ("cap_checkpoint_restore",)


def test_a_capability_that_has_no_name_yet_keeps_its_number() -> None:
    assert decode_capability(value(2, 0, 0, 1 << 31, 0)).permitted == ("cap_63",)


@pytest.mark.parametrize(
    "raw", [b"", b"\1\0\0", value(4, 0, 0), value(2, 0, 0), value(1, 0, 0, 0), value(3, 0, 0, 0, 0), value(0, 0, 0)]
)
def test_a_size_that_contradicts_the_revision_is_an_error(raw: bytes) -> None:
    with pytest.raises(FormatError):
        decode_capability(raw)


def test_a_label_loses_its_final_zero_and_nothing_else() -> None:
    assert decode_label(b"system_u:object_r:os_t:s0\0") == "system_u:object_r:os_t:s0"
    assert decode_label(b"a\xffb") == "a%FFb"


def test_names_are_those_that_setcap_takes(tmp_path: Path) -> None:
    needs_tools("setcap")
    setcap = find_tool("setcap")
    assert setcap
    file = tmp_path / "file"
    file.write_bytes(b"")
    for name in ("cap_net_raw", "cap_sys_admin", "cap_mac_admin", "cap_audit_read", "cap_perfmon"):
        if subprocess.run([setcap, f"{name}=ep", file], check=False, capture_output=True).returncode:
            pytest.skip("file capabilities cannot be set here")
        found = decode_capability(os.getxattr(file, "security.capability"))
        assert (found.permitted, found.effective) == ((name,), True)


@given(st.binary(max_size=30))
def test_any_bytes_decode_or_raise_format_error(raw: bytes) -> None:
    decode_label(raw)
    with contextlib.suppress(FormatError):
        decode_capability(raw)
