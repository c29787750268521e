"""One side of `sbom diff`: a target that is scanned, evidence, or a bill of materials of any program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rocketaudit.analysis.sbom.compare import SbomSide
from rocketaudit.cli.input_file import read_input
from rocketaudit.errors import FormatError, RocketauditError
from rocketaudit.model.component import Component

if TYPE_CHECKING:
    from rocketaudit.cli.running import Run

_UTF8_MARK = b"\xef\xbb\xbf"  # some programs begin a text with it; RFC 8259 lets a reader ignore it
_LOOKED_AT = 1 << 16  # bytes of a document in which its kind must be named


def open_side(run: Run) -> SbomSide:
    """The components of what the user named; errors as for any target."""
    from rocketaudit.cli.running import audit_target
    from rocketaudit.formats.sbom_json import MAX_BYTES, parse_sbom
    from rocketaudit.report.cyclonedx_completeness import unread_lines

    if not _is_document(run):
        report = audit_target(run)
        return SbomSide(report.components, unread=tuple(unread_lines(report)))
    data = read_input(run.target, MAX_BYTES).removeprefix(_UTF8_MARK)
    try:
        target, listed = parse_sbom(data, run.target.name)
    except RocketauditError as error:
        raise FormatError(f"{run.target}: {error}") from error
    system = Component("os", "operating-system", target.os_name, target.version)
    return SbomSide((*((system,) if target.os_name else ()), *listed), is_document=True)


def _is_document(run: Run) -> bool:
    """Whether the file is a bill of materials: JSON that names its format."""
    if not run.target.is_file():
        return False
    with run.target.open("rb") as file:
        head = file.read(_LOOKED_AT)
    is_json = head.removeprefix(_UTF8_MARK).lstrip()[:1] == b"{"
    return is_json and any(word in head for word in (b'"bomFormat"', b'"spdxVersion"', b"/spdx-context.jsonld"))
