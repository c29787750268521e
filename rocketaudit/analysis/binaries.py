"""The memory-safety census: what the judged root is written in, where, and what of it is exposed."""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from rocketaudit.analysis.ownership import owners
from rocketaudit.model.binary import Binary, BinaryKind, Language
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import JsonValue, Plane
from rocketaudit.model.files import FileRecord
from rocketaudit.model.report import Census, CensusRow

# Go and the runtimes that check every access; "other" counts only by the runtime's name.
_SAFE = frozenset({Language.RUST, Language.GO})
_SAFE_RUNTIMES = frozenset({"go", "haskell", "ocaml", "java", "dart", "dotnet", "swift"})
_UNDECIDED = frozenset({Language.UNKNOWN, Language.PACKED})
# programs that talk to the network as their purpose; what units say of sockets comes on top
_NETWORK_PROGRAMS = frozenset({
    "chronyd", "containerd", "dockerd", "kubelet", "netdog", "sshd", "systemd-networkd", "systemd-resolved", "wickedd",
    "amazon-ssm-agent", "ecs-agent", "amazon-ecs-agent", "host-ctr", "early-boot-config", "updog", "pluto", "cfsignal",
})  # fmt: skip
ALL = "all"
NO_PACKAGE = "package:"


def census(evidence: Evidence) -> Census:
    """Counts over the ELF files of the judged root.

    Kernel modules count; relocatable objects and files that could not be read do not enter the shares. Shares
    are lower bounds: an undecided file counts as not memory-safe.
    """
    mine = [binary for binary in evidence.binaries if binary.scope == evidence.judged and _counts(binary)]
    readable = [binary for binary in mine if binary.error is None or binary.language is not Language.UNKNOWN]
    code = sum(binary.code_bytes for binary in mine)
    safe = [binary for binary in mine if is_memory_safe(binary)]
    return Census(
        files=len(mine),
        rows=tuple(_rows(evidence, mine)),
        memory_safe_share_files=len(safe) / len(mine) if mine else None,
        memory_safe_share_bytes=sum(binary.code_bytes for binary in safe) / code if code else None,
        contains_rust=sum(1 for b in mine if b.language is Language.RUST or Language.RUST.value in b.contains),
        unread=len(mine) - len(readable),
        exposed=tuple(_exposed(evidence, mine)),
    )


def is_memory_safe(binary: Binary) -> bool:
    """Whether the language of a file checks memory accesses; what is not known is not safe."""
    return binary.language in _SAFE or (binary.language is Language.OTHER and binary.runtime in _SAFE_RUNTIMES)


def _counts(binary: Binary) -> bool:
    return binary.kind not in (BinaryKind.RELOCATABLE, BinaryKind.CORE)


def _rows(evidence: Evidence, binaries: Iterable[Binary]) -> Iterator[CensusRow]:
    owner_of = owners(evidence)
    files: dict[str, Counter[str]] = defaultdict(Counter)
    sizes: dict[str, Counter[str]] = defaultdict(Counter)
    for binary in binaries:
        owner = owner_of.get(binary.path)
        for group in (ALL, _folder(binary.path), f"package:{owner.package}" if owner else NO_PACKAGE):
            files[group][binary.language.value] += 1
            sizes[group][binary.language.value] += binary.code_bytes
    for group in sorted(files, key=lambda name: (name != ALL, name)):
        for language in sorted(files[group]):
            yield CensusRow(group, language, files[group][language], sizes[group][language])


def _folder(path: str) -> str:
    """The folder that a reader thinks of: kernel modules together, otherwise the parent."""
    if "/lib/modules/" in path:
        return path[: path.index("/lib/modules/")] + "/lib/modules"
    return posixpath.dirname(path) or "/"


def _exposed(evidence: Evidence, binaries: Iterable[Binary]) -> Iterator[tuple[str, str, str]]:
    """Setuid and file capabilities first, then programs that units start and that face the network."""
    by_path = {binary.path: binary for binary in binaries}
    reasons: set[tuple[int, str, str]] = set()
    for record in evidence.scope_files():
        if record.path in by_path:
            reason = _privilege(record)
            if reason:
                reasons.add((0, record.path, reason))
    for program, unit in _network_programs(evidence):
        record_at = evidence.file(program)
        if record_at is not None and record_at.path in by_path:
            reasons.add((1, record_at.path, f"faces the network ({unit})"))
    for _, path, reason in sorted(reasons):
        yield path, by_path[path].language.value, reason


def _privilege(record: FileRecord) -> str:
    if record.is_setuid:
        return "setuid root" if record.uid == 0 else f"setuid {record.uid}"
    if record.is_setgid:
        return f"setgid {record.gid}"
    if record.capability is not None and record.capability.permitted:
        return f"file capabilities: {', '.join(record.capability.permitted)}"
    return ""


def _network_programs(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """(program, unit) of services that a network socket starts, that allow internet sockets, or that are known."""
    facts: dict[str, dict[str, JsonValue]] = defaultdict(dict)
    for fact in evidence.find("unit", Plane.STATIC):
        facts[fact.key.subject[0]][fact.key.attribute] = fact.value
    for unit in sorted(facts):
        commands, sandbox = facts[unit].get("commands"), facts[unit].get("sandbox")
        if not isinstance(commands, tuple):
            continue
        socket = facts.get(f"{unit.removesuffix('.service')}.socket", {}).get("listens")
        listens = isinstance(socket, tuple) and any(_is_port(str(place)) for place in socket)
        families = str(sandbox.get("RestrictAddressFamilies", "")) if isinstance(sandbox, Mapping) else ""
        for command in commands:
            program = str(command).lstrip("@-:+!|").partition(" ")[0]
            known = program.rpartition("/")[2] in _NETWORK_PROGRAMS
            if program.startswith("/") and (listens or "AF_INET" in families or known):
                yield program, unit


def _is_port(place: str) -> bool:
    """Whether a Listen directive names a port, not a path or an abstract socket."""
    return not place.startswith(("/", "@", "%")) and place.rpartition(":")[2].isdigit()
