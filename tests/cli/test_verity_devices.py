"""`rocketaudit verity DATA --hash-device FILE` gives the verdict of `veritysetup verify`, and more."""

from __future__ import annotations

import json
import lzma
import os
import random
import re
import subprocess

import pytest

from rocketaudit.cli.verity import verity
from rocketaudit.errors import FormatError, SourceError, UsageError
from rocketaudit.formats.verity import ALGORITHMS
from tests.support import find_tool, needs_tools, shared_data


def run(capsys, *arguments, **options):
    code = verity(*arguments, output="json", **options)
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Data, hash file and root hash that veritysetup made: 20 MiB, so that two workers share the work."""
    needs_tools("veritysetup")
    folder = tmp_path_factory.mktemp("verity")
    data, hashes = folder / "data", folder / "hash"
    chance = random.Random(1)  # the same bytes every time, so that a flipped one is always another
    data.write_bytes(chance.randbytes(9 << 20) + bytes(9 << 20) + chance.randbytes(2 << 20))
    printed = subprocess.run(
        [find_tool("veritysetup"), "format", data, hashes, "--salt", "ab" * 32],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return data, hashes, re.search(r"Root hash:\s+(\w+)", printed)[1]


def test_sound_devices_are_verified(capsys, made):
    data, hashes, root = made
    code, found = run(capsys, data, hash_device=hashes, root_hash=root)
    assert (code, found["verdict"], found["recomputed_root_hash"]) == (0, "verified", root)
    assert found["bad_blocks"] == [] == found["slack"]
    assert found["zero_blocks"] == 9 << 8


def test_a_flipped_bit_has_the_exit_code_and_position_of_veritysetup(capsys, made, tmp_path):
    data, hashes, root = made
    damaged = tmp_path / "data"
    content = bytearray(data.read_bytes())
    for block in (5000, 777, 3000):
        content[block * 4096 + 9] ^= 1
    damaged.write_bytes(content)
    code, found = run(capsys, damaged, hash_device=hashes, root_hash=root)
    tool = subprocess.run(
        [find_tool("veritysetup"), "verify", damaged, hashes, root], capture_output=True, text=True, check=False
    )
    assert code == 1
    assert f"position {found['first_bad_position']}." in tool.stderr
    assert [(bad["level"], bad["block"]) for bad in found["bad_blocks"]] == [
        ("data", 777),
        ("data", 3000),
        ("data", 5000),
    ]
    assert (found["bad_blocks_total"], found["refused"]) == (3, [[777, 777], [3000, 3000], [5000, 5000]])


@pytest.mark.parametrize("workers", [1, 2])
def test_both_ways_of_reading_find_the_same(capsys, made, tmp_path, workers):
    data, hashes, root = made
    damaged = tmp_path / "hash"
    content = bytearray(hashes.read_bytes())
    content[4096 * 9 + 5] ^= 1
    damaged.write_bytes(content)
    code, found = run(capsys, data, hash_device=damaged, root_hash=root, workers=workers)
    assert code == 1
    assert [(bad["level"], bad["block"]) for bad in found["bad_blocks"]] == [("hash-0", 7)]


def test_a_wrong_root_hash_is_corruption_without_a_position(capsys, made):
    data, hashes, root = made
    code, found = run(capsys, data, hash_device=hashes, root_hash="00" + root[2:])
    assert (code, found["first_bad_position"], found["recomputed_root_hash"]) == (1, None, root)


def test_options_win_over_a_superblock_and_the_contradiction_is_named(capsys, made):
    data, hashes, root = made
    code, found = run(capsys, data, hash_device=hashes, root_hash=root, salt="00")
    assert code == 1
    assert found["bad_blocks"][0]["level"] == "superblock"
    assert found["bad_blocks"][0]["why"] == "salt differs"
    assert len(found["bad_blocks"]) == 1 + 1 + 40 + 1000  # the field, both levels, and the bounded data
    assert found["bad_blocks_total"] >= 1 + 1 + 5120


def test_bytes_after_the_tree_are_shown_and_are_no_corruption(capsys, made, tmp_path):
    data, hashes, root = made
    longer = tmp_path / "hash"
    longer.write_bytes(hashes.read_bytes() + bytes(5000) + b"payload")
    code, found = run(capsys, data, hash_device=longer, root_hash=root)
    assert code == 0
    assert [(slack["what"], slack["count"]) for slack in found["slack"]] == [("hash device after the tree", 7)]


def test_every_vector_has_the_exit_code_of_veritysetup(capsys, tmp_path):
    folder = shared_data("verity", "matrix")
    for case in json.loads((folder / "index.json").read_text()):
        if "error" in case:
            continue
        files = {name: tmp_path / name for name in case["size"]}
        for variant in [{"patch": [], "root_hash": case["root_hash"], "veritysetup_verify_rc": 0}, *case["corrupt"]]:
            for name, path in files.items():
                content = bytearray(lzma.decompress((folder / case["name"] / f"{name}.xz").read_bytes()))
                for patch in variant["patch"]:
                    if patch["file"] == name:
                        raw = bytes.fromhex(patch["hex"])
                        content[patch["offset"] : patch["offset"] + len(raw)] = raw
                path.write_bytes(content)
            options = options_of(case)
            hashes = files["data.img" if case["same_device"] else "hash.img"]
            try:
                code, _ = run(
                    capsys, files["data.img"], hash_device=hashes, root_hash=variant["root_hash"], workers=1, **options
                )
            except (FormatError, UsageError):
                code = 3
            expected = {0: {0}, 1: {1, 3}, 2: {1}}[variant["veritysetup_verify_rc"]]
            assert code in expected, (case["name"], variant.get("id"))


def options_of(case):
    options = {"hash_offset": case["hash_offset"]}
    if not case["superblock"]:
        options.update(
            no_superblock=True,
            salt=case["salt"] or "-",
            hash_format=case["hash_type"],
            data_block_size=case["data_block_size"],
            hash_block_size=case["hash_block_size"],
            data_blocks=case["data_blocks"],
            algorithm=case["hash_algorithm"],
        )
    return options


@pytest.mark.parametrize(
    ("error", "options"),
    [
        (UsageError, {"root_hash": None}),
        (UsageError, {"no_superblock": True, "algorithm": "sha999"}),
        (UsageError, {"root_hash": "zz"}),
        (UsageError, {"no_superblock": True, "root_hash": "00"}),
        (UsageError, {"data_block_size": 1000}),
        (FormatError, {"hash_offset": 512}),
        (FormatError, {"hash_offset": 1 << 40}),
        (FormatError, {"data_blocks": 1 << 40}),
    ],
)
def test_what_cannot_be_checked_is_an_error_and_never_a_verdict(made, error, options):
    data, hashes, root = made
    with pytest.raises(error):
        verity(data, **{"hash_device": hashes, "root_hash": root, **options})


def test_only_files_and_block_devices_are_opened(made, tmp_path):
    _, hashes, root = made
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, tmp_path, tmp_path / "absent", "/dev/zero"):
        with pytest.raises(SourceError):
            verity(path, hash_device=hashes, root_hash=root)


def test_the_console_names_the_blocks(capsys, made, tmp_path):
    data, hashes, root = made
    damaged = tmp_path / "data"
    damaged.write_bytes(bytes([data.read_bytes()[0] ^ 1]) + data.read_bytes()[1:])
    assert verity(damaged, hash_device=hashes, root_hash=root) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("corrupt: 5120 data blocks of 4096 bytes, sha256\n")
    assert "bad data block 0, bytes 0+4096" in printed
    assert "first bad position: byte 0 of the data device" in printed


def test_a_file_that_shrinks_during_the_check_is_unread_and_not_a_crash(made, tmp_path, monkeypatch):
    from rocketaudit.evidence import tree_check
    from rocketaudit.formats.verity import layout_of
    from rocketaudit.model.verity import TreeVerdict
    from rocketaudit.source.span import open_span

    data, hashes, root = made
    shrinking = tmp_path / "data"
    shrinking.write_bytes(data.read_bytes())
    with open_span(str(shrinking)) as data_span, open_span(str(hashes)) as hash_span:
        header = tree_check.read_superblock(hash_span)
        layout = layout_of(header.parameters(root))
        os.truncate(shrinking, 4096 * 1000)
        found = tree_check.check_tree(layout, data_span, hash_span, slack=False)
    assert found.verdict is TreeVerdict.UNREAD
    assert found.unread[0].first == 896  # the hash block that holds the digest of data block 1000


@pytest.fixture
def loop_device(made):
    needs_tools("losetup")
    data, _, _ = made
    made_loop = subprocess.run(
        [find_tool("losetup"), "--find", "--show", "--read-only", data], capture_output=True, text=True, check=False
    )
    if made_loop.returncode:
        pytest.skip(f"no loop device: {made_loop.stderr.strip()}")
    yield made_loop.stdout.strip()
    subprocess.run([find_tool("losetup"), "--detach", made_loop.stdout.strip()], check=True)


def test_a_block_device_has_a_size_and_is_checked(capsys, made, loop_device):
    _, hashes, root = made
    code, found = run(capsys, loop_device, hash_device=hashes, root_hash=root)
    assert (code, found["verdict"]) == (0, "verified")


def test_without_a_hash_device_the_banks_of_an_image_are_checked(capsys, two_bank_image, corrupt_bank_b_image):
    assert verity(two_bank_image.path) == 0
    assert verity(corrupt_bank_b_image.path) == 1
    assert "bank-b" in capsys.readouterr().out


def test_every_algorithm_that_veritysetup_takes_gives_its_root_hash(capsys, tmp_path):
    needs_tools("veritysetup")
    data, hashes = tmp_path / "data", tmp_path / "hash"
    data.write_bytes(random.Random(2).randbytes(16 << 12))
    taken = []
    for name in ALGORITHMS:
        hashes.unlink(missing_ok=True)
        words = [find_tool("veritysetup"), "format", data, hashes, "--hash", name]
        made = subprocess.run(words, capture_output=True, text=True, check=False)
        root = re.search(r"Root hash:\s+(\w+)", made.stdout)
        if root is None:
            continue  # this build of veritysetup lacks it
        taken.append(name)
        assert run(capsys, data, hash_device=hashes, root_hash=root[1])[0] == 0, name
    assert {"sha1", "sha256", "sha512", "sha3-256", "blake2b-512", "blake2s-256", "ripemd160"} <= {*taken}
    subprocess.run([find_tool("veritysetup"), "format", data, hashes, "--hash", "whirlpool"], check=True)
    with pytest.raises(FormatError, match="'whirlpool' is not supported"):
        run(capsys, data, hash_device=hashes, root_hash="00" * 64)


@pytest.mark.parametrize(
    "options",
    [
        {"hash_format": 2},
        {"data_blocks": -1},
        {"salt": "zz"},
        {"salt": "abc"},
        {"salt": "00" * 257},
        {"hash_offset": 7},
        {"algorithm": "whirlpool"},
        {"data_block_size": 1000},
    ],
)
def test_options_that_no_tree_can_have_are_wrong_usage(made, options):
    data, hashes, root = made
    with pytest.raises(UsageError):
        verity(data, hash_device=hashes, root_hash=root, **options)


@pytest.mark.parametrize(
    "options", [{"hash_format": 1}, {"data_blocks": 8}, {"algorithm": "sha256"}, {"hash_offset": 512}]
)
def test_options_of_bare_devices_without_a_hash_device_are_wrong_usage(made, options):
    with pytest.raises(UsageError, match="bare devices"):
        verity(made[0], **options)
