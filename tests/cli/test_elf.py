"""rocketaudit elf on files and folders."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import re
import struct
from pathlib import Path

import pytest

from rocketaudit.cli.elf import elf
from rocketaudit.cli.elf_targets import open_regular
from rocketaudit.errors import SourceError, UsageError
from tests.formats.elf.programs import program, with_section


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    for name in ("c", "rust-prefer-dynamic", "go-small", "c++"):
        (root / "bin" / name).write_bytes(program(name))
    (root / "bin" / "\x1b[31mred").write_bytes(program("c"))
    (root / "bin" / "script").write_text("#!/bin/sh\n")
    (root / "bin" / "link").symlink_to("c")
    os.mkfifo(root / "bin" / "pipe")
    return root


def test_json_has_one_object_per_elf_file(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert elf([str(folder)], output="json", quiet=True) == 0
    rows = {row["path"]: row for row in json.loads(capfd.readouterr().out)}
    assert len(rows) == 5
    row = rows[f"{folder}/bin/rust-prefer-dynamic"]
    digest = hashlib.sha256(program("rust-prefer-dynamic")).hexdigest()
    assert (row["language"], row["contains"], row["sha256"]) == ("rust", ["rust"], digest)
    assert row["signals"][0].keys() >= {"kind", "value", "offset"}
    assert row["hardening"]["relro"] == "full"
    assert row["confidence"] == "high"
    assert rows[f"{folder}/bin/go-small"]["language"] == "go"
    assert rows[f"{folder}/bin/c++"]["language"] == "c++"


def test_files_and_folders_can_be_mixed_and_a_named_link_is_followed(folder: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    assert elf([str(folder / "bin" / "link"), str(folder / "bin")], output="json", quiet=True) == 0
    assert len(json.loads(capfd.readouterr().out)) == 6


def test_filters_keep_what_they_say(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    elf([str(folder)], output="csv", language=["rust", "go"], quiet=True)
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert sorted(row["language"] for row in rows) == ["go", "rust"]
    elf([str(folder)], output="csv", hardening=["pie=exec"], path="*/bin/*", quiet=True)
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert [row["pie"] for row in rows] == ["exec"]
    elf([str(folder)], output="csv", contains=["c++"], quiet=True)
    assert len(list(csv.DictReader(io.StringIO(capfd.readouterr().out)))) == 1


def test_the_table_obeys_no_control_sequence(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    elf([str(folder)], quiet=True)
    out = capfd.readouterr().out
    assert "\x1b" not in out
    assert "5 files" in out


def test_explain_lays_out_the_evidence(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    elf([str(folder)], explain="bin/rust-prefer-dynamic", quiet=True)
    out = capfd.readouterr().out
    assert "rust-library: libstd-" in out
    assert "at byte" in out
    assert "relro: full" in out
    assert re.search(r"^  PT_GNU_RELRO r-- byte \d+ ", out, re.MULTILINE)
    assert re.search(r"^  libc.so.6: .*GLIBC_2", out, re.MULTILINE)
    assert re.search(r"^  GNU NT_GNU_BUILD_ID: [0-9a-f]{40}$", out, re.MULTILINE)
    elf([str(folder / "bin" / "c")], explain="c", quiet=True)
    assert re.search(r"^  .rela.plt: \d+$", capfd.readouterr().out, re.MULTILINE)
    with pytest.raises(UsageError, match="no ELF file"):
        elf([str(folder)], explain="nowhere", quiet=True)


@pytest.mark.parametrize("words", [{"output": "xml"}, {"hardening": ["relro"]}, {"hardening": ["colour=red"]}])
def test_wrong_words_are_usage_errors(words: dict[str, object], folder: Path) -> None:
    with pytest.raises(UsageError):
        elf([str(folder)], quiet=True, **words)  # type: ignore[arg-type]


def test_pipes_devices_and_missing_files_are_refused(folder: Path) -> None:
    for path in (folder / "bin" / "pipe", Path("/dev/null"), folder / "gone"):
        with pytest.raises(SourceError):
            open_regular(str(path))


def test_a_sparse_file_of_four_gib_is_not_read_into_memory(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.write(program("c"))
        file.truncate(4 << 30)
    assert elf([str(path)], output="json", quiet=True) == 3
    (row,) = json.loads(capfd.readouterr().out)
    assert (row["language"], row["hardening"]) == ("unknown", None)
    assert "not looked into" in row["error"]


def test_a_damaged_file_is_listed_as_unknown_and_gives_3(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad").write_bytes(b"\x7fELF\x07\x01")
    assert elf([str(tmp_path / "bad")], output="json", quiet=True) == 3
    (row,) = json.loads(capfd.readouterr().out)
    assert row["language"] == "unknown"
    assert "32 nor 64 bit" in row["error"] or "52 bytes" in row["error"]


def test_the_file_system_joins_privileges_and_libraries(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "bin" / "c").chmod(0o4755)
    (folder / "usr/lib").mkdir(parents=True)
    (folder / "usr/lib/libstdc++.so.6").write_bytes(program("c-shared"))
    elf([str(folder)], output="json", quiet=True)
    rows = {row["path"].rpartition("/")[2]: row for row in json.loads(capfd.readouterr().out)}
    assert (rows["c"]["file"]["mode"], rows["c"]["file"]["setuid"]) == (0o4755, True)
    assert not rows["c++"]["file"]["setuid"]
    found = {link["name"]: link["path"] for link in rows["c++"]["file"]["libraries"]}
    assert found["libstdc++.so.6"] == "/usr/lib/libstdc++.so.6"
    assert found["libc.so.6"] is None
    elf([str(folder)], quiet=True)
    out = capfd.readouterr().out
    assert f"setuid {os.getuid()}: {folder}/bin/c (c)" in out
    assert "in no folder of the loader: libc.so.6 (" in out
    elf([str(folder)], explain="bin/c++", quiet=True)
    assert "needs libc.so.6: in no folder of the loader" in capfd.readouterr().out
    elf([str(folder / "bin" / "c")], output="json", quiet=True)
    assert json.loads(capfd.readouterr().out)[0]["file"] is None


def kernel_image(release: str) -> bytes:
    """A bzImage whose payload says what a kernel says of itself."""
    banner = f"Linux version {release} (b@h) (gcc (GCC) 14.2.0, GNU ld 2.43) #1 SMP\0".encode()
    image = bytearray(0x1000)
    image[0x1F1], image[0x202:0x206] = 1, b"HdrS"
    payload = gzip.compress(b"code" + banner + b"IKCFG_ST" + gzip.compress(b"CONFIG_A=y\nCONFIG_B=m\n") + b"IKCFG_ED")
    struct.pack_into("<H", image, 0x206, 0x20F)
    struct.pack_into("<II", image, 0x248, 0x1000 - 1024, len(payload))
    return bytes(image) + payload


def test_kernels_are_described_and_modules_of_other_kernels_named(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "boot").mkdir()
    (folder / "boot" / "vmlinuz-6.12.37").write_bytes(kernel_image("6.12.37"))
    for release in ("6.12.37", "6.1.0"):
        module = with_section(program("c"), ".modinfo", f"vermagic={release} SMP mod_unload\0".encode(), tmp_path)
        (folder / "bin" / f"for-{release}.ko").write_bytes(module)
    elf([str(folder)], quiet=True)
    out = capfd.readouterr().out
    assert f"{folder}/boot/vmlinuz-6.12.37: kernel 6.12.37, x86_64 bzImage, gzip" in out
    assert "compiler gcc (GCC) 14.2.0, GNU ld 2.43" in out
    assert "configuration embedded, 2 options" in out
    assert f"made for kernel 6.1.0, which is not here: {folder}/bin/for-6.1.0.ko" in out
    assert "made for kernel 6.12.37" not in out
    elf([str(folder / "boot" / "vmlinuz-6.12.37")], output="json", quiet=True)
    (row,) = json.loads(capfd.readouterr().out)
    assert (row["language"], row["kernel"]["version"], row["error"]) == ("c", "6.12.37", None)
    assert row["sha256"] == hashlib.sha256(kernel_image("6.12.37")).hexdigest()


def test_a_kernel_that_cannot_be_unpacked_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "vmlinuz").write_bytes(kernel_image("6.12.37")[:0x1010])
    assert elf([str(tmp_path)], output="json", quiet=True) == 0
    (row,) = json.loads(capfd.readouterr().out)
    assert row["kernel"]["version"] is None
    assert row["error"]
