"""Asks the running kernel for its packet filters; only reads, and loads no module.

The answers are about the network namespace of this process, and take CAP_NET_ADMIN there.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterator

from rocketaudit.errors import FormatError, SourceError
from rocketaudit.formats.netfilter import nf_tables, x_tables
from rocketaudit.formats.netfilter.netlink import Message, attribute, message, messages

_NETLINK_NETFILTER = 12
_REQUEST, _DUMP, _DUMP_INTERRUPTED = 1, 0x300, 0x10
_ERROR, _DONE = 2, 3
_BUFFER, MAX_ANSWER = 1 << 17, 64 << 20
_ATTEMPTS = 5
_GET_INFO, _GET_ENTRIES = 64, 65  # IPT_SO_GET_INFO, IP6T_SO_GET_INFO and the two after them
_SECONDS = 10.0


class Netfilter:
    """One netlink socket. OSError where the kernel refuses, SourceError where it gives too much or never settles."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        self._socket.settimeout(_SECONDS)
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def dump(self, kind: int, family: int = 0, **named: str) -> list[Message]:
        """All objects of a kind (NFT_MSG_GET*); `table` and `set` narrow it to one."""
        numbers = {"table": 1, "set": 2}
        body = bytes([family, 0, 0, 0])
        body += b"".join(attribute(numbers[name], _raw(value)) for name, value in named.items())
        for _ in range(_ATTEMPTS):
            found, interrupted = self._once((nf_tables.SUBSYSTEM << 8) | kind, body)
            if not interrupted:
                return found
        raise SourceError("the packet filters change faster than they can be read")

    def _once(self, kind: int, body: bytes) -> tuple[list[Message], bool]:
        self._sequence += 1
        self._socket.send(message(kind, _REQUEST | _DUMP, self._sequence, body))
        found: list[Message] = []
        interrupted = False
        for one in self._answers():
            interrupted |= bool(one.flags & _DUMP_INTERRUPTED)
            if one.kind == _DONE:
                return found, interrupted
            if one.kind == _ERROR:
                (code,) = struct.unpack_from("=i", one.body.ljust(4, b"\0"))
                if code in (-errno.EINTR, -errno.EAGAIN):
                    return found, True
                raise OSError(-code, os.strerror(-code))
            if one.kind >> 8 == nf_tables.SUBSYSTEM:
                found.append(one)
        raise SourceError("the kernel's answer about packet filters has no end")

    def _answers(self) -> Iterator[Message]:
        left = MAX_ANSWER
        while left > 0:
            data, _, flags, (port, _groups) = self._socket.recvmsg(_BUFFER)
            if flags & socket.MSG_TRUNC:
                raise SourceError("the kernel's answer about packet filters is larger than its message")
            left -= max(len(data), 1)
            if port == 0:  # the kernel itself; another process could send us messages too
                yield from (one for one in messages(data) if one.sequence == self._sequence)
        raise SourceError(f"the kernel's answer about packet filters has more than {MAX_ANSWER} bytes")


def read_x_table(*, ipv6: bool) -> tuple[x_tables.TableInfo, bytes]:
    """What the kernel gives for the table called filter, which must be there already: asking would make it."""
    family, level = (socket.AF_INET6, socket.IPPROTO_IPV6) if ipv6 else (socket.AF_INET, socket.IPPROTO_IP)
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asked:
        for _ in range(_ATTEMPTS):
            raw = _ask(asked, level, _GET_INFO, x_tables.INFO.pack(b"filter", *[0] * 13), x_tables.INFO.size)
            info = x_tables.parse_info(raw)
            head = x_tables.ENTRIES.pack(b"filter", info.size)
            try:
                data = _ask(asked, level, _GET_ENTRIES, head, len(head) + info.size)
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    raise
                continue  # somebody changed it in between
            return info, data[len(head) :]
    raise SourceError("the packet filters change faster than they can be read")


def _ask(asked: socket.socket, level: int, option: int, given: bytes, size: int) -> bytes:
    """getsockopt with an argument that goes in and comes out, which the socket module has no call for."""
    if struct.calcsize("P") != 8:
        raise SourceError("the layout of packet filters is known for 64-bit processes only")
    buffer = ctypes.create_string_buffer(given, size)
    length = ctypes.c_uint32(size)
    library = ctypes.CDLL(None, use_errno=True)
    if library.getsockopt(asked.fileno(), level, option, buffer, ctypes.byref(length)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    if length.value != size:
        raise FormatError(f"the kernel gave {length.value} bytes, expected {size}")
    return buffer.raw


def _raw(name: str) -> bytes:
    """A name as `plain` shows it, for the kernel."""
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(name) + b"\0"
