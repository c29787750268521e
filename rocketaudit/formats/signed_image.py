"""What a judgement of Secure Boot needs of an EFI program, taken out of it once."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import field

from rocketaudit.errors import FormatError
from rocketaudit.formats.pe import (
    authenticode_digests,
    parse_pe,
    read_certificate_table,
    read_section,
    uncovered_gaps,
)
from rocketaudit.formats.strict_json import loads, member
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass

DIGESTS = ("sha256", "sha384", "sha512")
KEPT_SECTIONS = (".sbat", ".vendor_cert", ".pubkey", ".cmdline", ".uname", ".osrel")
PROFILES = ".profile"  # in `sections`: the names of what additional profiles bring instead of the base profile's
MAX_KEPT = 256 << 10


@dataclass(frozen=True, slots=True)
class SignedImage:
    """One EFI program. `digests` are Authenticode digests in hex; `sections` holds those of KEPT_SECTIONS it has.

    `gaps` are byte ranges that no signature covers.
    """

    name: str
    machine: str
    digests: Mapping[str, str]
    certificate_table: bytes = field(repr=False)
    sections: Mapping[str, bytes] = field(repr=False)
    gaps: tuple[tuple[int, int], ...] = ()

    @property
    def is_signed(self) -> bool:
        return bool(self.certificate_table)


def read_signed_image(reader: Reader, name: str) -> SignedImage:
    """Read an EFI program (all of it is hashed); FormatError says what is wrong with it."""
    image = parse_pe(reader)
    sections: dict[str, bytes] = {}
    for wanted in KEPT_SECTIONS:
        section = image.find(wanted)
        if section is None:
            continue
        if section.size > MAX_KEPT:
            raise FormatError(f"section {wanted} of {section.size} bytes, at most {MAX_KEPT} are kept")
        sections[wanted] = read_section(reader, section)
    if overrides := image.profile_overrides():
        sections[PROFILES] = ", ".join(overrides).encode()
    return SignedImage(
        name,
        image.machine,
        authenticode_digests(reader, image, DIGESTS),
        read_certificate_table(reader, image),
        sections,
        uncovered_gaps(image),
    )


def signed_image_to_json(image: SignedImage) -> bytes:
    """The same as bytes that evidence can carry."""
    record = {
        "name": image.name,
        "machine": image.machine,
        "digests": dict(image.digests),
        "certificate_table": base64.b64encode(image.certificate_table).decode(),
        "sections": {name: base64.b64encode(data).decode() for name, data in image.sections.items()},
        "gaps": [list(gap) for gap in image.gaps],
    }
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode()


def signed_image_from_json(raw: bytes) -> SignedImage:
    """The inverse of `signed_image_to_json`; FormatError for anything else."""
    what = "signed image"
    record = loads(raw, what=what)
    digests = member(record, "digests", dict, what)
    if any(name not in DIGESTS or not isinstance(digest, str) for name, digest in digests.items()):
        raise FormatError(f"{what} has other digests than {', '.join(DIGESTS)}")
    gaps = [tuple(gap) for gap in member(record, "gaps", list, what) if isinstance(gap, list)]
    if any(len(gap) != 2 or not all(isinstance(end, int) for end in gap) for gap in gaps):
        raise FormatError(f"{what} has gaps that are no ranges")
    sections = member(record, "sections", dict, what)
    return SignedImage(
        member(record, "name", str, what),
        member(record, "machine", str, what),
        digests,
        _bytes(member(record, "certificate_table", str, what), what),
        {name: _bytes(member(sections, name, str, what), what) for name in sections},
        tuple((int(gap[0]), int(gap[1])) for gap in gaps),
    )


def _bytes(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise FormatError(f"{what} holds no base64: {error}") from None
