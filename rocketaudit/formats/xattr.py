"""Security attributes of a file, decoded: the SELinux label and file capabilities of versions 1 to 3.

include/uapi/linux/capability.h; capabilities(7), "File capabilities".
"""

from __future__ import annotations

import struct

from rocketaudit.errors import FormatError
from rocketaudit.model import bytepath
from rocketaudit.model.files import FileCapability

SELINUX = b"security.selinux"
CAPABILITY = b"security.capability"
_EFFECTIVE = 0x000001
_REVISION = 0xFF000000
_WORDS = {0x01000000: 1, 0x02000000: 2, 0x03000000: 2}
_WITH_ROOT = 0x03000000
_NAMES = (
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
)


def decode_label(value: bytes) -> str:
    """The SELinux context without its final NUL; bytes that are not UTF-8 as %XX."""
    return bytepath.encode(value.removesuffix(b"\0"))


def decode_capability(value: bytes) -> FileCapability:
    """The capabilities of a `security.capability` value, or FormatError when size and revision disagree.

    Names are as capabilities(7) spells them ("cap_net_raw"); a bit without a name is "cap_<number>".
    """
    if len(value) < 4:
        raise FormatError(f"file capability of {len(value)} bytes", offset=0)
    magic = struct.unpack_from("<I", value)[0]
    words = _WORDS.get(magic & _REVISION)
    if words is None:
        raise FormatError(f"file capability of revision {magic >> 24}", offset=0)
    has_root = magic & _REVISION == _WITH_ROOT
    expected = 4 + 8 * words + (4 if has_root else 0)
    if len(value) != expected:
        raise FormatError(f"file capability of {len(value)} bytes where its revision has {expected}", offset=0)
    permitted = inheritable = 0
    for word in range(words):
        low, high = struct.unpack_from("<II", value, 4 + 8 * word)
        permitted |= low << 32 * word
        inheritable |= high << 32 * word
    return FileCapability(
        permitted=_capability_names(permitted),
        inheritable=_capability_names(inheritable),
        effective=bool(magic & _EFFECTIVE),
        root_id=struct.unpack_from("<I", value, 20)[0] if has_root else None,
    )


def _capability_names(bits: int) -> tuple[str, ...]:
    return tuple(f"cap_{_NAMES[bit]}" if bit < len(_NAMES) else f"cap_{bit}" for bit in range(64) if bits >> bit & 1)
