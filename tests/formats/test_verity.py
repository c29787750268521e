"""Our verdict on every vector equals what veritysetup printed when the vectors were made."""

from __future__ import annotations

import contextlib
import functools
import json
import lzma
import re
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError, TruncatedError, UnsupportedError
from rocketaudit.formats.verity import (
    ALGORITHMS,
    SUPERBLOCK_SIZE,
    compare_superblock,
    layout_of,
    new_hash,
    parse_superblock,
)
from rocketaudit.formats.verity_judge import TreeCheckBuilder, check_one_block, find_slack
from rocketaudit.formats.verity_tree import check_range
from rocketaudit.model.reader import BytesReader
from rocketaudit.model.verity import TreeVerdict, VerityParameters
from tests.support import shared_data


@functools.cache
def cases():
    folder = shared_data("verity", "matrix")
    return {case["name"]: case for case in json.loads((folder / "index.json").read_text())}


@functools.cache
def image(name, file):
    return lzma.decompress((shared_data("verity", "matrix", name) / f"{file}.xz").read_bytes())


def check(parameters, data, hashes, step=1):
    """What a whole check says, done in ranges of `step` hash blocks, the last range first."""
    layout = layout_of(parameters)
    data_reader, hash_reader = BytesReader(memoryview(data)), BytesReader(hashes)
    layout.check_sizes(data_reader.size, hash_reader.size)
    if not layout.levels:
        return check_one_block(data_reader, layout)
    builder = TreeCheckBuilder(layout, hash_reader)
    total = layout.levels[0].blocks
    for first in reversed(range(0, total, step)):
        builder.add(check_range(data_reader, hash_reader, layout, first, min(first + step, total)))
    return builder.finish()


def parameters_of(case, root_hash, hashes, data_size):
    if case["superblock"]:
        header = parse_superblock(hashes[case["hash_offset"] : case["hash_offset"] + SUPERBLOCK_SIZE])
        return header.parameters(root_hash, hash_offset=case["hash_offset"], data_size=data_size)
    return VerityParameters(
        case["hash_type"],
        case["hash_algorithm"],
        case["data_block_size"],
        case["hash_block_size"],
        case["data_blocks"],
        case["salt"],
        root_hash,
        case["hash_offset"] // case["hash_block_size"],
    )


def patched(case, variant):
    data = bytearray(image(case["name"], "data.img"))
    hashes = data if case["same_device"] else bytearray(image(case["name"], "hash.img"))
    for patch in variant["patch"]:
        target = data if patch["file"] == "data.img" else hashes
        raw = bytes.fromhex(patch["hex"])
        target[patch["offset"] : patch["offset"] + len(raw)] = raw
    return data, hashes


def names_with_images():
    try:
        return sorted(name for name, case in cases().items() if "error" not in case)
    except pytest.skip.Exception:
        return []


@pytest.mark.parametrize("name", names_with_images() or ["no vectors"])
def test_sound_trees_verify_and_every_corruption_is_found_where_veritysetup_finds_it(name):
    case = cases()[name]
    data, hashes = patched(case, {"patch": []})
    found = check(parameters_of(case, case["root_hash"], hashes, len(data)), data, hashes, step=2)
    assert found.verdict is TreeVerdict.VERIFIED
    assert found.recomputed_root_hash == case["root_hash"]
    assert (found.bad_blocks, found.first_bad_position, found.refused) == ((), None, ())
    for variant in case["corrupt"]:
        check_variant(case, variant)


def check_variant(case, variant):
    data, hashes = patched(case, variant)
    expected_code = variant["veritysetup_verify_rc"]
    try:
        found = check(parameters_of(case, variant["root_hash"], hashes, len(data)), data, hashes)
    except FormatError:
        assert expected_code == 1, variant["id"]
        return
    assert (found.verdict is TreeVerdict.VERIFIED) == (expected_code == 0), variant["id"]
    printed = re.search(r"position (\d+)", " ".join(variant["veritysetup_output"]))
    assert found.first_bad_position == (None if printed is None else int(printed[1])), variant["id"]
    if "bad_hash_blocks" in variant:
        bad = sorted([int(b.level[5:]), b.block] for b in found.bad_blocks if b.level.startswith("hash-"))
        assert bad == sorted(variant["bad_hash_blocks"]), variant["id"]
        assert [[r.first, r.last] for r in found.refused] == variant["eio_block_ranges"], variant["id"]
        assert found.refused_total == variant["eio_blocks_count"], variant["id"]
        assert found.bad_blocks_total == len(found.bad_blocks)


def test_the_vectors_hold_at_least_a_hundred_corruptions():
    assert sum(len(case.get("corrupt", ())) for case in cases().values()) >= 100


PATTERNS = {
    "zero": lambda size, block: bytes(size),
    "byte01": lambda size, block: b"\x01" * size,
    "byteff": lambda size, block: b"\xff" * size,
    "block_i_filled_with_i": lambda size, block: b"".join(
        bytes([number & 255]) * block for number in range(size // block)
    ),
    "byte_i_is_i_mod_256": lambda size, block: bytes(range(256)) * (size // 256),
}


def build_tree(parameters, data):
    """A hash device for `data`, level by level, without any of our code for levels."""

    def digest(block):
        hasher = new_hash(parameters.algorithm)
        salt = bytes.fromhex(parameters.salt)
        for part in (salt, block) if parameters.hash_type else (block, salt):
            hasher.update(part)
        return hasher.digest()

    size, below, levels = parameters.data_block_size, data, []
    width = len(digest(b""))
    slot = 1 << (width - 1).bit_length()
    while len(below) > size or not levels:
        digests = [digest(below[place : place + size]) for place in range(0, len(below), size)]
        if len(digests) == 1 and not levels:
            return digests[0], b""
        per_block = parameters.hash_block_size // slot
        slots = [one.ljust(slot if parameters.hash_type else width, b"\0") for one in digests]
        below = b"".join(
            b"".join(slots[place : place + per_block]).ljust(parameters.hash_block_size, b"\0")
            for place in range(0, len(slots), per_block)
        )
        size = parameters.hash_block_size
        levels.insert(0, below)
    return digest(below), b"".join(levels)


def test_root_hashes_that_others_published_follow_from_their_data():
    published = json.loads(shared_data("verity", "published", "published_root_hashes.json").read_text())
    checked = 0
    for vector in published:
        if vector["data_bytes"] > 20 << 20:
            continue
        block = vector["block_size"]
        if vector["data"].startswith("file:"):
            data = shared_data("verity", "published", vector["data"][5:]).read_bytes()[: vector["data_bytes"]]
        else:
            data = PATTERNS[vector["data"]](vector["data_bytes"], block)
        parameters = VerityParameters(
            vector["hash_type"],
            vector["hash_algorithm"],
            block,
            block,
            len(data) // block,
            vector["salt"],
            vector["veritysetup_root"],
            0,
        )
        root, tree = build_tree(parameters, data)
        found = check(parameters, data, tree, step=64)
        assert found.verdict is TreeVerdict.VERIFIED, vector
        assert root.hex() == vector["veritysetup_root"]
        checked += 1
    assert checked >= 15


def sample(blocks=300, **changes):
    data = bytes(range(256)) * 2 * blocks
    given_parameters = {
        "hash_type": 1,
        "algorithm": "sha256",
        "data_block_size": 512,
        "hash_block_size": 512,
        "data_blocks": blocks,
        "salt": "0a0b",
        "root_hash": "00" * 32,
        "hash_start_block": 0,
    }
    given_parameters.update(changes)
    draft = VerityParameters(**given_parameters)
    root, tree = build_tree(draft, data)
    return VerityParameters(**{**given_parameters, "root_hash": root.hex()}), data, tree


def test_a_corrupt_hash_block_that_the_data_rebuilds_accuses_no_data():
    parameters, data, tree = sample()
    layout = layout_of(parameters)
    damaged = bytearray(tree)
    for byte in range(8):
        damaged[layout.offset_of(0, 3) + byte * 32] ^= 1
    found = check(parameters, data, damaged)
    assert [(block.level, block.block) for block in found.bad_blocks] == [("hash-0", 3)]
    assert found.recomputed_root_hash == parameters.root_hash
    assert (found.bad_blocks[0].first_data_block, found.bad_blocks[0].data_blocks) == (48, 16)
    assert found.refused_total == 16
    assert found.verdict is TreeVerdict.CORRUPT


def test_data_and_its_digest_changed_together_are_both_named():
    parameters, data, tree = sample()
    layout = layout_of(parameters)
    changed = bytearray(data)
    changed[50 * 512] ^= 1
    changed[51 * 512] ^= 1
    forged_root, forged = build_tree(parameters, bytes(changed))
    damaged = bytearray(tree)
    place = layout.offset_of(0, 3) + 2 * 32  # block 50 is the third of hash block 3; 51 keeps its old digest
    damaged[place : place + 32] = forged[place : place + 32]
    found = check(parameters, changed, damaged)
    assert [(block.level, block.block) for block in found.bad_blocks] == [("hash-0", 3), ("data", 51)]
    assert "not authentic" in found.bad_blocks[1].why
    assert found.recomputed_root_hash == forged_root.hex()


def test_a_tree_that_fits_forged_data_fails_at_the_root():
    parameters, data, _ = sample()
    forged_data = b"\xff" * len(data)
    forged_root, forged_tree = build_tree(parameters, forged_data)
    found = check(parameters, forged_data, forged_tree)
    top = len(layout_of(parameters).levels) - 1
    assert [(block.level, block.observed) for block in found.bad_blocks] == [(f"hash-{top}", forged_root.hex())]
    assert found.first_bad_position is None
    assert found.refused_total == parameters.data_blocks


def test_bytes_between_digests_are_corruption_even_when_the_tree_above_agrees():
    parameters, data, tree = sample(blocks=20, algorithm="sha1", root_hash="00" * 20)
    layout = layout_of(parameters)
    damaged = bytearray(tree)
    damaged[layout.offset_of(0, 0) + 25] = 7
    top = b"".join(
        layout_digest(parameters, damaged[layout.offset_of(0, block) :][:512]).ljust(32, b"\0")
        for block in range(layout.levels[0].blocks)
    ).ljust(512, b"\0")
    damaged[:512] = top
    forged = VerityParameters(**{**fields_of(parameters), "root_hash": layout_digest(parameters, top).hex()})
    found = check(forged, data, damaged)
    assert found.verdict is TreeVerdict.CORRUPT
    assert [(block.level, block.block, block.why) for block in found.bad_blocks] == [
        ("hash-0", 0, "bytes that should be zero are not")
    ]
    assert found.first_bad_position == layout.offset_of(0, 0) + 20


def layout_digest(parameters, block):
    hasher = new_hash(parameters.algorithm)
    hasher.update(bytes.fromhex(parameters.salt))
    hasher.update(bytes(block))
    return hasher.digest()


def fields_of(parameters):
    return {name: getattr(parameters, name) for name in type(parameters).__slots__}


def test_data_under_the_digest_of_zeros_is_named_as_hidden():
    blocks = 40
    parameters, data, tree = sample(blocks=blocks)
    zeroed = bytearray(data)
    zeroed[7 * 512 : 8 * 512] = bytes(512)
    root, tree = build_tree(parameters, bytes(zeroed))
    honest = {**fields_of(parameters), "root_hash": root.hex()}
    found = check(VerityParameters(**{**honest, "options": ("ignore_zero_blocks",)}), data, tree)
    assert (found.hidden, found.hidden_total) == ((7,), 1)
    assert found.verdict is TreeVerdict.CORRUPT
    assert found.refused == ()  # the kernel gives out zeros there
    assert check(VerityParameters(**honest), data, tree).refused_total == 1


def test_lists_are_bounded_and_totals_are_not():
    parameters, data, tree = sample(blocks=5000)
    layout = layout_of(parameters)
    builder = TreeCheckBuilder(layout, BytesReader(tree), limit=10)
    wrong = BytesReader(b"\xff" * len(data))
    for first in range(layout.levels[0].blocks):
        builder.add(check_range(wrong, BytesReader(tree), layout, first, first + 1, 10))
    found = builder.finish()
    assert [block.block for block in found.bad_blocks] == list(range(10))
    assert found.bad_blocks_total == found.refused_total == 5000
    assert found.first_bad_position == 0


@pytest.mark.parametrize("is_reversed", [False, True])
def test_many_bad_blocks_list_the_first_ones_whatever_order_they_come_in(is_reversed):
    parameters, data, tree = sample(blocks=20_000)
    layout = layout_of(parameters)
    builder = TreeCheckBuilder(layout, BytesReader(tree), limit=5)
    wrong = BytesReader(b"\xff" * len(data))
    starts = range(0, layout.levels[0].blocks, 10)
    for first in reversed(starts) if is_reversed else starts:
        builder.add(check_range(wrong, BytesReader(tree), layout, first, min(first + 10, layout.levels[0].blocks), 5))
    found = builder.finish()
    assert [block.block for block in found.bad_blocks] == list(range(5))
    assert found.bad_blocks_total == 20_000


def test_a_range_that_could_not_be_read_is_never_verified():
    parameters, data, tree = sample()
    layout = layout_of(parameters)
    builder = TreeCheckBuilder(layout, BytesReader(tree))
    for first in range(layout.levels[0].blocks):
        if first == 4:
            builder.add_unread(4, 5, "Input/output error")
        else:
            builder.add(check_range(BytesReader(data), BytesReader(tree), layout, first, first + 1))
    found = builder.finish()
    assert found.verdict is TreeVerdict.UNREAD
    assert [(one.first, one.last, one.reason) for one in found.unread] == [(64, 79, "Input/output error")]
    assert found.recomputed_root_hash is None
    assert found.bad_blocks == ()


def test_a_forgotten_range_is_a_defect_and_not_a_pass():
    parameters, data, tree = sample()
    builder = TreeCheckBuilder(layout_of(parameters), BytesReader(tree))
    builder.add(check_range(BytesReader(data), BytesReader(tree), builder.layout, 0, 3))
    with pytest.raises(ValueError, match="not every range"):
        builder.finish()


@pytest.mark.parametrize("exponent", range(49))
def test_huge_trees_have_a_layout_without_memory(exponent):
    parameters = VerityParameters(1, "sha256", 512, 4096, 1 << exponent, "", "00" * 32, 1)
    layout = layout_of(parameters)
    assert sum(level.blocks for level in layout.levels) <= (1 << exponent)
    if exponent:
        with pytest.raises(TruncatedError):
            layout.check_sizes(0, 1 << 62)


def test_sizes_beyond_a_device_are_refused():
    with pytest.raises(FormatError, match="beyond"):
        layout_of(VerityParameters(1, "sha256", 65536, 4096, 1 << 48, "", "00" * 32, 1))


@pytest.mark.parametrize(
    "changes",
    [
        {"hash_type": 2},
        {"algorithm": "whirlpool"},
        {"data_block_size": 0},
        {"data_block_size": 4095},
        {"hash_block_size": 131072},
        {"data_blocks": 0},
        {"data_blocks": -1},
        {"salt": "zz"},
        {"salt": "00" * 257},
        {"root_hash": "00" * 31},
        {"root_hash": "0 0" * 16},
        {"root_hash": ""},
        {"hash_start_block": -1},
    ],
)
def test_parameters_that_cannot_be_are_refused(changes):
    parameters, _, _ = sample(blocks=3)
    with pytest.raises(FormatError):
        layout_of(VerityParameters(**{**fields_of(parameters), **changes}))


def test_every_algorithm_has_the_digest_size_of_its_name():
    for name in ALGORITHMS:
        try:
            size = new_hash(name).digest_size
        except UnsupportedError:
            continue
        named = {"md5": 128, "sha1": 160, "sha-1": 160, "sm3": 256, "rmd160": 160, "md5-sha1": 288}
        bits = named.get(name) or int(re.split(r"-|a", name)[-1][-3:])
        assert size * 8 == bits


def test_the_superblock_is_compared_with_the_trusted_text_field_by_field():
    case = cases()["a-bottlerocket-130"]
    header = parse_superblock(image(case["name"], "hash.img")[:512])
    parameters = header.parameters(case["root_hash"])
    assert compare_superblock(header, parameters) == ()
    other = VerityParameters(**{**fields_of(parameters), "salt": "ff", "data_blocks": 131})
    assert [(block.why, block.offset) for block in compare_superblock(header, other, 4096)] == [
        ("data blocks differs", 4168),
        ("salt differs", 4184),
    ]


@given(st.binary(max_size=600))
@settings(max_examples=200)
def test_any_bytes_are_a_superblock_or_a_format_error(raw):
    with contextlib.suppress(FormatError):
        parse_superblock(raw)


@given(st.data())
@settings(max_examples=200)
def test_a_damaged_superblock_parses_or_is_refused(draw):
    raw = bytearray(
        struct.pack("<8sII16s32sIIQH6x256s168x", b"verity\0\0", 1, 1, bytes(16), b"sha256", 4096, 4096, 9, 4, b"salt")
    )
    for _ in range(draw.draw(st.integers(1, 4))):
        raw[draw.draw(st.integers(0, 511))] = draw.draw(st.integers(0, 255))
    try:
        header = parse_superblock(raw)
        layout_of(header.parameters("00" * new_hash(header.algorithm).digest_size))
    except FormatError:
        pass


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_any_change_anywhere_is_corruption_and_the_root_follows_from_the_data(draw):
    """Against a tree built level by level by the test: nothing changed is verified, and only that."""
    algorithm, width = draw.draw(st.sampled_from([("sha256", 64), ("sha1", 40), ("sha512", 128), ("blake2s-256", 64)]))
    parameters, data, tree = sample(
        blocks=draw.draw(st.integers(2, 70)),
        hash_type=draw.draw(st.sampled_from([0, 1])),
        algorithm=algorithm,
        salt=draw.draw(st.binary(max_size=40)).hex(),
        root_hash="00" * (width // 2),
    )
    if draw.draw(st.booleans()):
        data = bytearray(data)
        start = draw.draw(st.integers(0, parameters.data_blocks - 1)) * 512
        data[start : start + 512] = bytes(512)
        root, tree = build_tree(parameters, bytes(data))
        parameters = VerityParameters(**{**fields_of(parameters), "root_hash": root.hex()})
    changed_data, changed_tree = bytearray(data), bytearray(tree)
    for _ in range(draw.draw(st.integers(0, 3))):
        target = draw.draw(st.sampled_from([changed_data, changed_tree]))
        target[draw.draw(st.integers(0, len(target) - 1))] ^= draw.draw(st.integers(1, 255))
    found = check(parameters, changed_data, changed_tree, step=draw.draw(st.integers(1, 5)))
    is_same = (bytes(changed_data), bytes(changed_tree)) == (bytes(data), bytes(tree))
    assert (found.verdict is TreeVerdict.VERIFIED) == is_same
    assert found.recomputed_root_hash == build_tree(parameters, bytes(changed_data))[0].hex()
    assert found.bad_blocks_total == len(found.bad_blocks)
    assert (found.first_bad_position is None) == is_same


def test_slack_is_found_where_it_lies():
    data = bytearray(3 << 20)
    assert find_slack(BytesReader(data), 100, len(data), "tail") is None
    data[5] = data[1 << 20] = data[(2 << 20) + 7] = 9
    slack = find_slack(BytesReader(data), 100, len(data), "tail")
    assert (slack.first, slack.last, slack.count) == (1 << 20, (2 << 20) + 7, 2)
