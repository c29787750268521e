"""Opening and reading what the kernel holds in its memory, without one block from the disk.

Under dm-verity what is held was verified when it was read: it is proven by use. openat2(2) with RESOLVE_CACHED opens
what the kernel has looked up before. mincore(2) tells which pages of a file it holds, and a map with MADV_RANDOM reads
these without reading ahead (mm/filemap.c: VM_RAND_READ). preadv2(2) with RWF_NOWAIT is no way: it does not wait for the
disk, but asks it to read (measured on Linux 6.18).
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
from functools import cache

from rocketaudit.errors import FormatError

_OPENAT2 = 437  # the same number on every architecture
_HOW = struct.Struct("=QQQ")  # struct open_how: flags, mode, resolve
_NO_XDEV, _NO_MAGIC_LINKS, _NO_LINKS, _BENEATH, _IN_ROOT, _CACHED = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PAGE = mmap.PAGESIZE
_TRIES = 4


def look_up(root: int, path: bytes) -> int:
    """A descriptor of what lies at `path` (links not followed) in the mount of `root`, to be looked at, not read.

    BlockingIOError where the kernel would have to read the disk to find it; other OSErrors as usual.
    """
    return _open(root, path, _LOOK, _CACHED | _BENEATH | _NO_LINKS | _NO_MAGIC_LINKS | _NO_XDEV)


def open_file(root: int, path: bytes) -> int:
    """As `look_up`, but to be read."""
    return _open(root, path, _READ, _CACHED | _BENEATH | _NO_LINKS | _NO_MAGIC_LINKS | _NO_XDEV)


def knows_link(root: int, path: bytes) -> bool:
    """Whether the kernel holds what the link at `path` says, and what it leads to."""
    try:
        os.close(_open(root, path, os.O_PATH | os.O_CLOEXEC, _CACHED | _IN_ROOT | _NO_MAGIC_LINKS))
    except OSError:
        return False
    return True


@cache
def is_supported() -> bool:
    """Whether this kernel can be asked so (Linux 5.12); a sandbox may forbid it."""
    try:
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.close(look_up(root, b"."))
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(root)
    return True


def read_held(handle: int, offset: int, length: int) -> bytes:
    """Up to `length` bytes of an open file from `offset`; fewer, or none, where the kernel does not hold them.

    FormatError when nobody can tell what it holds. Each page is looked at right after the kernel said that it holds it:
    one that is thrown out just then is read, and verified, once more.
    """
    status = os.fstat(handle)
    if status.st_uid != os.geteuid() or status.st_uid != 0:  # to others mincore says that everything is there
        raise FormatError("only its owner is told which parts of it are in memory")
    start = offset // _PAGE * _PAGE
    try:
        memory = mmap.mmap(handle, offset + length - start, access=mmap.ACCESS_COPY, offset=start)
        memory.madvise(mmap.MADV_RANDOM)
    except (OSError, ValueError) as error:
        raise FormatError(f"cannot be mapped: {error}") from error
    found = bytearray()
    for place in range(0, len(memory), _PAGE):
        if not _is_held(memory, place):
            break
        found += memory[place : place + _PAGE]
    return bytes(found[offset - start :])


def _is_held(memory: mmap.mmap, place: int) -> bool:
    answer = ctypes.c_ubyte(0)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory, place))
    done = _library().mincore(ctypes.c_void_p(address), ctypes.c_size_t(1), ctypes.byref(answer))
    return done == 0 and bool(answer.value & 1)


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _open(root: int, path: bytes, flags: int, resolve: int) -> int:
    """Asked some times: a mount or a rename anywhere in that moment makes the kernel give up, too."""
    how = _HOW.pack(flags, 0, resolve)
    number = errno.EAGAIN
    for _ in range(_TRIES):
        handle: int = _library().syscall(_OPENAT2, root, path, how, len(how))
        if handle >= 0:
            return handle
        number = ctypes.get_errno()
        if number != errno.EAGAIN:
            break
    raise OSError(number, os.strerror(number), os.fsdecode(path))
