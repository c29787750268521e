"""Whether a file of /proc or /sys is the kernel's own, or one that somebody mounted over it."""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache

# include/uapi/linux/magic.h: proc, sysfs, securityfs, selinuxfs, cgroup, cgroup2, efivarfs, pstore, debugfs, tracefs,
# configfs, bpf, binfmt_misc
_KERNELS = frozenset(
    (
        0x9FA0, 0x62656572, 0x73636673, 0xF97CFF8C, 0x27E0EB, 0x63677270, 0xDE5E81E4, 0x6165676C, 0x64626720,
        0x74726163, 0x62656570, 0xCAFE4A11, 0x42494E4D,
    )
)  # fmt: skip
_STATFS = 256  # bytes; struct statfs is smaller everywhere, and begins with the type as a long
_TOPS = ("/proc", "/sys")


def is_genuine(descriptor: int, path: str) -> bool:
    """False when the kernel's own files surround an opened file that is none of them.

    In a folder that only looks like a node (a test) nothing is the kernel's, and nothing is expected to be.
    """
    top = _top_of(path)
    if not top or (top not in _TOPS and not _is_kernels_folder(top)):
        return True
    return _kind(descriptor) in _KERNELS


def _top_of(path: str) -> str:
    """The path up to the first folder called proc or sys, "" when it goes through none."""
    words = path.split("/")
    place = next((number for number, word in enumerate(words) if word in ("proc", "sys")), 0)
    return "/".join(words[: place + 1]) if place else ""


@lru_cache(maxsize=64)
def _is_kernels_folder(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return _kind(descriptor) in _KERNELS
    finally:
        os.close(descriptor)


def _kind(descriptor: int) -> int:
    """What kind of file system a descriptor lies on; 0 when the kernel does not say."""
    buffer = ctypes.create_string_buffer(_STATFS)
    if ctypes.CDLL(None).fstatfs(descriptor, buffer):
        return 0
    return int.from_bytes(buffer.raw[: ctypes.sizeof(ctypes.c_long)], "little") & 0xFFFFFFFF
