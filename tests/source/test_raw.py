"""Files read by offset or through a map."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import pytest

from rocketaudit.errors import TruncatedError
from rocketaudit.source.raw import open_raw, sha256_of

MIB = 1 << 20


def test_both_ways_of_reading_give_the_same_bytes_and_the_same_errors(tmp_path: Path) -> None:
    data = os.urandom(100_000)
    (tmp_path / "x").write_bytes(data)
    raw, identity = open_raw(tmp_path / "x")
    assert identity.size == raw.size == len(data)
    for _ in range(2):
        assert bytes(raw.read(0, raw.size)) == data
        assert bytes(raw.read(99_999, 1)) == data[-1:]
        assert bytes(raw.read(100_000, 0)) == b""
        for offset, length in ((99_999, 2), (-1, 1), (0, -1), (1 << 70, 1)):
            with pytest.raises(TruncatedError):
                raw.read(offset, length)
        raw.use_map()
    raw.close()


def test_block_device_is_as_large_as_seeking_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block device states no size, and is not changed by what its node in /dev says."""
    (tmp_path / "x").write_bytes(b"device" * 1000)
    real = os.fstat

    def as_device(descriptor: int) -> os.stat_result:
        status = list(real(descriptor))
        status[0], status[6] = stat.S_IFBLK | 0o660, 0
        return os.stat_result(status)

    monkeypatch.setattr(os, "fstat", as_device)
    raw, _ = open_raw(tmp_path / "x")
    assert raw.size == 6000
    for _ in range(2):
        assert bytes(raw.read(5994, 6)) == b"device"
        raw.use_map()
    raw.close()


def test_empty_file_has_no_map_and_no_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    raw, _ = open_raw(tmp_path / "x")
    raw.use_map()
    assert bytes(raw.read(0, 0)) == b""
    assert sha256_of(raw).startswith("e3b0c442")
    raw.close()


def test_closed_file_is_a_truncated_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    raw, _ = open_raw(tmp_path / "x")
    raw.close()
    with pytest.raises(TruncatedError, match="cannot be read"):
        raw.read(0, 1)


def test_map_does_not_keep_a_large_file_resident(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as file:
        for _ in range(200):
            file.write(os.urandom(MIB // 16) * 16)
    inlet, outlet = os.pipe()
    child = os.fork()
    if child == 0:
        raw, _ = open_raw(path)
        raw.use_map()
        held = most = 0
        for offset in range(0, raw.size, MIB):
            held += sum(raw.read(offset, MIB)[::4096])
            status = Path("/proc/self/status").read_text()
            most = max(most, int(status.split("RssFile:")[1].split()[0]) >> 10)
        os.write(outlet, str(most).encode())
        os._exit(0)
    os.close(outlet)
    with os.fdopen(inlet) as pipe:
        resident = int(pipe.read())
    os.waitpid(child, 0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    assert resident < 100, (resident, before)
