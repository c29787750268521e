"""Disks in every packing come out as the same bytes; damage, bombs and lies do not."""

from __future__ import annotations

import hashlib
import os
import struct
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest

from rocketaudit.errors import BudgetError, FormatError, RocketauditError, SourceError, TruncatedError, UnsupportedError
from rocketaudit.model.budget import Budget
from rocketaudit.source.disk import Disk, open_disk
from tests.source.packed import MIB, make_disk, make_ova, run

QEMU = {
    "qcow2": ("-O", "qcow2"),
    "qcow2-v2": ("-O", "qcow2", "-o", "compat=0.10"),
    "qcow2-compressed": ("-c", "-O", "qcow2"),
    "qcow2-zstd": ("-c", "-O", "qcow2", "-o", "compression_type=zstd"),
    "qcow2-small-clusters": ("-O", "qcow2", "-o", "cluster_size=512"),
    "qcow2-large-clusters": ("-c", "-O", "qcow2", "-o", "cluster_size=2M"),
    "vmdk-stream": ("-O", "vmdk", "-o", "subformat=streamOptimized"),
    "vmdk-sparse": ("-O", "vmdk", "-o", "subformat=monolithicSparse"),
    "vmdk-flat": ("-O", "vmdk", "-o", "subformat=monolithicFlat"),
    "vmdk-flat-parts": ("-O", "vmdk", "-o", "subformat=twoGbMaxExtentFlat"),
    "vmdk-sparse-parts": ("-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse"),
}
STREAMS: dict[str, Callable[[Path, Path], object]] = {
    "lz4": lambda raw, out: run("lz4", "-q", "-f", "-9", raw, out),
    "lz4-fast": lambda raw, out: run("lz4", "-q", "-f", "-1", raw, out),
    "lz4-linked": lambda raw, out: run("lz4", "-q", "-f", "-BD", raw, out),
    "lz4-small-blocks": lambda raw, out: run("lz4", "-q", "-f", "-B4", "-BX", "--content-size", raw, out),
    "gz": lambda raw, out: out.write_bytes(_gzip(raw)),
    "xz": lambda raw, out: (run("xz", "-q", "-k", "-f", "-0", raw) and None) or _rename(raw, ".xz", out),
    "zst": lambda raw, out: run("zstd", "-q", "-f", raw, "-o", out),
    "zst-long": lambda raw, out: run("zstd", "-q", "-f", "--long=24", "--no-check", raw, "-o", out),
}


def _gzip(raw: Path) -> bytes:
    import gzip

    data = raw.read_bytes()
    return gzip.compress(data[: 7 * MIB], 1) + gzip.compress(data[7 * MIB :], 1) + bytes(64)


def _rename(raw: Path, suffix: str, out: Path) -> None:
    raw.with_name(raw.name + suffix).rename(out)


def opened(path: Path, *, budget: Budget | None = None, workers: int = 1, tmp_dir: Path | None = None) -> Disk:
    return open_disk(path, budget=budget or Budget(), tmp_dir=tmp_dir, workers=workers)


def bytes_of(disk: Disk) -> bytes:
    try:
        return bytes(disk.reader.read(0, disk.reader.size))
    finally:
        disk.close()


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("name", sorted(QEMU))
def test_qemu_formats_give_the_raw_disk(name: str, workers: int, tmp_path: Path) -> None:
    data = make_disk(tmp_path / "raw", mib=48 if workers > 1 else 24)
    run("qemu-img", "convert", "-f", "raw", *QEMU[name], tmp_path / "raw", tmp_path / "packed")
    disk = opened(tmp_path / "packed", workers=workers)
    assert disk.container.kind == name.split("-")[0]
    assert disk.container.raw_size == len(data)
    assert bytes_of(disk) == data


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_compressed_streams_give_the_raw_disk(name: str, tmp_path: Path) -> None:
    data = make_disk(tmp_path / "raw")
    STREAMS[name](tmp_path / "raw", tmp_path / "packed")
    disk = opened(tmp_path / "packed")
    assert disk.container.layers == (name.split("-")[0],)
    assert not disk.container.problems
    assert disk.sha256() == hashlib.sha256((tmp_path / "packed").read_bytes()).hexdigest()
    assert bytes_of(disk) == data


def test_lz4_blocks_are_shared_between_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rocketaudit.source.expand_lz4._SHARE_FROM", MIB)
    data = make_disk(tmp_path / "raw")
    noise = bytearray(data)
    noise[::4096] = b"x" * len(noise[::4096])
    (tmp_path / "raw").write_bytes(noise)
    run("lz4", "-q", "-f", tmp_path / "raw", tmp_path / "packed")
    assert bytes_of(opened(tmp_path / "packed", workers=2)) == bytes(noise)


def test_zeros_stay_holes(tmp_path: Path) -> None:
    make_disk(tmp_path / "raw", mib=64)
    run("lz4", "-q", tmp_path / "raw", tmp_path / "packed")
    disk = opened(tmp_path / "packed")
    taken = int(disk.container.expanded.split(", ")[1].split(" ")[0])
    disk.close()
    assert taken <= 5 * MIB


def test_frames_with_short_blocks_inside_are_streamed(tmp_path: Path) -> None:
    with lz4.frame.LZ4FrameCompressor(block_size=lz4.frame.BLOCKSIZE_MAX64KB, block_linked=False, auto_flush=True) as c:
        packed = c.begin() + c.compress(b"a" * 1000) + c.compress(b"b" * 70000) + c.flush()
    (tmp_path / "packed").write_bytes(packed)
    assert bytes_of(opened(tmp_path / "packed")) == b"a" * 1000 + b"b" * 70000


def test_two_lz4_frames_and_a_skippable_one_are_one_disk(tmp_path: Path) -> None:
    skippable = struct.pack("<II", 0x184D2A53, 5) + b"12345"
    packed = skippable + lz4.frame.compress(b"a" * 99999, block_linked=False) + skippable + lz4.frame.compress(b"b" * 9)
    (tmp_path / "packed").write_bytes(packed)
    assert bytes_of(opened(tmp_path / "packed")) == b"a" * 99999 + b"b" * 9


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_ova_gives_its_first_disk_and_checks_the_manifest(style: int, tmp_path: Path) -> None:
    data = make_disk(tmp_path / "raw")
    run("qemu-img", "convert", "-f", "raw", *QEMU["vmdk-stream"], tmp_path / "raw", tmp_path / "d.vmdk")
    make_ova(tmp_path / "x.ova", tmp_path / "d.vmdk", style=style)
    disk = opened(tmp_path / "x.ova")
    assert disk.container.layers == ("tar", "vmdk")
    assert disk.container.kind == "ova"
    assert "manifest x.mf: 3 of 3 digests match" in disk.container.notes
    assert any("other.vmdk" in note for note in disk.container.notes)
    assert not disk.container.problems
    assert bytes_of(disk) == data


def test_ova_whose_manifest_lies_is_reported(tmp_path: Path) -> None:
    make_disk(tmp_path / "raw")
    run("qemu-img", "convert", "-f", "raw", *QEMU["vmdk-stream"], tmp_path / "raw", tmp_path / "d.vmdk")
    make_ova(tmp_path / "x.ova", tmp_path / "d.vmdk", wrong=True, algorithm="sha512")
    disk = opened(tmp_path / "x.ova")
    disk.close()
    assert [p.what for p in disk.container.problems] == ["disk.vmdk: the sha512 digest differs from the manifest's"]


def test_manifest_of_many_lines_is_not_worked_through(tmp_path: Path) -> None:
    make_disk(tmp_path / "raw")
    run("qemu-img", "convert", "-f", "raw", *QEMU["vmdk-stream"], tmp_path / "raw", tmp_path / "d.vmdk")
    make_ova(tmp_path / "x.ova", tmp_path / "d.vmdk", lies=2000)
    disk = opened(tmp_path / "x.ova")
    disk.close()
    assert [p.what for p in disk.container.problems] == ["manifest x.mf: 2003 lines; at most 64 are checked"]


def test_raw_image_is_read_where_it_is(tmp_path: Path) -> None:
    data = make_disk(tmp_path / "raw")
    disk = opened(tmp_path / "raw")
    assert (disk.container.kind, disk.container.expanded) == ("raw", "")
    disk.use_map()
    assert bytes_of(disk) == data


def test_packing_inside_a_packing_is_taken_off_too(tmp_path: Path) -> None:
    data = make_disk(tmp_path / "raw")
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", tmp_path / "raw", tmp_path / "q")
    run("zstd", "-q", tmp_path / "q", "-o", tmp_path / "packed")
    disk = opened(tmp_path / "packed")
    assert disk.container.layers == ("zst", "qcow2")
    assert bytes_of(disk) == data


def test_too_many_packings_are_refused(tmp_path: Path) -> None:
    data = b"x"
    for _ in range(6):
        data = lz4.frame.compress(data)
    (tmp_path / "packed").write_bytes(data)
    with pytest.raises(FormatError, match="packed more than"):
        opened(tmp_path / "packed")


def test_name_of_the_file_says_nothing(tmp_path: Path) -> None:
    data = make_disk(tmp_path / "raw")
    run("lz4", "-q", tmp_path / "raw", tmp_path / "disk.qcow2")
    assert bytes_of(opened(tmp_path / "disk.qcow2")) == data


def test_data_image_beside_is_named(tmp_path: Path) -> None:
    make_disk(tmp_path / "host.img.lz4")
    (tmp_path / "host-data.img.lz4").write_bytes(b"")
    disk = opened(tmp_path / "host.img.lz4")
    disk.close()
    assert disk.container.data_image == "host-data.img.lz4"


def test_expansion_leaves_nothing_in_the_folder(tmp_path: Path) -> None:
    make_disk(tmp_path / "raw")
    run("lz4", "-q", tmp_path / "raw", tmp_path / "packed")
    folder = tmp_path / "tmp"
    folder.mkdir()
    disk = opened(tmp_path / "packed", tmp_dir=folder)
    assert list(folder.iterdir()) == []
    disk.close()


# what is refused, and how


@pytest.mark.parametrize("suffix", ["lz4", "lz4-linked", "gz", "xz", "zst"])
def test_truncated_stream_gives_what_comes_out_and_says_so(suffix: str, tmp_path: Path) -> None:
    make_disk(tmp_path / "raw", mib=16)
    raw = (tmp_path / "raw").read_bytes()
    STREAMS[suffix](tmp_path / "raw", tmp_path / "packed")
    whole = (tmp_path / "packed").read_bytes().rstrip(b"\0") if suffix == "gz" else (tmp_path / "packed").read_bytes()
    for size in (8, 13):
        (tmp_path / "cut").write_bytes(whole[:size])
        with pytest.raises(FormatError):
            opened(tmp_path / "cut")
    for size in (len(whole) * 2 // 3, len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:size])
        disk = opened(tmp_path / "cut")
        assert 0 < disk.reader.size <= len(raw)
        assert bytes(disk.reader.read(0, disk.reader.size)) == raw[: disk.reader.size]
        (problem,) = disk.container.problems
        assert problem.in_doubt
        assert f"the disk ends after the {disk.reader.size} bytes" in problem.what
        disk.close()


@pytest.mark.parametrize("name", ["qcow2", "qcow2-compressed", "vmdk-stream", "vmdk-sparse"])
def test_truncated_disk_format_is_a_format_error(name: str, tmp_path: Path) -> None:
    make_disk(tmp_path / "raw", mib=16)
    run("qemu-img", "convert", "-f", "raw", *QEMU[name], tmp_path / "raw", tmp_path / "packed")
    whole = (tmp_path / "packed").read_bytes()
    for size in (5, 80, 600, len(whole) // 2):
        (tmp_path / "cut").write_bytes(whole[:size])
        with pytest.raises(FormatError):
            opened(tmp_path / "cut")


@pytest.mark.parametrize("suffix", ["lz4", "gz", "xz", "zst"])
def test_bomb_meets_the_budget(suffix: str, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"A" * (64 * MIB))
    STREAMS[suffix](tmp_path / "raw", tmp_path / "packed")
    assert (tmp_path / "packed").stat().st_size < MIB
    with pytest.raises(BudgetError):
        opened(tmp_path / "packed", budget=Budget(max_bytes=16 * MIB))


@pytest.mark.parametrize(
    ("suffix", "workers"), [("lz4", 2), ("gz", 1), ("zst", 1), ("qcow2-compressed", 2), ("vmdk-stream", 1)]
)
def test_small_file_may_not_fill_the_folder(suffix: str, workers: int, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"A" * (288 * MIB))
    if suffix in QEMU:
        run("qemu-img", "convert", "-f", "raw", *QEMU[suffix], tmp_path / "raw", tmp_path / "packed")
    else:
        STREAMS[suffix](tmp_path / "raw", tmp_path / "packed")
    assert (tmp_path / "packed").stat().st_size < 3 * MIB
    with pytest.raises(BudgetError, match="not zero come out"):
        opened(tmp_path / "packed", budget=Budget(max_bytes=1024 * MIB), workers=workers)


@pytest.mark.parametrize("suffix", ["zst", "xz"])
def test_a_small_stream_may_not_give_zeros_for_minutes(suffix: str, tmp_path: Path) -> None:
    with (tmp_path / "raw").open("wb") as file:
        file.truncate(80 * MIB)
    STREAMS[suffix](tmp_path / "raw", tmp_path / "packed")
    with pytest.raises(BudgetError, match="come out of a stream that is far smaller"):
        opened(tmp_path / "packed", budget=Budget(max_bytes=200 * MIB))
    disk = opened(tmp_path / "packed", budget=Budget(max_bytes=400 * MIB))
    assert disk.reader.size == 80 * MIB
    disk.close()


def test_endless_small_parts_end_with_a_bound(tmp_path: Path) -> None:
    import gzip
    import lzma

    import zstandard

    parts = {
        "gz": gzip.compress(b""),
        "xz": lzma.compress(b""),
        "zst": zstandard.compress(b""),
        "lz4": lz4.frame.compress(b""),
        "lz4 blocks": lz4.frame.compress(b"")[:7] + b"\1\0\0\x80x" * ((1 << 19) + 1),
    }
    for name, part in parts.items():
        (tmp_path / "x").write_bytes(part if name == "lz4 blocks" else part * 33_000)
        began = time.process_time()
        with pytest.raises(FormatError, match="more than"):
            opened(tmp_path / "x")
        assert time.process_time() - began < 8, name


def test_descriptor_of_many_megabytes_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.write(b"# Disk DescriptorFile\n")
        file.truncate(1 << 36)
    with pytest.raises(FormatError, match="descriptor of"):
        opened(tmp_path / "x")


def test_qcow2_that_claims_an_exbibyte_costs_nothing(tmp_path: Path) -> None:
    run("qemu-img", "create", "-f", "qcow2", tmp_path / "q", "1G")
    data = bytearray((tmp_path / "q").read_bytes())
    struct.pack_into(">Q", data, 24, 1 << 55)
    (tmp_path / "q").write_bytes(data)
    with pytest.raises(FormatError, match="L1 table"):
        opened(tmp_path / "q")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("-o", "extended_l2=on"), "extended L2"),
        (("-o", "data_file=DATA"), "another file"),
        (("-b", "BASE", "-F", "raw"), "backing file"),
        # not luks: to choose its iterations qemu-img times itself, and gives up where the clock of a process is coarse
        (("--object", "secret,id=s,data=x", "-o", "encrypt.format=aes,encrypt.key-secret=s"), "encrypted"),
    ],
)
def test_qcow2_features_that_need_more_are_refused_by_name(options: tuple[str, ...], word: str, tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(bytes(MIB))
    filled = [o.replace("DATA", str(tmp_path / "data")).replace("BASE", str(tmp_path / "base")) for o in options]
    run("qemu-img", "create", "-f", "qcow2", *filled, tmp_path / "q", "1M")
    with pytest.raises(UnsupportedError, match=word):
        opened(tmp_path / "q")


def test_qcow2_table_used_twice_is_refused(tmp_path: Path) -> None:
    make_disk(tmp_path / "raw")
    run("qemu-img", "convert", "-f", "raw", *QEMU["qcow2-small-clusters"], tmp_path / "raw", tmp_path / "q")
    data = bytearray((tmp_path / "q").read_bytes())
    (table,) = struct.unpack_from(">Q", data, 40)
    used = [at for at in range(table, table + 8 * 700, 8) if any(data[at : at + 8])]
    data[used[1] : used[1] + 8] = data[used[0] : used[0] + 8]
    (tmp_path / "q").write_bytes(data)
    with pytest.raises(FormatError, match="used twice"):
        opened(tmp_path / "q")


def test_vmdk_delta_is_refused(tmp_path: Path) -> None:
    text = '# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=1234abcd\nRW 8 FLAT "flat" 0\n'
    (tmp_path / "d.vmdk").write_text(text)
    with pytest.raises(UnsupportedError, match="delta"):
        opened(tmp_path / "d.vmdk")


@pytest.mark.parametrize("name", ["/etc/hostname", "../raw", "a/b", "link"])
def test_vmdk_descriptor_reaches_no_file_outside_its_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / "d.vmdk").write_text(f'# Disk DescriptorFile\nparentCID=ffffffff\nRW 1 FLAT "{name}" 0\n')
    with pytest.raises(FormatError, match="which is"):
        opened(tmp_path / "d.vmdk")


def test_a_vmdk_of_several_sparse_parts_is_one_disk(tmp_path: Path) -> None:
    size = (4 << 30) + (300 << 20)
    places = {5: b"first", (2 << 30) - 3: b"across the border", (3 << 30) + 77: b"second", size - 5: b"-last"}
    with (tmp_path / "raw").open("wb") as file:
        file.truncate(size)
        for place, data in places.items():
            file.seek(place)
            file.write(data)
    run("qemu-img", "convert", "-f", "raw", *QEMU["vmdk-sparse-parts"], tmp_path / "raw", tmp_path / "d.vmdk")
    parts = sorted(tmp_path.glob("d-s*.vmdk"))
    assert len(parts) == 3
    disk = opened(tmp_path / "d.vmdk")
    assert disk.reader.size == size
    for place, data in places.items():
        assert (
            disk.reader.read(place - 2 if place > 5 else 0, len(data) + 2 if place > 5 else 5 + len(data))[-len(data) :]
            == data
        )
    stored = sum(end - start for start, end in disk._base.stored_extents(0, size))
    assert stored <= 5 * (64 << 10)
    disk.close()
    parts[1].write_bytes(parts[2].read_bytes())
    with pytest.raises(FormatError, match=r"d-s002.vmdk is a part of \d+ bytes, its descriptor says"):
        opened(tmp_path / "d.vmdk")
    parts[1].unlink()
    with pytest.raises(SourceError, match=r"d-s002.vmdk cannot be opened"):
        opened(tmp_path / "d.vmdk")


def test_a_fixed_vhd_is_the_disk_before_its_footer(tmp_path: Path) -> None:
    data = make_disk(tmp_path / "raw")
    options = ("-O", "vpc", "-o", "subformat=fixed,force_size=on")
    run("qemu-img", "convert", "-f", "raw", *options, tmp_path / "raw", tmp_path / "d.vhd")
    assert (tmp_path / "d.vhd").stat().st_size == len(data) + 512
    disk = opened(tmp_path / "d.vhd")
    assert bytes(disk.reader.read(0, disk.reader.size)) == data
    assert disk.container.notes == ("a fixed VHD: the 512 bytes behind the disk are its footer",)
    disk.close()
    changed = bytearray((tmp_path / "d.vhd").read_bytes())
    changed[-512 + 55] ^= 1  # another size than the one before the footer
    (tmp_path / "d.vhd").write_bytes(changed)
    assert opened(tmp_path / "d.vhd").reader.size == len(data) + 512


@pytest.mark.parametrize(
    ("kind", "said"), [("qed", "QED"), ("parallels", "Parallels"), ("vdi", "VDI"), ("vhdx", "VHDX")]
)
def test_disks_of_other_programs_are_named(kind: str, said: str, tmp_path: Path) -> None:
    make_disk(tmp_path / "raw")
    run("qemu-img", "convert", "-f", "raw", "-O", kind, tmp_path / "raw", tmp_path / "disk")
    with pytest.raises(UnsupportedError, match=said):
        opened(tmp_path / "disk")


def test_vmdk_extent_shorter_than_it_says_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flat").write_bytes(bytes(512))
    (tmp_path / "d.vmdk").write_text('# Disk DescriptorFile\nparentCID=ffffffff\nRW 9 FLAT "flat" 0\n')
    with pytest.raises(TruncatedError):
        opened(tmp_path / "d.vmdk")


@pytest.mark.parametrize(
    ("head", "word"), [(b"vhdxfile", "VHDX"), (b"conectix", "VHD"), (b"PK\3\4", "ZIP"), (b".eif", "Enclave")]
)
def test_packings_that_are_not_read_are_named(head: bytes, word: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(head + bytes(2000))
    with pytest.raises(UnsupportedError, match=word):
        opened(tmp_path / "x")


def test_no_room_is_a_source_error_with_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_disk(tmp_path / "raw")
    run("lz4", "-q", tmp_path / "raw", tmp_path / "packed")
    real = os.statvfs(tmp_path)
    full = os.statvfs_result((*tuple(real)[:4], 5, *tuple(real)[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    with pytest.raises(SourceError, match="are free") as caught:
        opened(tmp_path / "packed")
    assert "--tmp-dir" in str(caught.value.hint)


@pytest.mark.parametrize("what", ["folder", "fifo", "missing"])
def test_what_is_no_file_is_a_source_error(what: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    with pytest.raises(SourceError):
        opened(path)


def test_file_that_shrinks_is_a_truncated_error(tmp_path: Path) -> None:
    make_disk(tmp_path / "raw")
    disk = opened(tmp_path / "raw")
    os.truncate(tmp_path / "raw", MIB)
    with pytest.raises(TruncatedError, match="shorter"):
        disk.reader.read(2 * MIB, 10)
    assert [problem.what for problem in disk.check_unchanged()] == ["the input file was changed during the scan"]
    disk.close()


def test_file_that_is_replaced_is_noticed(tmp_path: Path) -> None:
    make_disk(tmp_path / "raw")
    disk = opened(tmp_path / "raw")
    assert disk.check_unchanged() == ()
    (tmp_path / "new").write_bytes(b"x")
    (tmp_path / "new").rename(tmp_path / "raw")
    assert any("replaced" in problem.what for problem in disk.check_unchanged())
    disk.close()


@pytest.mark.parametrize("name", ["qcow2-compressed", "vmdk-stream", "vmdk-sparse", "lz4", "xz", "zst", "gz", "ova"])
def test_damage_anywhere_gives_our_errors_only(name: str, tmp_path: Path) -> None:
    import random

    (tmp_path / "raw").write_bytes((b"text " * 200 + os.urandom(100)) * 600 + bytes(MIB))
    if name in QEMU or name == "ova":
        options = QEMU.get(name, QEMU["vmdk-stream"])
        run("qemu-img", "convert", "-f", "raw", *options, tmp_path / "raw", tmp_path / "packed")
        if name == "ova":
            make_ova(tmp_path / "x.ova", tmp_path / "packed")
            (tmp_path / "x.ova").rename(tmp_path / "packed")
    else:
        STREAMS[name](tmp_path / "raw", tmp_path / "packed")
    whole = (tmp_path / "packed").read_bytes()
    rng = random.Random(11)
    for _ in range(25):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 8)):
            at = rng.choice((rng.randrange(len(data)), rng.randrange(min(4096, len(data)))))
            data[at] = rng.choice((0, 0xFF, rng.randrange(256)))
        (tmp_path / "bad").write_bytes(data)
        try:
            opened(tmp_path / "bad", budget=Budget(max_bytes=64 * MIB)).close()
        except RocketauditError:
            continue
