"""Bottlerocket's API over its socket, as a client that can only ask.

The one method is `get`, and the one request line it can write starts with GET: a socket that answers questions
also takes orders, and whoever may ask may order. RFC 9112 as far as an answer needs it.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from rocketaudit.errors import FormatError, TruncatedError
from rocketaudit.model.records import dataclass

MAX_BODY = 2 << 20  # settings with certificates take some hundred KiB; JSON unfolds to many times its text
MAX_HEAD = 64 << 10
MAX_CHUNK_LINE = 4096
SECONDS = 20.0
_TARGET = re.compile(r"/[A-Za-z0-9/_.~%?&=,-]{0,2000}\Z")
_LOCKED = (b"live datastore missing", b"required key not available", b"datastore is locked")
_HOST = b" HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\nconnection: close\r\n\r\n"


class ApiState(StrEnum):
    """How a question ended. `locked`: the datastore was locked down on purpose; `busy`: somebody holds a lock."""

    ANSWERED = "answered"
    NOT_THERE = "not there"
    BUSY = "busy"
    LOCKED = "locked down"
    FAILED = "failed"
    DENIED = "denied"
    NO_SOCKET = "no socket"


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` only when answered; `reason` says why otherwise."""

    state: ApiState
    status: int = 0
    body: bytes = b""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ApiClient:
    """Asks over `path`; one question takes at most `seconds` and `max_body` bytes."""

    path: Path
    seconds: float = SECONDS
    max_body: int = MAX_BODY
    clock: Callable[[], float] = time.monotonic

    def get(self, target: str) -> Answer:
        """What GET `target` answers; never raises for what the other side does. ValueError for no request target."""
        if not _TARGET.match(target):
            raise ValueError(f"not a request target: {target[:80]!r}")
        try:
            return self._ask(b"GET " + target.encode() + _HOST)
        except FileNotFoundError:
            return Answer(ApiState.NO_SOCKET, reason=f"there is no socket {self.path}")
        except PermissionError:
            return Answer(ApiState.DENIED, reason=f"{self.path}: permission denied")
        except TimeoutError:
            return Answer(ApiState.FAILED, reason=f"no full answer within {self.seconds:g} seconds")
        except (OSError, FormatError) as error:
            text = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            return Answer(ApiState.FAILED, reason=f"{self.path}: {text}")

    def _ask(self, request: bytes) -> Answer:
        deadline = self.clock() + self.seconds
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            stream = _Stream(channel, deadline, self.clock)
            stream.wait()
            channel.connect(str(self.path))
            stream.wait()
            channel.sendall(request)
            status, fields = _read_head(stream)
            body = _read_body(stream, fields, self.max_body)
        return judge_answer(status, body)


def judge_answer(status: int, body: bytes) -> Answer:
    """What a status and a body of the API mean."""
    text = body[:300].decode("utf-8", "replace").strip()
    match status:
        case 200:
            return Answer(ApiState.ANSWERED, status, body)
        case 404:
            return Answer(ApiState.NOT_THERE, status, reason=f"the API has none (404): {text}")
        case 423:
            return Answer(ApiState.BUSY, status, reason="the API is busy with an update (423)")
        case 403 | 401:
            return Answer(ApiState.DENIED, status, reason=f"the API refuses ({status})")
        case _:
            if status == 500 and any(sign in body[:4096].lower() for sign in _LOCKED):
                return Answer(ApiState.LOCKED, status, reason="the settings are locked down (apiclient lockdown)")
            return Answer(ApiState.FAILED, status, reason=f"the API answers {status}: {text}")


class _Stream:
    """Bytes of a socket with one deadline over all reads."""

    def __init__(self, channel: socket.socket, deadline: float, clock: Callable[[], float]) -> None:
        self._channel = channel
        self._deadline = deadline
        self._clock = clock
        self._kept = b""

    def wait(self) -> None:
        """Give the next system call what is left of the time; TimeoutError when nothing is."""
        left = self._deadline - self._clock()
        if left <= 0:
            raise TimeoutError
        self._channel.settimeout(left)

    def more(self) -> bytes:
        """Some bytes, b"" at the end."""
        if self._kept:
            piece, self._kept = self._kept, b""
            return piece
        self.wait()
        return self._channel.recv(1 << 16)

    def until(self, mark: bytes, limit: int) -> bytes:
        """Bytes up to `mark`, which is taken off; FormatError when it does not come within `limit`."""
        found = b""
        while mark not in found:
            if len(found) > limit:
                raise FormatError(f"the answer holds more than {limit} bytes before {mark!r}")
            piece = self.more()
            if not piece:
                raise TruncatedError("the answer ends in its head")
            found += piece
        found, _, self._kept = found.partition(mark)
        return found

    def exactly(self, count: int) -> bytes:
        parts: list[bytes] = []
        left = count
        while left:
            piece = self.more()
            if not piece:
                raise TruncatedError(f"the answer ends {left} bytes too early")
            if len(piece) > left:
                piece, self._kept = piece[:left], piece[left:]
            parts.append(piece)
            left -= len(piece)
        return b"".join(parts)


def _read_head(stream: _Stream) -> tuple[int, dict[str, str]]:
    lines = stream.until(b"\r\n\r\n", MAX_HEAD).decode("latin-1").split("\r\n")
    words = lines[0].split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not re.fullmatch(r"[1-5][0-9]{2}", words[1]):
        raise FormatError(f"not an HTTP answer: {lines[0][:60]!r}")
    pairs = (line.partition(":") for line in lines[1:])
    return int(words[1]), {name.strip().lower(): value.strip().lower() for name, _, value in pairs}


def _read_body(stream: _Stream, fields: dict[str, str], limit: int) -> bytes:
    if fields.get("transfer-encoding", "identity") == "chunked":
        return _read_chunks(stream, limit)
    length = fields.get("content-length")
    if length is not None:
        if not re.fullmatch(r"[0-9]{1,15}", length):
            raise FormatError(f"a content-length of {length[:40]!r}")
        if int(length) > limit:
            raise FormatError(f"an answer of {length} bytes; at most {limit} are read")
        return stream.exactly(int(length))
    parts: list[bytes] = []
    size = 0
    while piece := stream.more():
        size += len(piece)
        if size > limit:
            raise FormatError(f"an answer of more than {limit} bytes")
        parts.append(piece)
    return b"".join(parts)


def _read_chunks(stream: _Stream, limit: int) -> bytes:
    body = b""
    while True:
        line = stream.until(b"\r\n", MAX_CHUNK_LINE).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", line):
            raise FormatError(f"a chunk of size {line[:20]!r}")
        size = int(line, 16)
        if len(body) + size > limit:
            raise FormatError(f"an answer of more than {limit} bytes")
        if not size:
            return body
        body += stream.exactly(size)
        if stream.exactly(2) != b"\r\n":
            raise FormatError("a chunk is longer than it says")
