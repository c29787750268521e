"""Disk images told apart by what they hold: layouts, banks, boot entries, scopes, and what cannot be read."""

from __future__ import annotations

import json
import lzma
import os
import random
import struct
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from rocketaudit.cli.main import main
from rocketaudit.errors import FormatError, RocketauditError, UnsupportedError
from rocketaudit.formats.dm_verity_table import parse_table
from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import BootKind, Content, Layout, TableKind
from rocketaudit.model.progress import NoProgress
from rocketaudit.source.image import ImageSource, open_image
from tests.fuzz.targets import seal_gpt
from tests.images import Built
from tests.source import disks
from tests.source.disks import Part
from tests.source.packed import run
from tests.support import find_tool, needs_tools, shared_data


def opened(path: Path) -> ImageSource:
    return open_image(path, budget=Budget(), tmp_dir=None, progress=NoProgress())


def contents(source: ImageSource) -> dict[str, str]:
    return {partition.scope: partition.content.value for partition in source.disk.partitions}


# the layouts that Bottlerocket's builder makes


def test_two_banks_of_which_b_is_empty(small_erofs_image: Built) -> None:
    source = opened(small_erofs_image.path)
    assert source.disk.layout is Layout.GRUB_TWO_BANKS
    bank_a, bank_b = source.disk.banks
    assert (bank_a.boots_next, bank_a.populated, bank_a.successful, bank_a.priority) == (True, True, True, 1)
    assert (bank_b.boots_next, bank_b.populated, bank_b.will_boot) == (False, False, False)
    assert source.judged == "bank-a"
    assert contents(source)["bank-a"] == "erofs"
    assert contents(source)["bank-b"] == contents(source)["data"] == "blank"
    (entry,) = source.disk.boot_entries
    assert (entry.kind, entry.bank, entry.scope, entry.is_default) == (BootKind.GRUB, "bank-a", "boot-a", True)
    assert parse_table(entry.verity_table).parameters.root_hash == small_erofs_image.verity["A"].root_hash
    boot = next(p for p in source.disk.partitions if p.scope == "boot-a")
    assert f"PARTUUID={boot.unique_guid}/PARTNROFF=1" in entry.verity_table
    assert source.gaps == ()
    assert source.target.os_id == "bottlerocket"
    assert source.target.arch == "x86_64"
    source.close()


def test_ext4_root_and_kernel_version(small_ext4_image: Built) -> None:
    source = opened(small_ext4_image.path)
    assert contents(source)["bank-a"] == "ext4"
    assert source.target.kernel_version == small_ext4_image.spec.release.kernel
    assert dict(source.disk.release.image_features)["IN_PLACE_UPDATES"] == "true"
    assert dict(source.disk.release.os_release)["VERSION_ID"] == small_ext4_image.spec.release.version
    source.close()


def test_both_banks_populated(two_bank_image: Built) -> None:
    source = opened(two_bank_image.path)
    assert [bank.populated for bank in source.disk.banks] == [True, True]
    assert [tree.scope for tree in source.trees] == [
        "efi-a", "boot-a", "bank-a", "efi-b", "boot-b", "bank-b", "private",
    ]  # fmt: skip
    hashes = {entry.bank: parse_table(entry.verity_table).parameters.root_hash for entry in source.disk.boot_entries}
    assert hashes == {f"bank-{bank.lower()}": tree.root_hash for bank, tree in two_bank_image.verity.items()}
    source.close()


def test_one_bank(single_bank_image: Built) -> None:
    source = opened(single_bank_image.path)
    assert source.disk.layout is Layout.GRUB_ONE_BANK
    assert [bank.name for bank in source.disk.banks] == ["a"]
    source.close()


def test_unified_kernel_image_on_the_esp(uki_image: Built) -> None:
    source = opened(uki_image.path)
    assert source.disk.layout is Layout.UKI_ESP
    (bank,) = source.disk.banks
    assert (bank.boot, bank.priority, bank.boots_next) == (None, None, True)
    (entry,) = source.disk.boot_entries
    assert (entry.kind, entry.path, entry.bank) == (BootKind.UKI, "/EFI/BOOT/BOOTX64.EFI", "bank-a")
    assert entry.command_line == uki_image.boot_configurations["A"]
    assert entry.kernel_version == source.target.kernel_version == uki_image.spec.release.kernel
    assert parse_table(entry.verity_table).parameters.root_hash == uki_image.verity["A"].root_hash
    source.close()


def test_standalone_guest(standalone_image: Built) -> None:
    source = opened(standalone_image.path)
    assert source.disk.layout is Layout.STANDALONE
    assert len(source.disk.partitions) == 5
    source.close()


def test_enclave_disk(enclave_image: Built) -> None:
    source = opened(enclave_image.path)
    assert source.disk.layout is Layout.EIF_DISK
    assert [p.scope for p in source.disk.partitions] == ["bank-a", "hash-a"]
    assert source.judged == "bank-a"
    source.close()


# layouts of our own making


def test_unified_kernel_image_in_an_xbootldr_partition(tmp_path: Path) -> None:
    path = disks.put_together(
        tmp_path / "disk",
        Part("EFI-A", disks.esp(tmp_path, {"/EFI/BOOT/BOOTX64.EFI": disks.pe_file({".text": b"x"})})),
        Part(
            disks.XBOOTLDR,
            disks.esp(tmp_path, {"/EFI/Linux/bottlerocket.efi": disks.uki(), "/loader/loader.conf": b""}),
        ),
        Part("ROOT", disks.erofs(tmp_path)),
        Part("HASH"),
    )
    source = opened(path)
    assert source.disk.layout is Layout.UKI_XBOOTLDR
    (entry,) = source.disk.boot_entries
    assert (entry.scope, entry.path, entry.bank) == ("xbootldr", "/EFI/Linux/bottlerocket.efi", "bank-a")
    assert entry.title == "Test OS 1.2"
    assert entry.verity_table == disks.TABLE
    source.close()


def test_discoverable_partitions_are_paired_by_architecture(tmp_path: Path) -> None:
    root = disks.erofs(tmp_path)
    signature = b'{"rootHash":"00","signature":"x"}'
    entry = b"title Linux\nlinux /k\noptions roothash=00\n"
    path = disks.put_together(
        tmp_path / "disk",
        Part("EFI-A", disks.esp(tmp_path, {"/loader/entries/a.conf": entry})),
        Part(disks.USR_ARM, root),
        Part(disks.ROOT_X86_HASH, disks.hash_device(tmp_path, root)),
        Part(disks.ROOT_X86, root),
        Part(disks.ROOT_X86_SIGNATURE, signature),
        Part(disks.USR_ARM_HASH, disks.hash_device(tmp_path, root)),
    )
    source = opened(path)
    assert source.disk.layout is Layout.DISCOVERABLE
    root_bank, usr_bank = source.disk.banks
    assert (root_bank.scope, root_bank.root, root_bank.hash, root_bank.signature) == ("bank-a", 4, 3, 5)
    assert (usr_bank.scope, usr_bank.root, usr_bank.hash, usr_bank.signature) == ("usr-a", 2, 6, None)
    assert source.judged == "bank-a"
    assert contents(source)["signature-a"] == "verity-signature"
    assert [(e.kind, e.command_line) for e in source.disk.boot_entries] == [(BootKind.LOADER_ENTRY, "roothash=00")]
    source.close()


def test_root_hash_of_a_discoverable_image_names_its_bank_and_verifies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    banks, ukis = [], {}
    for letter in "ab":
        root = disks.erofs(tmp_path, version=letter * 5000)
        tree = disks.hash_device(tmp_path, root)
        digest = (tmp_path / "roothash").read_text()
        halves = (str(UUID(digest[:32])), str(UUID(digest[32:])))
        banks.append((root, tree, halves, digest))
        ukis[f"/EFI/Linux/{letter}.efi"] = disks.uki(f"root=/dev/mapper/root roothash={digest}")
    parts = [Part("EFI-A", disks.esp(tmp_path, ukis))]
    for root, tree, halves, _ in reversed(banks):
        parts += [Part(disks.ROOT_X86, root, guid=halves[0]), Part(disks.ROOT_X86_HASH, tree, guid=halves[1])]
    path = disks.put_together(tmp_path / "disk", *parts)
    source = opened(path)
    found = {entry.path: (entry.bank, entry.root_hash) for entry in source.disk.boot_entries}
    assert found == {
        "/EFI/Linux/a.efi": ("bank-b", banks[0][3]),
        "/EFI/Linux/b.efi": ("bank-a", banks[1][3]),
    }
    source.close()
    assert main(["banks", str(path), "-o", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["root_hash"] for row in rows] == [banks[1][3], banks[0][3]]
    assert {row["integrity"] for row in rows} == {"consistent_unsigned"}


def test_data_disk_of_a_split_plan(tmp_path: Path) -> None:
    source = opened(disks.put_together(tmp_path / "disk", Part("DATA")))
    assert source.disk.layout is Layout.DATA_DISK
    assert (source.judged, source.trees, source.gaps) == ("", (), ())
    source.close()


def test_encrypted_data_is_a_named_gap(tmp_path: Path) -> None:
    with (tmp_path / "luks").open("wb") as file:
        file.truncate(20 << 20)
    (tmp_path / "key").write_bytes(b"secret")
    run("cryptsetup", "luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
        "--label", "DATA", tmp_path / "luks", tmp_path / "key")  # fmt: skip
    path = disks.put_together(
        tmp_path / "disk", Part("ROOT", disks.erofs(tmp_path)), Part("DATA", (tmp_path / "luks").read_bytes())
    )
    source = opened(path)
    data = source.disk.partitions[1]
    uuid = run("cryptsetup", "luksUUID", tmp_path / "luks").strip()
    assert (data.content, data.label, data.uuid) == (Content.LUKS2, "DATA", uuid)
    assert [(gap.scope, "encrypted" in gap.reason) for gap in source.gaps] == [("data", True)]
    source.close()


@pytest.mark.parametrize(
    ("name", "content"), [("xfs-v5", "xfs"), ("luks1", "luks1"), ("swap1", "swap"), ("btrfs", "foreign")]
)
def test_volumes_that_are_not_read_are_named(name: str, content: str, tmp_path: Path) -> None:
    volume = lzma.decompress(shared_data("fs", "util-linux", f"{name}.img.xz").read_bytes())
    source = opened(disks.put_together(tmp_path / "disk", Part("DATA", volume)))
    assert contents(source) == {"data": content}
    source.close()


def test_dos_table(tmp_path: Path) -> None:
    root = disks.erofs(tmp_path)
    path = tmp_path / "disk"
    path.write_bytes(bytes(1 << 20) + root.ljust(2 << 20, b"\0"))
    needs_tools("sfdisk")
    command = [find_tool("sfdisk") or "", "-q", path]
    subprocess.run(command, input=b"label: dos\nstart=2048, type=83\n", check=True, capture_output=True)
    with path.open("r+b") as file:
        file.seek(1 << 20)
        file.write(root)
    source = opened(path)
    assert (source.disk.table.kind, source.disk.layout) == (TableKind.MBR, Layout.OTHER)
    assert source.judged == "partition-1"
    source.close()


# single artifacts, always under misleading names


@pytest.mark.parametrize("scope", ["bank-a", "boot-a", "efi-a"])
def test_single_artifact_is_told_by_its_content(scope: str, small_erofs_image: Built, tmp_path: Path) -> None:
    whole = opened(small_erofs_image.path)
    partition = next(p for p in whole.disk.partitions if p.scope == scope)
    data = bytes(whole.reader.read(partition.start, partition.length))
    whole.close()
    (tmp_path / "raw").write_bytes(data)
    run("lz4", "-q", tmp_path / "raw", tmp_path / "x-root.ext4.lz4")
    source = opened(tmp_path / "x-root.ext4.lz4")
    assert source.disk.layout is Layout.BARE_FILE_SYSTEM
    assert source.judged == {"bank-a": "root", "boot-a": "boot", "efi-a": "efi"}[scope]
    assert [p.number for p in source.disk.partitions] == [0]
    assert len(source.disk.boot_entries) == (1 if scope == "boot-a" else 0)
    source.close()


def test_bare_hash_device_and_bare_uki(tmp_path: Path) -> None:
    (tmp_path / "hash").write_bytes(disks.hash_device(tmp_path, bytes(1 << 20)))
    source = opened(tmp_path / "hash")
    assert (source.disk.layout, source.disk.partitions[0].scope) == (Layout.BARE_HASH_DEVICE, "hash")
    assert source.disk.partitions[0].uuid
    source.close()
    (tmp_path / "uki").write_bytes(disks.uki("quiet splash"))
    source = opened(tmp_path / "uki")
    assert source.disk.layout is Layout.BARE_UKI
    assert [entry.command_line for entry in source.disk.boot_entries] == ["quiet splash"]
    source.close()


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (bytes(9999), "only zeros"),
        (b"text\n" * 999, "no partition table"),
        (b"\x7fELF" * 9, "holds"),
    ],
)
def test_what_is_no_image_is_refused(data: bytes, word: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(UnsupportedError, match=word):
        opened(tmp_path / "x")


def test_program_without_a_kernel_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(disks.pe_file({".text": b"x"}))
    with pytest.raises(UnsupportedError, match="without a kernel"):
        opened(tmp_path / "x")


# which bank boots next


@pytest.mark.parametrize(
    ("bits_a", "bits_b", "expected"),
    [
        ((48, 56), (), "a"),
        ((), (48, 56), "b"),
        ((48, 56), (48, 56), "a"),
        ((48, 56), (49, 56), "b"),
        ((48, 56), (49, 52), "b"),
        ((48, 56), (49,), "a"),
        ((48,), (), None),
        ((52,), (), None),
        ((56,), (), "a"),
        ((), (), None),
    ],
    ids=str,
)
def test_bank_that_boots_next_is_the_one_that_the_updater_would_say(
    bits_a: tuple[int, ...], bits_b: tuple[int, ...], expected: str | None, tmp_path: Path
) -> None:
    root = disks.erofs(tmp_path)
    path = disks.put_together(
        tmp_path / "disk",
        Part("BOOT", b"x", attributes=bits_a), Part("ROOT", root), Part("HASH"),
        Part("BOOT", b"x", attributes=bits_b), Part("ROOT", root), Part("HASH"),
    )  # fmt: skip
    source = opened(path)
    assert [bank.name for bank in source.disk.banks if bank.boots_next] == ([expected] if expected else [])
    assert source.judged == f"bank-{expected or 'a'}"
    said = [problem.what for problem in source.disk.problems]
    assert any("no bank will boot" in what for what in said) == (expected is None)
    source.close()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("gptprio-both-zero", None), ("gptprio-A2-B1", "a"), ("gptprio-B-trial", "b"), ("healthy", "a")],
)
def test_priority_vectors(name: str, expected: str | None, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(lzma.decompress(shared_data("fs", "gpt", "matrix", f"{name}.img.xz").read_bytes()))
    source = opened(path)
    assert [bank.name for bank in source.disk.banks if bank.boots_next] == ([expected] if expected else [])
    source.close()


def test_boot_partition_is_never_taken_for_the_root(tmp_path: Path) -> None:
    path = disks.put_together(tmp_path / "disk", Part("EFI-A", disks.esp(tmp_path, {"/x": b""})), Part(disks.LINUX))
    source = opened(path)
    assert source.judged != "partition-2"
    assert (source.judged, [tree.scope for tree in source.trees]) == ("", ["efi-a"])
    source.close()


def test_names_of_partitions_decide_nothing(tmp_path: Path) -> None:
    root = disks.erofs(tmp_path)
    path = disks.put_together(
        tmp_path / "disk",
        Part("ROOT", root, "BOTTLEROCKET-ROOT-B"),
        Part("ROOT", b"", "BOTTLEROCKET-ROOT-A"),
        Part(disks.LINUX, root, "BOTTLEROCKET-ROOT-A"),
    )
    source = opened(path)
    assert [p.scope for p in source.disk.partitions] == ["bank-a", "bank-b", "partition-3"]
    source.close()


# damage


def test_damaged_partition_is_a_gap_and_the_rest_is_read(small_erofs_image: Built, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    run("cp", "--sparse=always", small_erofs_image.path, path)
    source = opened(path)
    boot = next(p for p in source.disk.partitions if p.scope == "boot-a")
    source.close()
    with path.open("r+b") as file:
        file.seek(boot.start + 1024 + 40)  # inodes per group
        file.write(b"\xff\xff\xff\xff")
    source = opened(path)
    assert contents(source)["boot-a"] == "unread"
    assert [gap.scope for gap in source.gaps] == ["boot-a"]
    assert source.judged == "bank-a"
    assert source.disk.boot_entries == ()
    source.close()


def test_image_cut_in_the_middle_keeps_what_is_there(small_erofs_image: Built, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    run("cp", "--sparse=always", small_erofs_image.path, path)
    os.truncate(path, path.stat().st_size * 2 // 3)
    source = opened(path)
    assert contents(source)["bank-a"] == "erofs"
    assert contents(source)["private"] == "unread"
    assert any("beyond the disk" in gap.reason for gap in source.gaps)
    assert any("backup GPT header is missing" in problem.what for problem in source.disk.problems)
    source.close()


def test_partitions_that_all_are_the_same_are_looked_at_only_so_often(tmp_path: Path) -> None:
    path = disks.put_together(tmp_path / "disk", Part("ROOT", disks.erofs(tmp_path)))
    data = bytearray(path.read_bytes())
    for table in (1024, len(data) - 33 * 512):
        entry = data[table : table + 128]
        struct.pack_into("<QQ", entry, 32, 2048, len(data) // 512 - 34)  # nearly the whole disk, a hundred times
        data[table : table + 100 * 128] = entry * 100
    path.write_bytes(seal_gpt(bytes(data)))
    source = opened(path)
    assert len(source.disk.partitions) == 100
    assert 1 <= len(source.trees) <= 8
    assert sum("cover the disk over 4 times" in gap.reason for gap in source.gaps) >= 90
    assert any("overlap" in problem.what for problem in source.disk.problems)
    source.close()


def test_primary_table_overwritten_is_read_from_the_backup(small_erofs_image: Built, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    run("cp", "--sparse=always", small_erofs_image.path, path)
    with path.open("r+b") as file:
        file.write(os.urandom(17408))
    source = opened(path)
    assert source.disk.table.used_backup
    assert source.judged == "bank-a"
    source.close()


@pytest.mark.parametrize("command_line", ['x "dm-mod.create=' + "y" * 9000, "\x1b[31m\u202e", "\0\0"])
def test_hostile_command_lines_are_kept_as_text(command_line: str, tmp_path: Path) -> None:
    (tmp_path / "uki").write_bytes(disks.uki(command_line))
    source = opened(tmp_path / "uki")
    assert source.disk.boot_entries[0].command_line == command_line.split("\0")[0]
    source.close()


def test_damaged_disks_give_our_errors_only(tmp_path: Path) -> None:
    root = disks.erofs(tmp_path)
    path = disks.put_together(
        tmp_path / "disk",
        Part("EFI-A", disks.esp(tmp_path, {"/EFI/BOOT/BOOTX64.EFI": disks.uki()})),
        Part("ROOT", root),
        Part("HASH", disks.hash_device(tmp_path, root)),
    )
    whole = path.read_bytes()
    rng = random.Random(5)
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 12)):
            at = rng.choice((0, 1 << 20, 5 << 20, 6 << 20)) + rng.randrange(20000)
            data[at % len(data)] = rng.choice((0, 0xFF, rng.randrange(256)))
        path.write_bytes(data)
        try:
            opened(path).close()
        except RocketauditError:
            continue


def test_opening_works_without_root_and_without_capabilities(small_erofs_image: Built, tmp_path: Path) -> None:
    run("lz4", "-q", small_erofs_image.path, tmp_path / "packed")
    (tmp_path / "packed").chmod(0o644)
    for path in (small_erofs_image.path, tmp_path / "packed"):
        source = opened(path)
        expected = f"bank-a {len(small_erofs_image.manifest)}"
        assert _looked_at(source) == expected
        source.close()
        with path.open("rb") as file:  # the folders above may be closed to others
            assert _as_nobody(Path(f"/proc/self/fd/{file.fileno()}")) == expected


def _looked_at(source: ImageSource) -> str:
    root = next(tree for tree in source.trees if tree.scope == source.judged)
    return f"{source.judged} {sum(1 for _ in root.walk(source.budget))}"


def _as_nobody(path: Path) -> str:
    """What a process sees that has given up root, its groups and every capability."""
    inlet, outlet = os.pipe()
    child = os.fork()
    if child == 0:
        said = "failed"
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            status = Path("/proc/self/status").read_text()
            assert "CapEff:\t0000000000000000" in status
            said = _looked_at(opened(path))
        except BaseException as error:  # noqa: BLE001 - a forked child must never return
            said = repr(error)
        finally:
            os.write(outlet, said.encode()[:4000])
            os._exit(0)
    os.close(outlet)
    with os.fdopen(inlet) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_table_that_is_announced_but_broken_is_a_format_error(tmp_path: Path) -> None:
    path = disks.put_together(tmp_path / "disk", Part("ROOT", disks.erofs(tmp_path)))
    data = bytearray(path.read_bytes())
    data[528] ^= 1
    data[-512 + 16] ^= 1
    path.write_bytes(data)
    with pytest.raises(FormatError, match="no usable GPT"):
        opened(path)
