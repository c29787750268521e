"""Keeps what signatures cover, so that evidence can be judged by keys that come later."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from rocketaudit.errors import EntryNotFoundError, FormatError, SourceError
from rocketaudit.evidence.collector import Collector, Seen
from rocketaudit.model.evidence import Gap, SignedBlob, Wants
from rocketaudit.model.fact import Plane
from rocketaudit.model.filesystem import BadNode, FileSystem, FileType, Node
from rocketaudit.model.records import dataclass
from rocketaudit.source.boot_files import GRUB_PLACES
from rocketaudit.source.protocol import Source
from rocketaudit.source.tree import Tree

MAX_TEXT = 1 << 20
MAX_PROGRAM = 512 << 20
SIGNED_IMAGE = "signed-image"
_PROGRAM_FOLDERS = ("/EFI/BOOT", "/EFI/Linux", "/EFI/systemd", "/efi/boot")
_KERNELS = ("/vmlinuz", "/boot/vmlinuz")


@dataclass(frozen=True, slots=True)
class _FileReader:
    """A file inside a tree, by offset."""

    fs: FileSystem
    node: Node

    @property
    def size(self) -> int:
        return self.node.size

    def read(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0 or offset + length > self.node.size:
            raise FormatError(f"{length} bytes wanted of {self.node.size}", offset=offset)
        return self.fs.read(self.node, offset, length)


def _collect(source: Source, wants: Wants) -> Iterator[Seen]:
    if not wants.signatures:
        return
    for tree in source.trees:
        if tree.scope.startswith("boot") or tree.fs.kind == "fat" or len(source.trees) == 1:
            yield from _texts(tree)
            yield from _programs(tree)


def _texts(tree: Tree) -> Iterator[Seen]:
    for path in GRUB_PLACES:
        for name in (path, f"{path}.sig"):
            try:
                data = tree.read(name, MAX_TEXT)
            except EntryNotFoundError:
                continue
            except (FormatError, SourceError) as error:
                yield Gap(tree.scope, name, str(error))
                continue
            yield SignedBlob(name, base64.b64encode(data).decode(), tree.locate(name), tree.scope)


def _programs(tree: Tree) -> Iterator[Seen]:
    from rocketaudit.formats.signed_image import read_signed_image, signed_image_to_json

    for path, node in _candidates(tree):
        try:
            if node.size > MAX_PROGRAM:
                raise FormatError(f"an EFI program of {node.size} bytes, at most {MAX_PROGRAM} are read")
            image = read_signed_image(_FileReader(tree.fs, node), path)
        except FormatError as error:
            yield Gap(tree.scope, path, f"EFI program: {error}")
            continue
        data = base64.b64encode(signed_image_to_json(image)).decode()
        yield SignedBlob(f"{SIGNED_IMAGE}:{path}", data, tree.locate(path), tree.scope)


def _candidates(tree: Tree) -> Iterator[tuple[str, Node]]:
    """Every EFI program of the usual folders, and the kernel."""
    seen: set[int] = set()
    for folder in _PROGRAM_FOLDERS:
        try:
            entries = tree.list(folder)
        except (EntryNotFoundError, FormatError, SourceError):
            continue
        for name, node in entries:
            if isinstance(node, BadNode) or node.type is not FileType.REGULAR or node.number in seen:
                continue
            if name.lower().endswith(".efi"):
                seen.add(node.number)
                yield f"{folder}/{name}", node
    for path in _KERNELS:
        try:
            found, node = tree.lookup(path)
        except (EntryNotFoundError, FormatError, SourceError):
            continue
        if node.type is FileType.REGULAR and _FileReader(tree.fs, node).read(0, min(2, node.size)) == b"MZ":
            yield found, node


STATIC = Collector("signed files", Plane.STATIC, (), _collect)
