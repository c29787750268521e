"""Stands for Bottlerocket's API on a socket: answers as the server does, and remembers every order it was given."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

Reply = bytes | Callable[[socket.socket], None]
OS = {"pretty_name": "Bottlerocket OS 1.26.1", "variant_id": "aws-k8s-1.31", "version_id": "1.26.1", "arch": "x86_64"}
SETTINGS = {
    "motd": "Welcome",
    "kernel": {"lockdown": "integrity", "sysctl": {"user.max_user_namespaces": "0"}},
    "host-containers": {"admin": {"enabled": False, "superpowered": True, "source": "public.ecr.aws/x/admin:v1"}},
    "updates": {"metadata-base-url": "https://updates.example/", "targets-base-url": "https://updates.example/t/"},
}
UPDATES = {
    "update_state": "Idle",
    "available_updates": ["1.26.1"],
    "chosen_update": None,
    "active_partition": {"image": {"arch": "x86_64", "version": "1.26.1", "variant": "v"}, "next_to_boot": True},
}
REPORT = {
    "level": 1,
    "total": 1,
    "passed": 1,
    "skipped": 0,
    "failed": 0,
    "status": "PASS",
    "timestamp": "2026-01-01T00:00:00Z",
    "name": "CIS Bottlerocket Benchmark",
    "version": "v1.0.0",
    "url": "https://www.example.org",
    "results": {
        "br01030100": {
            "name": "br01030100",
            "id": "1.3.1",
            "level": 1,
            "title": "verity",
            "mode": "Automatic",
            "status": "PASS",
            "error": "",
        }
    },
}


def answer(
    status: int, body: bytes | str | object, kind: str = "application/json", *, length: int | None = None
) -> bytes:
    """One HTTP answer with its length, or with the length that it claims."""
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    size = len(data) if length is None else length
    return f"HTTP/1.1 {status} X\r\ncontent-length: {size}\r\ncontent-type: {kind}\r\n\r\n".encode() + data


@dataclass(slots=True)
class ApiDouble:
    """`replies` by path without query; what is not there is 404. `orders` are requests that were not GET."""

    path: Path
    replies: dict[str, Reply] = field(
        default_factory=lambda: {
            "/os": answer(200, OS),
            "/settings": answer(200, SETTINGS),
            "/updates/status": answer(200, UPDATES),
            "/report/cis": answer(200, REPORT, "application/text"),
        }
    )
    asked: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    talks: list[tuple[threading.Thread, socket.socket]] = field(default_factory=list)

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                channel, _ = listener.accept()
            except OSError:
                return
            talk = threading.Thread(target=self._handle, args=(channel,), daemon=True)
            self.talks.append((talk, channel))
            talk.start()

    def end(self) -> None:
        """Close every channel and wait for its thread, so that no socket outlives the test that opened it."""
        for talk, channel in self.talks:
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)
            talk.join(5)
            channel.close()

    def _handle(self, channel: socket.socket) -> None:
        with channel, suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                piece = channel.recv(4096)
                if not piece:
                    return
                request += piece
            line = request.split(b"\r\n")[0].decode("latin-1")
            method, _, rest = line.partition(" ")
            (self.asked if method == "GET" else self.orders).append(line)
            reply = self.replies.get(rest.split(" ")[0].partition("?")[0], answer(404, "not found", "text/plain"))
            if callable(reply):
                reply(channel)
            else:
                channel.sendall(reply)


@contextmanager
def api_double(path: Path) -> Iterator[ApiDouble]:
    """A server at `path`; the test fails when it was given any order."""
    double = ApiDouble(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
    except OSError:  # a name of more than 107 bytes
        listener.close()
        raise
    listener.listen(8)
    thread = threading.Thread(target=double.serve, args=(listener,), daemon=True)
    thread.start()
    try:
        yield double
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        double.end()
    assert double.orders == [], f"a scanner gave an order: {double.orders}"


def never_ending(channel: socket.socket) -> None:
    """A body without length that goes on and on."""
    channel.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        channel.sendall(b"x" * 65536)


def slow(seconds: float) -> Callable[[socket.socket], None]:
    """Silence, byte by byte."""

    def reply(channel: socket.socket) -> None:
        end = time.monotonic() + seconds
        for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}":
            channel.sendall(bytes([byte]))
            if time.monotonic() > end:
                return
            time.sleep(0.05)

    return reply


def main(place: str, orders: str, replies: str) -> None:
    """Serve at `place` until killed; the orders that were given are kept in a file, as a JSON array."""
    with api_double(Path(place)) as double:
        double.replies |= {target: answer(200, body) for target, body in json.loads(Path(replies).read_text()).items()}
        while True:
            Path(orders).write_text(json.dumps(double.orders))
            time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
