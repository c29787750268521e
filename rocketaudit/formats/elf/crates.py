"""Crates inside a Rust file: what cargo-auditable wrote down, else what panic locations give away.

`.dep-v0` is zlib-compressed JSON (cargo-auditable's format); it is shared by all programs of a workspace, so it may
claim more than one of them holds. Panic locations name `crate-1.2.3/src/file.rs`; they are certain but incomplete
(measured: no false pair, about a third of the crates).
"""

from __future__ import annotations

import json
import re
import zlib

from rocketaudit.errors import FormatError
from rocketaudit.formats.elf.haystack import Ranges
from rocketaudit.formats.elf.header import ElfFile
from rocketaudit.model.binary import Confidence, Crate

MAX_COMPRESSED = 4 << 20
MAX_JSON = 8 << 20
MAX_CRATES = 20_000
MAX_PATHS = 300_000

_PATH_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+./@-"
_NAME_VERSION = re.compile(rb"([A-Za-z0-9_][A-Za-z0-9_-]*?)-(\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?)")
_TOOLCHAIN = re.compile(rb"(?:rust/deps|/cargo/registry/[0-9a-f]{16})\Z")
_VENDORED = re.compile(rb"/rustc-[0-9][0-9.]*(?:-src)?/vendor\Z")  # of the compiler's source: its library's, or its own
_SOURCES = {
    "crates.io": "crates.io",
    "git": "git",
    "local": "local",
    "registry": "registry",
}


def audited_crates(elf: ElfFile) -> tuple[Crate, ...]:
    """The crates of .dep-v0; empty without it, FormatError when it is damaged or too large."""
    section = elf.section(".dep-v0")
    if section is None:
        return ()
    if section.size > MAX_COMPRESSED:
        raise FormatError(f".dep-v0 of {section.size} bytes is too large", offset=section.offset)
    decoder = zlib.decompressobj()
    try:
        plain = decoder.decompress(bytes(elf.piece(section.offset, section.size)), MAX_JSON)
    except zlib.error as error:
        raise FormatError(f".dep-v0 is not zlib data: {error}", offset=section.offset) from None
    if not decoder.eof:
        raise FormatError(".dep-v0 is cut, or unpacks to more than 8 MiB", offset=section.offset)
    try:
        packages = json.loads(plain)["packages"]
        if not isinstance(packages, list):
            raise TypeError("no list")
        if len(packages) > MAX_CRATES:  # a part of them would be taken for all
            raise FormatError(f".dep-v0 of {len(packages)} packages, at most {MAX_CRATES}", offset=section.offset)
        return tuple(map(_audited, packages))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise FormatError(".dep-v0 holds no list of packages", offset=section.offset) from None


def _audited(package: dict[str, object]) -> Crate:
    name, version = package["name"], package["version"]
    if not isinstance(name, str) or not isinstance(version, str):
        raise TypeError("a package without a name")
    return Crate(
        name=name,
        version=version,
        source=_SOURCES.get(str(package.get("source", "")), "unknown"),
        evidence="dep-v0",
        confidence=Confidence.HIGH,
        kind="build" if package.get("kind") == "build" else "runtime",
        root=package.get("root") is True,
    )


def crates_by_paths(elf: ElfFile, ranges: Ranges) -> tuple[Crate, ...]:
    """Crates named by `NAME-x.y.z/...rs` paths; those that Rust's own library brings are marked "std"."""
    found: dict[tuple[str, str], str] = {}
    seen: set[bytes] = set()
    hay = elf.haystack
    for at in hay.find_all(b".rs", ranges, MAX_PATHS):
        before = hay.window(at - 220, at)
        folders = before[len(before.rstrip(_PATH_LETTERS)) :].rpartition(b"/")[0]
        if folders in seen:
            continue
        seen.add(folders)
        crate = _crate_folder(folders)
        if crate is not None:
            name, version, source = crate
            if found.get((name, version), "std") == "std":
                found[name, version] = source
        if len(found) >= MAX_CRATES:
            break
    return tuple(
        Crate(name, version, source, "path", Confidence.HIGH) for (name, version), source in sorted(found.items())
    )


def _crate_folder(folders: bytes) -> tuple[str, str, str] | None:
    """Name, version and source by the innermost folder that is called NAME-x.y.z."""
    parts = folders.split(b"/")
    for index in range(len(parts) - 1, -1, -1):
        match = _NAME_VERSION.fullmatch(parts[index])
        if match is not None and match[1] == b"rustc":
            return None  # the tree that the compiler and its library were built in
        if match is not None:
            source = _source(b"/".join(parts[:index]))
            return match[1].decode("ascii"), match[2].decode("ascii"), source
    return None


def _source(prefix: bytes) -> str:
    if _TOOLCHAIN.search(prefix):
        return "std"
    if _VENDORED.search(prefix):  # another string may stand before it without a byte between
        return "toolchain"
    if b"index.crates.io-" in prefix or b"github.com-1ecc6299db9ec823" in prefix:
        return "crates.io"
    if b"git/checkouts" in prefix:
        return "git"
    return "registry" if b"registry" in prefix else "unknown"
