"""Reads the files of a folder of TUF targets: their digests, and what boot, root and verity images hold."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from rocketaudit.analysis.trust.tuf_chain import ObservedFile
from rocketaudit.analysis.trust.tuf_parts import RootImage, SignedPart
from rocketaudit.errors import FormatError, RocketauditError, SourceError, UsageError
from rocketaudit.formats.verity import SUPERBLOCK_SIZE, layout_of, new_hash, parse_superblock
from rocketaudit.formats.verity_tree import Digester
from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import Content
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.progress import NoProgress
from rocketaudit.model.reader import Reader
from rocketaudit.model.verity import VerityParameters
from rocketaudit.source.tree import Tree

MAX_FILES = 256
MAX_BOOT_FILES = 20_000
_GRUB_CFG = "/grub/grub.cfg"
_RELEASES = ("/usr/lib/os-release", "/etc/os-release")
_PIECE = 1 << 20


def read_parts(folder: Path) -> tuple[SignedPart, ...]:
    """Every regular file of the folder; UsageError when it is none, SourceError when a file cannot be read."""
    if not folder.is_dir():
        raise UsageError(f"--tuf-targets {folder} is no folder")
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    if len(paths) > MAX_FILES:
        raise UsageError(f"--tuf-targets {folder} holds more than {MAX_FILES} files")
    parts = [_part(path) for path in paths]
    trees = [path for path, part in zip(paths, parts, strict=True) if part.parameters is not None]
    if len(trees) != 1:  # then nothing says by which tree a root image is to be judged
        return tuple(parts)
    return tuple(_compared(path, part, trees[0]) for path, part in zip(paths, parts, strict=True))


def _part(path: Path) -> SignedPart:
    observed = _observed(path)
    try:
        return _content(path, observed)
    except RocketauditError as error:
        return SignedPart(observed, problem=error.message)


def _observed(path: Path) -> ObservedFile:
    digests = {name: hashlib.new(name) for name in ("sha256", "sha512")}
    length = 0
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                length += len(piece)
                for digest in digests.values():
                    digest.update(piece)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    return ObservedFile(path.name, length, {name: one.hexdigest() for name, one in digests.items()}, path.name)


def _content(path: Path, observed: ObservedFile) -> SignedPart:
    """What a verity image or a boot image holds; nothing of any other file."""
    from rocketaudit.source.image import open_image

    source = open_image(path, budget=Budget(), tmp_dir=None, progress=NoProgress())
    try:
        if not source.disk.container.is_one_file:
            raise FormatError("it only names the files that hold the disk")
        if len(source.disk.partitions) != 1:
            return SignedPart(observed)
        partition = source.disk.partitions[0]
        if partition.content is Content.VERITY_HASH:
            return SignedPart(observed, parameters=root_of(source.partition_reader(partition)))
        if len(source.trees) == 1 and _has(source.trees[0], _GRUB_CFG):
            return SignedPart(observed, files=_files(source.trees[0]))
        is_root = len(source.trees) == 1 and any(_has(source.trees[0], path) for path in _RELEASES)
        return SignedPart(observed, root=RootImage() if is_root else None)
    finally:
        source.close()


def _compared(path: Path, part: SignedPart, tree_path: Path) -> SignedPart:
    """A root image with what its blocks give by the tree of the verity image beside it."""
    if part.root is None:
        return part
    try:
        return replace(part, root=_root_image(path, tree_path))
    except RocketauditError as error:
        return replace(part, problem=error.message)


def _root_image(path: Path, tree_path: Path) -> RootImage:
    """Recompute the tree of the root image, block by block, as that of a bank is."""
    from rocketaudit.evidence.verity import VerityJob
    from rocketaudit.evidence.verity_check import check_ranges, finish_jobs
    from rocketaudit.model.disk import Bank
    from rocketaudit.source.image import open_image

    with (
        closing(open_image(path, budget=Budget(), tmp_dir=None, progress=NoProgress())) as source,
        closing(open_image(tree_path, budget=Budget(), tmp_dir=None, progress=NoProgress())) as trees,
    ):
        hashes = trees.partition_reader(trees.disk.partitions[0])
        job = VerityJob(Bank("", path.name, populated=True), None, None)
        job.data, job.hashes = source.partition_reader(source.disk.partitions[0]), hashes
        job.layout = layout_of(root_of(hashes))
        job.layout.check_sizes(job.data.size, hashes.size)
        checked = check_ranges(source, [job], workers=2, progress=NoProgress())
        (found,) = finish_jobs([job], checked, ())
    if found.check is None:
        raise FormatError(found.unread or "the tree of the root image could not be recomputed")
    return RootImage(found.check)


def root_of(hashes: Reader) -> VerityParameters:
    """The parameters in a verity image with the root hash that its top block gives; FormatError when it has none."""
    superblock = parse_superblock(hashes.read(0, SUPERBLOCK_SIZE))
    size = new_hash(superblock.parameters("").algorithm).digest_size
    layout = layout_of(superblock.parameters("00" * size))
    if not layout.levels:
        raise FormatError("a verity image over one block holds no tree: the root hash cannot come from it alone")
    top = layout.levels[-1]
    if top.blocks != 1:
        raise FormatError(f"the top level of the tree has {top.blocks} blocks, one is expected")
    block = hashes.read(layout.offset_of(len(layout.levels) - 1, 0), layout.parameters.hash_block_size)
    return superblock.parameters(Digester(layout).digest(block).hex())


def _has(tree: Tree, path: str) -> bool:
    try:
        tree.lookup(path)
    except (RocketauditError, OSError):
        return False
    return True


def _files(tree: Tree) -> dict[str, tuple[str, str]]:
    """(type, digest of the content or target of the link) of every entry, as evidence has them."""
    from rocketaudit.evidence.reading import read_file
    from rocketaudit.evidence.walking import walk_tree
    from rocketaudit.model.evidence import Wants

    walked = walk_tree(tree, Budget())
    if not walked.complete or walked.gaps or len(walked.records) > MAX_BOOT_FILES:
        raise FormatError("parts of the boot image could not be read")
    found: dict[str, tuple[str, str]] = {}
    for record, node in zip(walked.records, walked.nodes, strict=True):
        text = record.target or ""
        if record.type is FileType.REGULAR:
            read = read_file(tree.fs, node, tree.scope, record.path, Wants(binaries=False))
            if read.sha256 is None:
                raise FormatError(f"{record.path} of the boot image could not be read: {read.unread}")
            text = read.sha256
        found[record.path] = (record.type.value, text)
    return found
