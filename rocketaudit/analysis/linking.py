"""Which file a NEEDED name means, as the dynamic loader would find it in this root."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from rocketaudit.model.binary import Binary
from rocketaudit.model.evidence import Evidence

# ld.so(8): DT_RPATH unless there is a DT_RUNPATH, then DT_RUNPATH, the cache, and these. The cache holds what
# ldconfig found in /etc/ld.so.conf and in the same folders; we have no cache to trust.
_FOLDERS_64 = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
_FOLDERS_32 = ("/lib", "/usr/lib")
_MULTIARCH = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}
MAX_NEEDED = 512


def resolve_needed(evidence: Evidence, binary: Binary) -> Iterator[str]:
    """Real paths of the libraries that `binary` needs; a name that nothing answers is left out."""
    for name in binary.needed[:MAX_NEEDED]:
        path = find_library(evidence, binary, name)
        if path is not None:
            yield path


def find_library(evidence: Evidence, binary: Binary, name: str) -> str | None:
    """The path without links that `name` leads to, or None."""
    if "/" in name:
        return _existing(evidence, binary.scope, name)
    for folder in search_folders(binary):
        found = _existing(evidence, binary.scope, f"{folder}/{name}")
        if found is not None:
            return found
    return None


def search_folders(binary: Binary) -> Iterator[str]:
    """The folders in the loader's order, $ORIGIN and friends put in."""
    stated = binary.hardening.runpath or binary.hardening.rpath or ""
    origin = posixpath.dirname(binary.path)
    library = "lib64" if binary.bits == 64 else "lib"
    for element in stated.split(":"):
        if element:
            text = element.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", origin)
            yield text.replace("${LIB}", library).replace("$LIB", library)
    triplet = _MULTIARCH.get(binary.machine)
    if triplet is not None:
        yield f"/lib/{triplet}"
        yield f"/usr/lib/{triplet}"
    yield from _FOLDERS_64 if binary.bits == 64 else _FOLDERS_32


def _existing(evidence: Evidence, scope: str, path: str) -> str | None:
    record = evidence.file(path, scope)
    return None if record is None else record.path
