"""Kernel images among the targets of `rocketaudit elf`: what they are, and which modules were made for another one."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rocketaudit.errors import FormatError, SourceError
from rocketaudit.formats.elf.kernel_image import read_kernel_image
from rocketaudit.formats.vmlinuz import is_vmlinuz
from rocketaudit.model.binary import Binary, KernelImage
from rocketaudit.model.codec import encode
from rocketaudit.model.evidence import Evidence, Gap
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.records import dataclass
from rocketaudit.source.protocol import Source

MAX_KERNEL = 256 << 20
MAX_NAMED = 3
_NAMES = ("vmlinuz", "bzImage", "Image")


@dataclass(frozen=True, slots=True)
class Kernel:
    """A boot image of the kernel in one of the targets."""

    scope: str
    path: str
    sha256: str
    image: KernelImage


def read_kernel(data: bytes, scope: str, path: str) -> Kernel:
    """FormatError when it is none after all."""
    return Kernel(scope, path, hashlib.sha256(data).hexdigest(), read_kernel_image(data))


def kernels_of(source: Source, evidence: Evidence) -> Iterator[Kernel | Gap]:
    """The files of all trees that are called as kernels are and are kernels, or why one could not be read."""
    trees = {tree.scope: tree for tree in source.trees}
    for record in evidence.files:
        named = posixpath.basename(record.path).startswith(_NAMES)
        if not named or record.type is not FileType.REGULAR or record.content == "elf" or record.scope not in trees:
            continue
        try:
            data = bytes(trees[record.scope].read(record.path, MAX_KERNEL))
            if is_vmlinuz(data[:4096]):
                yield read_kernel(data, record.scope, record.path)
        except (FormatError, SourceError, OSError, ValueError) as error:
            yield Gap(record.scope, record.path, str(error))


def kernel_row(kernel: Kernel) -> dict[str, Any]:
    """The object that stands for a kernel among those of ELF files."""
    image = kernel.image
    signals = [] if image.banner is None else [{"kind": "kernel-banner", "value": image.banner, "offset": None}]
    return {
        "scope": kernel.scope,
        "path": kernel.path,
        "sha256": kernel.sha256,
        "language": "c",
        "contains": ["c"],
        "confidence": "high" if image.banner is not None else "medium",
        "signals": signals,
        "hardening": None,
        "file": None,
        "error": "; ".join(image.problems) or None,
        "kernel": encode(image, full=True),
    }


def kernel_lines(kernel: Kernel) -> Iterator[str]:
    """What a person wants to know of a kernel image."""
    image = kernel.image
    packed = f", {image.compression}" if image.compression is not None else ""
    yield f"{kernel.path}: kernel {image.version or 'of unknown version'}, {image.machine} {image.format}{packed}"
    yield f"  sha256 {kernel.sha256}"
    yield f"  compiler {image.compiler or 'unknown'}"
    options = 0 if image.config is None else sum(line.startswith("CONFIG_") for line in image.config.splitlines())
    yield f"  configuration {f'embedded, {options} options' if options else 'not embedded'}"
    for problem in image.problems:
        yield f"  could not be read: {problem}"


def foreign_modules(binaries: Iterable[Binary], kernels: Sequence[Kernel]) -> Iterator[str]:
    """Modules whose vermagic names another release than every kernel here; nothing when no kernel states one."""
    releases = {kernel.image.version for kernel in kernels if kernel.image.version is not None}
    made_for: dict[str, list[str]] = {}
    for binary in binaries:
        vermagic = binary.module_info.vermagic if binary.module_info is not None else None
        if releases and vermagic is not None and (release := vermagic.split(" ", 1)[0]) not in releases:
            made_for.setdefault(release, []).append(binary.path)
    for release, paths in sorted(made_for.items()):
        more = f" and {len(paths) - MAX_NAMED} more" if len(paths) > MAX_NAMED else ""
        yield f"made for kernel {release}, which is not here: {', '.join(sorted(paths)[:MAX_NAMED])}{more}"
