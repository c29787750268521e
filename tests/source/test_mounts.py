"""mountinfo as the kernel writes it, and as nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.source.grafts import find_covers
from rocketaudit.source.mounts import parse_mountinfo, visible


def test_root_is_read_only_when_either_the_mount_or_its_file_system_is() -> None:
    both = b"21 1 253:0 / / rw,relatime shared:1 master:2 - erofs /dev/root ro,seclabel,cache_strategy=readaround\n"
    mount = parse_mountinfo(both)[0]
    assert mount.options == ("ro", "relatime", "seclabel")
    assert (mount.device, mount.fstype, mount.source) == ("253:0", "erofs", "/dev/root")


def test_blanks_in_names_come_back_and_secrets_in_options_do_not() -> None:
    line = b"30 21 0:50 / /mnt/a\\040b rw,nosuid - cifs //server/share rw,username=root,password=s3cret,size=1\n"
    mount = parse_mountinfo(line)[0]
    assert mount.point == "/mnt/a b"
    assert mount.options == ("rw", "nosuid", "size=1")


@pytest.mark.parametrize("line", ["x", "1 2 3 4", "a b c d e f - g h", "21 1 253:0 / / rw erofs /dev/root ro"])
def test_a_line_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(FormatError, match="line 1 of mountinfo"):
        parse_mountinfo(line.encode())


def test_more_mounts_than_anybody_has_are_refused() -> None:
    with pytest.raises(FormatError, match="at most"):
        parse_mountinfo(b"21 1 253:0 / / rw - erofs a ro\n" * 20_001)


def test_the_last_of_two_mounts_at_one_point_is_the_one_that_shows() -> None:
    lines = b"21 1 253:0 / / ro - erofs a ro\n22 21 0:9 / /usr rw - tmpfs b rw\n23 22 0:8 / /usr ro - tmpfs c ro\n"
    assert [one.source for one in visible(parse_mountinfo(lines))] == ["a", "c"]


def test_covers_are_found_below_the_sysroot_too() -> None:
    lines = b"21 1 253:0 / / ro - erofs a ro\n"
    lines += b"22 21 0:9 / /x86_64-bottlerocket-linux-gnu/sys-root/usr/bin rw - tmpfs b rw\n"
    lines += b"23 21 0:8 / /etc rw - tmpfs c rw\n"
    found = [(one.path, one.is_expected) for one in find_covers(parse_mountinfo(lines), "253:0")]
    assert found == [("/usr/bin", False)]


@given(st.binary(max_size=400))
def test_any_bytes_are_mounts_or_a_format_error(data: bytes) -> None:
    for text in (data, b"21 1 253:0 / / ro - erofs a ro\n" + data):
        try:
            tuple(find_covers(parse_mountinfo(text), "253:0"))
        except FormatError:
            continue
