"""What an OVA (a tar of an OVF package, DMTF DSP0243) says of its files: disks in order, and their digests."""

from __future__ import annotations

import re
from itertools import islice

from rocketaudit.errors import FormatError
from rocketaudit.formats.containers.tar_members import TarMember
from rocketaudit.model.records import dataclass

MAX_TEXT = 1 << 20
MAX_FILES = 256
_FILE = re.compile(r"<(?:[A-Za-z]+:)?File\s([^<>]{1,500}?)/?>")
_DISK = re.compile(r"<(?:[A-Za-z]+:)?Disk\s([^<>]{1,500}?)/?>")
_ATTRIBUTE = re.compile(r"([A-Za-z]++)\s*+=\s*+(?:\"([^\"]*)\"|'([^']*)')")
_DIGEST = re.compile(r"^(SHA1|SHA256|SHA384|SHA512|SHA3-256|SHA3-512|MD5)\s?\((.+)\)\s?=\s?([0-9a-fA-F]+)\s*$")


@dataclass(frozen=True, slots=True)
class StatedDigest:
    """One line of the manifest; `algorithm` is hashlib's name, `digest` lower-case hex."""

    name: str
    algorithm: str
    digest: str


def disks_of(descriptor: bytes) -> tuple[str, ...]:
    """Names of the files that are disks, in the order of the disk section."""
    if len(descriptor) > MAX_TEXT:
        raise FormatError(f"an OVF descriptor of {len(descriptor)} bytes; at most {MAX_TEXT} are read")
    text = descriptor.decode("utf-8", "replace")
    files: dict[str, str] = {}
    for match in islice(_FILE.finditer(text), MAX_FILES):
        attributes = _attributes(match[1])
        if "id" in attributes and "href" in attributes:
            files[attributes["id"]] = attributes["href"]
    named = [_attributes(match[1]).get("fileRef", "") for match in islice(_DISK.finditer(text), MAX_FILES)]
    return tuple(dict.fromkeys(files[name] for name in named if name in files))


def parse_manifest(data: bytes) -> tuple[StatedDigest, ...]:
    """The digests of a .mf file; FormatError for a line that is none."""
    if len(data) > MAX_TEXT:
        raise FormatError(f"an OVF manifest of {len(data)} bytes; at most {MAX_TEXT} are read")
    digests = []
    for line in data.decode("utf-8", "replace").splitlines():
        if not line.strip():
            continue
        match = _DIGEST.match(line)
        if match is None:
            raise FormatError(f"a manifest line that states no digest: {line[:60]!r}")
        name = match[1].lower().replace("-", "_") if match[1].startswith("SHA3") else match[1].lower()
        digests.append(StatedDigest(match[2], name, match[3].lower()))
    return tuple(digests)


def pick_disk(members: tuple[TarMember, ...], descriptor: bytes | None) -> tuple[TarMember, tuple[TarMember, ...]]:
    """(the first disk, the other disks), in the descriptor's order or else the archive's."""
    by_name = {member.name: member for member in members}
    ordered = [by_name[name] for name in (disks_of(descriptor) if descriptor else ()) if name in by_name]
    if not ordered:
        ordered = [member for member in members if member.name.lower().endswith((".vmdk", ".img", ".qcow2"))]
    if not ordered:
        raise FormatError("the archive holds no disk")
    return ordered[0], tuple(ordered[1:])


def _attributes(text: str) -> dict[str, str]:
    return {match[1]: match[2] or match[3] or "" for match in _ATTRIBUTE.finditer(text)}
