"""Which file a NEEDED name means, as the dynamic loader would find it in this root."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from rocketaudit.model.binary import Binary, BinaryKind
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.records import dataclass

# ld.so(8): DT_RPATH unless there is a DT_RUNPATH, then DT_RUNPATH, the cache, and these. The cache holds what
# ldconfig found in /etc/ld.so.conf and in the same folders; we have no cache to trust.
_FOLDERS_64 = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
_FOLDERS_32 = ("/lib", "/usr/lib")
_MULTIARCH = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}
MAX_NEEDED = 512


@dataclass(frozen=True, slots=True)
class Link:
    """A NEEDED name, and the file without links that it leads to; None when none of the loader's folders has it.

    `shadows` is another file of that name which the loader would take if the program stated no path of its own.
    """

    name: str
    path: str | None
    shadows: str | None = None


def links(evidence: Evidence, binary: Binary) -> Iterator[Link]:
    """Where each library that `binary` needs is found in its own file system."""
    return (link_of(evidence, binary, name) for name in binary.needed[:MAX_NEEDED])


def link_of(evidence: Evidence, binary: Binary, name: str) -> Link:
    """Where one name leads, looked up as the loader does for that binary."""
    if "/" in name:
        return Link(name, _existing(evidence, binary.scope, name))
    stated = _first(evidence, binary, name, _stated_folders(binary))
    usual = _first(evidence, binary, name, _usual_folders(binary))
    if stated is None or usual is None or _are_same(evidence, binary.scope, stated, usual):
        return Link(name, stated or usual)
    return Link(name, stated, usual)


def resolve_needed(evidence: Evidence, binary: Binary) -> Iterator[str]:
    """Real paths of the libraries that `binary` needs; a name that nothing answers is left out."""
    return (link.path for link in links(evidence, binary) if link.path is not None)


def shadowing_libraries(evidence: Evidence) -> Iterator[tuple[Binary, Link]]:
    """Programs and libraries of the judged root whose own search path leads elsewhere than everyone else's."""
    kinds = (BinaryKind.EXECUTABLE, BinaryKind.SHARED_OBJECT)
    for binary in evidence.binaries:
        stated = binary.hardening.runpath or binary.hardening.rpath
        if stated and binary.scope == evidence.judged and binary.kind in kinds:
            for link in links(evidence, binary):
                if link.shadows is not None:
                    yield binary, link


def _stated_folders(binary: Binary) -> Iterator[str]:
    """What the program itself says, $ORIGIN and friends put in."""
    stated = binary.hardening.runpath or binary.hardening.rpath or ""
    origin = posixpath.dirname(binary.path)
    library = "lib64" if binary.bits == 64 else "lib"
    for element in stated.split(":"):
        if element:
            text = element.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", origin)
            yield text.replace("${LIB}", library).replace("$LIB", library)


def _usual_folders(binary: Binary) -> Iterator[str]:
    triplet = _MULTIARCH.get(binary.machine)
    if triplet is not None:
        yield f"/lib/{triplet}"
        yield f"/usr/lib/{triplet}"
    yield from _FOLDERS_64 if binary.bits == 64 else _FOLDERS_32


def _first(evidence: Evidence, binary: Binary, name: str, folders: Iterator[str]) -> str | None:
    for folder in folders:
        found = _existing(evidence, binary.scope, f"{folder}/{name}")
        if found is not None:
            return found
    return None


def _existing(evidence: Evidence, scope: str, path: str) -> str | None:
    record = evidence.file(path, scope)
    return None if record is None else record.path


def _are_same(evidence: Evidence, scope: str, one: str, two: str) -> bool:
    if one == two:
        return True
    records = evidence.file(one, scope), evidence.file(two, scope)
    digests = [record.sha256 for record in records if record is not None]
    return len(digests) == 2 and digests[0] is not None and digests[0] == digests[1]
