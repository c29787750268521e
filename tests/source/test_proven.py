"""What the kernel holds in memory is read, and nothing else: names, pages, links, and what processes have mapped."""

from __future__ import annotations

import ctypes
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rocketaudit.errors import EntryNotFoundError, FormatError
from rocketaudit.model.budget import Budget
from rocketaudit.model.filesystem import BadNode
from rocketaudit.source import resident
from rocketaudit.source.in_use import files_in_use
from rocketaudit.source.places import Places
from rocketaudit.source.proven import NOT_PROVEN, ProvenFileSystem
from rocketaudit.source.resident import is_supported, read_held
from rocketaudit.source.tree import Entry, Tree, WalkGap

REASON = "the rest is not proven"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    if not is_supported():
        pytest.skip("this kernel has no RESOLVE_CACHED (Linux 5.12)")
    if os.geteuid() != 0:
        pytest.skip("only root is told which pages of its files are in memory")
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/lib").mkdir()
    (tmp_path / "usr/bin/kubelet").write_bytes(os.urandom(300_000))
    (tmp_path / "usr/lib/os-release").write_text("ID=made\n")
    (tmp_path / "bin").symlink_to("usr/bin")
    # where links have times of access, whoever follows one that was not followed since it was made writes them
    os.utime(tmp_path / "bin", ns=(time.time_ns(), 0), follow_symlinks=False)
    assert (tmp_path / "bin/kubelet").exists()
    return tmp_path


def proven(root: Path, **used: int) -> Tree:
    paths = {name.replace("__", "/").encode(): number for name, number in used.items()}
    fs = ProvenFileSystem(str(root), REASON, frozenset((b"usr", b"bin", b"etc")), paths)
    return Tree("node", "node", fs)


def forget(path: Path) -> None:
    """Let the kernel drop the pages of a file; the test skips where it keeps them (a tmpfs)."""
    with path.open("rb") as file:
        for _ in range(20):
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if not resident_pages(file.fileno(), path.stat().st_size):
                return
            time.sleep(0.05)
    pytest.skip("this file system keeps files in memory")


def test_what_is_in_memory_is_read_whole(root: Path) -> None:
    tree = proven(root)
    assert tree.read("/usr/lib/os-release") == b"ID=made\n"
    assert tree.read("/bin/kubelet") == (root / "usr/bin/kubelet").read_bytes()
    _, node = tree.lookup("/usr/bin/kubelet")
    assert b"".join(tree.fs.chunks(node)) == (root / "usr/bin/kubelet").read_bytes()


def test_pages_that_are_not_in_memory_stay_where_they_are(root: Path) -> None:
    forget(root / "usr/bin/kubelet")
    tree = proven(root)
    _, node = tree.lookup("/usr/bin/kubelet")
    for _ in range(2):
        with pytest.raises(FormatError, match=NOT_PROVEN):
            list(tree.fs.chunks(node))
        with pytest.raises(FormatError, match=NOT_PROVEN):
            tree.read("/usr/bin/kubelet")
    with (root / "usr/bin/kubelet").open("rb") as file:
        assert resident_pages(file.fileno(), node.size) == 0


def resident_pages(handle: int, size: int) -> int:
    """mincore(2) of the whole file."""
    memory = mmap.mmap(handle, size, access=mmap.ACCESS_COPY)
    vector = (ctypes.c_ubyte * (-(-size // mmap.PAGESIZE)))()
    address = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
    assert ctypes.CDLL(None).mincore(address, ctypes.c_size_t(size), vector) == 0
    return sum(one & 1 for one in vector)


def test_a_name_that_nobody_looked_up_is_unread_and_one_that_is_known_not_to_be_there_absent(root: Path) -> None:
    tree = proven(root)
    with pytest.raises(FormatError, match=NOT_PROVEN):
        tree.lookup("/usr/lib/nobody-asked-for-this")
    assert not (root / "usr/lib/asked-for").exists()
    with pytest.raises((EntryNotFoundError, FormatError)):  # the kernel remembers, or has forgotten it again
        tree.lookup("/usr/lib/asked-for")


def test_folders_are_never_listed(root: Path) -> None:
    tree = proven(root)
    with pytest.raises(FormatError, match=REASON):
        tree.list("/usr/lib")
    walked = list(tree.walk(Budget()))
    assert [item.path for item in walked if isinstance(item, Entry)][:1] == [b"/"]
    assert {item.path: item.reason for item in walked if isinstance(item, WalkGap)} == {b"/usr": REASON}


def test_files_in_use_are_listed_with_their_folders_and_those_of_containers_are_not(root: Path) -> None:
    kubelet = (root / "usr/bin/kubelet").stat().st_ino
    tree = proven(root, usr__bin__kubelet=kubelet, usr__lib__os=1, **{"usr__lib__os-release": 99})
    walked = list(tree.walk(Budget()))
    shown = {item.path for item in walked if isinstance(item, Entry) and not isinstance(item.node, BadNode)}
    assert shown == {b"/", b"/bin", b"/usr", b"/usr/bin", b"/usr/bin/kubelet", b"/usr/lib"}
    gaps = {item.path for item in walked if isinstance(item, WalkGap)}
    assert gaps == {b"/usr", b"/usr/bin", b"/usr/lib"}


def test_attributes_are_said_to_be_unread(root: Path) -> None:
    tree = proven(root)
    _, node = tree.lookup("/usr/bin/kubelet")
    with pytest.raises(FormatError, match="attributes"):
        tree.fs.xattrs(node)


def test_a_link_out_of_the_root_stays_in_it(root: Path) -> None:
    (root / "usr/lib/secret").symlink_to("/etc/passwd")
    tree = proven(root)
    with pytest.raises((FormatError, EntryNotFoundError)):
        tree.read("/usr/lib/secret")


def test_any_part_of_a_file_is_read(root: Path) -> None:
    data = (root / "usr/bin/kubelet").read_bytes()
    with (root / "usr/bin/kubelet").open("rb") as file:
        for offset, length in ((0, 1), (5000, 123), (4095, 2), (8192, 4096), (299_999, 1), (0, 300_000)):
            assert read_held(file.fileno(), offset, length) == data[offset : offset + length]


def test_reading_stops_at_the_first_page_that_is_not_there(root: Path) -> None:
    path = root / "usr/bin/kubelet"
    forget(path)
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        first = os.pread(file.fileno(), 4096, 0)
        held = resident_pages(file.fileno(), 300_000)
        assert 0 < held < 74
        assert read_held(file.fileno(), 0, 300_000)[:4096] == first
        assert len(read_held(file.fileno(), 0, 300_000)) == held * 4096
        assert resident_pages(file.fileno(), 300_000) == held


def test_who_does_not_own_a_file_is_not_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resident.os, "geteuid", lambda: 1000)
    with pytest.raises(FormatError, match="only its owner"):
        proven(root).read("/usr/bin/kubelet")


@pytest.fixture
def mapped(tmp_path: Path) -> Callable[[str], Places]:
    def make(text: str) -> Places:
        folder = tmp_path / "proc/7"
        folder.mkdir(parents=True)
        (folder / "maps").write_text(text)
        (tmp_path / "proc/8").mkdir()
        return Places(tmp_path, tmp_path, tmp_path / "proc", tmp_path / "sys", tmp_path / "api")

    return make


def test_maps_of_processes_name_files_of_the_protected_device(mapped: Callable[[str], Places]) -> None:
    places = mapped(
        "55d0-55d1 r--p 00000000 fd:00 2082 /usr/bin/kubelet\n"
        "55d1-55d2 r-xp 00001000 fd:00 2082 /usr/bin/kubelet\n"
        "7f00-7f01 r--p 00000000 fd:00 77 /usr/lib/a name with blanks.so\n"
        "7f02-7f03 r--p 00000000 fd:00 78 /usr/lib/gone.so (deleted)\n"
        "7f04-7f05 r--p 00000000 00:2a 79 /usr/lib/of-a-container.so\n"
        "7f06-7f07 rw-p 00000000 00:00 0 [heap]\n7f08 nonsense\nxx yy zz fd:zz 1 /a\n"
    )
    expected = {b"usr/bin/kubelet": 2082, b"usr/lib/a name with blanks.so": 77}
    assert files_in_use(places, "253:0", host_pids=True) == expected
    assert files_in_use(places, "253:0", host_pids=False) == expected


def test_own_maps_are_read(root: Path) -> None:
    path = root / "usr/bin/kubelet"
    places = Places(Path("/"), Path("/"), Path("/proc"), Path("/sys"), Path("/run/api.sock"))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ):
        lines = Path("/proc/self/maps").read_text().splitlines()
        device = next(line.split()[3] for line in lines if line.endswith(str(path)))
        major, _, minor = device.partition(":")
        found = files_in_use(places, f"{int(major, 16)}:{int(minor, 16)}", host_pids=True)
    assert found[str(path).strip("/").encode()] == path.stat().st_ino
