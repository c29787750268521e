"""The API client asks and never orders, whatever the other side does."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rocketaudit.source.api_client import ApiClient, ApiState
from tests.api_double import ApiDouble, answer, api_double, never_ending, slow


@pytest.fixture
def double(tmp_path: Path) -> Iterator[ApiDouble]:
    with api_double(tmp_path / "api.sock") as made:
        yield made


def client(double: ApiDouble, **changed: object) -> ApiClient:
    return ApiClient(double.path, **{"seconds": 3.0, **changed})  # type: ignore[arg-type]


def test_an_answer_is_its_body(double: ApiDouble) -> None:
    got = client(double).get("/settings?prefix=kernel")
    assert got.state is ApiState.ANSWERED
    assert b"lockdown" in got.body
    assert double.asked == ["GET /settings?prefix=kernel HTTP/1.1"]


def test_there_is_no_other_method_than_get() -> None:
    public = {name for name in dir(ApiClient) if not name.startswith("_")}
    assert public == {"clock", "get", "max_body", "path", "seconds"}
    source = Path(ApiClient.get.__code__.co_filename).read_text()
    assert not any(word in source for word in ('"POST', '"PATCH', '"PUT', '"DELETE', 'b"POST', 'b"PATCH'))


@pytest.mark.parametrize("target", ["settings", "/a b", "/a\r\nPATCH /settings", "/a\nb", "/\x00", "", "/a#b", "/{}"])
def test_a_request_cannot_be_smuggled(double: ApiDouble, target: str) -> None:
    with pytest.raises(ValueError, match="not a request target"):
        client(double).get(target)
    assert double.asked == []


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (answer(404, "Update status is uninitialized", "text/plain"), ApiState.NOT_THERE),
        (answer(423, "Update lock held", "text/plain"), ApiState.BUSY),
        (answer(500, "Live datastore missing", "text/plain"), ApiState.LOCKED),
        (answer(500, "Unable to read: Required key not available (os error 126)"), ApiState.LOCKED),
        (answer(500, "Error generating report"), ApiState.FAILED),
        (answer(403, "no"), ApiState.DENIED),
        (answer(200, b"{}", length=100), ApiState.FAILED),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", ApiState.FAILED),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n", ApiState.FAILED),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", ApiState.FAILED),
        (b"HTTP/1.1 banana\r\n\r\n", ApiState.FAILED),
        (b"HTTP/1.1 200 OK\r\n", ApiState.FAILED),
        (b"", ApiState.FAILED),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", ApiState.ANSWERED),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", ApiState.FAILED),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}xx", ApiState.FAILED),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", ApiState.ANSWERED),
    ],
)
def test_every_kind_of_answer_has_its_state(double: ApiDouble, reply: bytes, state: ApiState) -> None:
    double.replies["/x"] = reply
    got = client(double).get("/x")
    assert got.state is state
    assert (got.body == b"{}") == (state is ApiState.ANSWERED)
    assert bool(got.reason) == (state is not ApiState.ANSWERED)


def test_an_answer_that_never_ends_is_cut_by_its_size(double: ApiDouble) -> None:
    double.replies["/x"] = never_ending
    got = client(double, max_body=1 << 20).get("/x")
    assert got.state is ApiState.FAILED
    assert "more than 1048576 bytes" in got.reason


def test_an_answer_of_a_hundred_megabytes_is_refused_by_its_length(double: ApiDouble) -> None:
    double.replies["/x"] = answer(200, b"x", length=100 << 20)
    assert "at most 2097152" in client(double).get("/x").reason


def test_headers_without_end_are_cut(double: ApiDouble) -> None:
    def endless(channel: socket.socket) -> None:
        channel.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            channel.sendall(b"x: y\r\n" * 1000)

    double.replies["/x"] = endless
    assert "before" in client(double).get("/x").reason


def test_a_slow_answer_is_given_up_in_time(double: ApiDouble) -> None:
    double.replies["/x"] = slow(10)
    got = client(double, seconds=0.3).get("/x")
    assert got.state is ApiState.FAILED
    assert "0.3 seconds" in got.reason


def test_no_socket_is_no_failure_of_the_api(tmp_path: Path) -> None:
    assert ApiClient(tmp_path / "none.sock").get("/os").state is ApiState.NO_SOCKET


def test_a_file_that_is_no_socket_fails_without_being_read(tmp_path: Path) -> None:
    (tmp_path / "api.sock").write_text("x")
    assert ApiClient(tmp_path / "api.sock").get("/os").state is ApiState.FAILED


@pytest.mark.parametrize("order", ["PATCH /settings", "POST /actions/reboot", "DELETE /tx", "get /os"])
def test_the_double_fails_a_test_that_gives_it_an_order(order: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="gave an order"):
        _give(order, tmp_path / "api.sock")


def _give(order: str, path: Path) -> None:
    with api_double(path), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.connect(str(path))
        channel.sendall(f"{order} HTTP/1.1\r\n\r\n".encode())
        assert channel.recv(64).startswith(b"HTTP/1.1")
