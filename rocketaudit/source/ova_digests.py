"""Checks the digests that the manifest of an OVA states against the members of the archive."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from rocketaudit.errors import FormatError
from rocketaudit.formats.containers.ova import MAX_TEXT, StatedDigest, parse_manifest
from rocketaudit.formats.containers.tar_members import TarMember
from rocketaudit.model.budget import Budget
from rocketaudit.model.disk import Problem
from rocketaudit.model.reader import Reader

_PIECE = 1 << 20
MAX_LINES = 64


def check_manifest(reader: Reader, members: Sequence[TarMember], budget: Budget) -> tuple[list[str], list[Problem]]:
    """(notes, problems): how many digests hold, and every one that does not. A manifest is a checksum, no signature."""
    manifest = next((member for member in members if member.name.endswith(".mf")), None)
    if manifest is None:
        return ["the archive has no manifest"], []
    try:
        if manifest.size > MAX_TEXT:
            raise FormatError(f"a manifest of {manifest.size} bytes", offset=manifest.offset)
        stated = tuple(dict.fromkeys(parse_manifest(bytes(reader.read(manifest.offset, manifest.size)))))
    except FormatError as error:
        return [], [Problem(f"manifest {manifest.name}: {error}")]
    if len(stated) > MAX_LINES:
        return [], [Problem(f"manifest {manifest.name}: {len(stated)} lines; at most {MAX_LINES} are checked")]
    by_name = {member.name: member for member in members}
    said = [_check(reader, digest, by_name, budget) for digest in stated]
    problems = [problem for problem in said if problem is not None]
    listed = {digest.name for digest in stated}
    loose = [m.name for m in members if m.name not in listed and not m.name.endswith((".mf", ".cert"))]
    notes = [f"manifest {manifest.name}: {len(stated) - len(problems)} of {len(stated)} digests match"]
    notes += [f"{name} is not in the manifest" for name in loose]
    return notes, problems


def _check(reader: Reader, stated: StatedDigest, members: dict[str, TarMember], budget: Budget) -> Problem | None:
    member = members.get(stated.name)
    if member is None:
        return Problem(f"the manifest lists {stated.name}, which is not in the archive")
    digest = hashlib.new(stated.algorithm, usedforsecurity=False)
    for at in range(0, member.size, _PIECE):
        budget.check_time()
        digest.update(reader.read(member.offset + at, min(_PIECE, member.size - at)))
    if digest.hexdigest() != stated.digest:
        what = f"{stated.name}: the {stated.algorithm} digest differs from the manifest's"
        return Problem(what, "", member.offset, in_doubt=True)
    return None
