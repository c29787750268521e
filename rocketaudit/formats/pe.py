"""PE/COFF images as UEFI loads them: headers, sections, the Authenticode digest, the certificate table.

Sources: Microsoft's PE format and "Windows Authenticode Portable Executable Signature Format" (2008), and how EDK II
hashes images (DxeImageVerificationLib). Reads only headers and what is asked for; images may be hundreds of MiB.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

from rocketaudit.errors import FormatError, TruncatedError, UnsupportedError
from rocketaudit.model.reader import Reader
from rocketaudit.model.records import dataclass

MAX_HEADERS = 1 << 20
MAX_SECTIONS = 256
MAX_SECTION_READ = 16 << 20
MAX_CERTIFICATE_TABLE = 4 << 20
PKCS_SIGNED_DATA = 2
_PIECE = 1 << 20
_SECTION = struct.Struct("<8s I I I I 16x")
_DECISIVE = frozenset({".cmdline", ".linux", ".initrd", ".ucode", ".dtb", ".dtbauto", ".efifw"})
_MACHINES = {0x8664: "x86_64", 0xAA64: "aarch64", 0x14C: "i386", 0x1C2: "arm", 0x5064: "riscv64"}


@dataclass(frozen=True, slots=True)
class Section:
    """One section; sizes and offsets in bytes, `size` is what is loaded from the file."""

    name: str
    virtual_size: int
    virtual_address: int
    raw_size: int
    raw_offset: int

    @property
    def size(self) -> int:
        return min(self.virtual_size, self.raw_size) if self.virtual_size else self.raw_size

    @property
    def memory_end(self) -> int:
        return self.virtual_address + (self.virtual_size or self.raw_size)


@dataclass(frozen=True, slots=True)
class PeImage:
    """Headers of an image of `size` bytes; everything is checked to lie inside it and nothing overlaps."""

    size: int
    machine: str
    checksum_offset: int
    certificate_entry_offset: int
    headers_size: int
    sections: tuple[Section, ...]
    certificate_offset: int
    certificate_size: int

    def base_sections(self) -> tuple[Section, ...]:
        """The sections of a unified kernel image before its first additional profile."""
        names = [section.name for section in self.sections]
        end = names.index(".profile") if ".profile" in names else len(names)
        return self.sections[:end]

    def _check_memory(self, section: Section) -> None:
        """FormatError when another section is loaded over it: what runs is not what the file shows there."""
        for other in self.sections:
            overlap = min(section.memory_end, other.memory_end) - max(section.virtual_address, other.virtual_address)
            if other is not section and overlap > 0:
                raise FormatError(
                    f"PE sections {section.name} and {other.name!r} share memory", offset=other.raw_offset
                )

    def profile_overrides(self) -> tuple[str, ...]:
        """What additional profiles bring that decides what runs; the stub takes it instead of the base profile's.

        The first profile is the one that boots when nobody chooses another.
        """
        later = {section.name for section in self.sections[len(self.base_sections()) :]}
        return tuple(sorted(later & _DECISIVE))

    def find(self, name: str) -> Section | None:
        """The one section of this name; FormatError when there are several, since loaders differ on which counts."""
        found = [section for section in self.base_sections() if section.name == name]
        if len(found) > 1:
            raise FormatError(f"PE section {name} is there {len(found)} times", offset=found[1].raw_offset)
        if found and name in _DECISIVE:
            self._check_memory(found[0])
        return found[0] if found else None


def parse_pe(reader: Reader) -> PeImage:
    """Parse the headers, or say at which byte they are wrong."""
    size = reader.size
    if size < 64 or bytes(reader.read(0, 2)) != b"MZ":
        raise FormatError("no PE image: it does not begin with MZ", offset=0)
    start = _number(reader, 60, 4)
    if start > MAX_HEADERS or bytes(_read(reader, start, 4)) != b"PE\0\0":
        raise FormatError("no PE image: the PE signature is missing", offset=start)
    machine, count = struct.unpack("<HH", _read(reader, start + 4, 4))
    symbols, symbol_count, optional_size = struct.unpack("<IIH", _read(reader, start + 12, 10))
    if count > MAX_SECTIONS:
        raise FormatError(f"PE image with {count} sections, at most {MAX_SECTIONS} are read", offset=start + 6)
    optional = start + 24
    magic = _number(reader, optional, 2)
    if magic not in (0x10B, 0x20B):
        raise UnsupportedError(f"PE optional header 0x{magic:x}", offset=optional)
    directories = optional + (112 if magic == 0x20B else 96)
    entry = directories + 4 * 8
    if entry + 8 > optional + optional_size or _number(reader, directories - 4, 4) < 5:
        raise UnsupportedError("PE image without room for a certificate table", offset=directories - 4)
    headers_size = _number(reader, optional + 60, 4)
    table_end = optional + optional_size + count * _SECTION.size
    if not table_end <= headers_size <= min(size, MAX_HEADERS):
        raise FormatError(f"PE headers of {headers_size} bytes, {table_end} are used", offset=optional + 60)
    strings = symbols + symbol_count * 18 if symbols else 0
    sections = tuple(_sections(reader, optional + optional_size, count, strings))
    certificate_offset, certificate_size = struct.unpack("<II", _read(reader, entry, 8))
    image = PeImage(
        size,
        _MACHINES.get(machine, f"0x{machine:x}"),
        optional + 64,
        entry,
        headers_size,
        sections,
        certificate_offset,
        certificate_size,
    )
    _check_layout(image)
    return image


def _sections(reader: Reader, start: int, count: int, strings: int) -> Iterator[Section]:
    table = bytes(_read(reader, start, count * _SECTION.size))
    for raw_name, virtual_size, address, raw_size, raw_offset in _SECTION.iter_unpack(table):
        name = raw_name.rstrip(b"\0")
        if name[:1] == b"/" and name[1:].isdigit() and strings:  # a name of more than eight bytes
            place = strings + int(name[1:])
            room = min(64, max(0, reader.size - place))
            name = bytes(reader.read(place, room)).split(b"\0", 1)[0] if room else name
        yield Section(name.decode("latin-1"), virtual_size, address, raw_size, raw_offset if raw_size else 0)


def _check_layout(image: PeImage) -> None:
    end = image.headers_size
    for section in sorted((one for one in image.sections if one.raw_size), key=lambda one: one.raw_offset):
        if section.raw_offset < end:
            raise FormatError(f"PE section {section.name!r} overlaps what lies before it", offset=section.raw_offset)
        end = section.raw_offset + section.raw_size
        if end > image.size:
            raise TruncatedError(
                f"PE section {section.name!r} ends at {end}, the image at {image.size}", offset=image.size
            )
    if not image.certificate_size:
        return
    if image.certificate_offset < end or image.certificate_offset % 8:
        raise FormatError("PE certificate table lies inside the image", offset=image.certificate_offset)
    if image.certificate_offset + image.certificate_size != image.size:
        raise FormatError("PE certificate table does not end where the file ends", offset=image.certificate_offset)
    if image.certificate_size > MAX_CERTIFICATE_TABLE:
        raise FormatError(f"PE certificate table of {image.certificate_size} bytes", offset=image.certificate_offset)


def _read(reader: Reader, offset: int, length: int) -> bytes:
    return bytes(reader.read(offset, length))


def _number(reader: Reader, offset: int, size: int) -> int:
    return int.from_bytes(_read(reader, offset, size), "little")


def read_section(reader: Reader, section: Section) -> bytes:
    """The bytes of a section that are loaded from the file; FormatError for more than 16 MiB."""
    if section.size > MAX_SECTION_READ:
        raise FormatError(f"PE section {section.name} of {section.size} bytes", offset=section.raw_offset)
    return _read(reader, section.raw_offset, section.size)


def authenticode_digests(reader: Reader, image: PeImage, algorithms: tuple[str, ...] = ("sha256",)) -> dict[str, str]:
    """Hex digests over what a signature covers: all but the checksum, the table entry and the certificates."""
    hashers = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    for start, end in _covered(image):
        for place in range(start, end, _PIECE):
            piece = reader.read(place, min(_PIECE, end - place))
            for hasher in hashers.values():
                hasher.update(piece)
    return {name: hasher.hexdigest() for name, hasher in hashers.items()}


def _covered(image: PeImage) -> Iterator[tuple[int, int]]:
    entry = image.certificate_entry_offset
    yield 0, image.checksum_offset
    yield image.checksum_offset + 4, entry
    yield entry + 8, image.headers_size
    counted = image.headers_size
    for section in sorted(image.sections, key=lambda one: one.raw_offset):
        if section.raw_size:
            yield section.raw_offset, section.raw_offset + section.raw_size
            counted += section.raw_size
    yield counted, max(counted, image.size - image.certificate_size)  # as firmware: what is left, counted not placed


def uncovered_gaps(image: PeImage) -> tuple[tuple[int, int], ...]:
    """Ranges between sections that no digest covers; a tidy image has none."""
    end = image.headers_size
    found: list[tuple[int, int]] = []
    for section in sorted((one for one in image.sections if one.raw_size), key=lambda one: one.raw_offset):
        if section.raw_offset > end:
            found.append((end, section.raw_offset))
        end = section.raw_offset + section.raw_size
    return tuple(found)


def read_certificate_table(reader: Reader, image: PeImage) -> bytes:
    """The raw certificate table; empty when the image is not signed."""
    return _read(reader, image.certificate_offset, image.certificate_size) if image.certificate_size else b""


def parse_certificate_table(table: bytes) -> tuple[bytes, ...]:
    """The PKCS#7 blobs of a table, in order; FormatError for an entry that does not fit, of any type."""
    found: list[bytes] = []
    place = 0
    while place < len(table):
        if len(table) - place < 8:
            if any(table[place:]):
                raise FormatError("PE certificate table ends inside an entry", offset=place)
            break
        length, revision, kind = struct.unpack_from("<IHH", table, place)
        if length < 8 or place + length > len(table):
            raise FormatError(f"PE certificate of {length} bytes does not fit its table", offset=place)
        if revision != 0x200 or kind != PKCS_SIGNED_DATA:
            raise UnsupportedError(f"PE certificate of revision 0x{revision:x}, type {kind}", offset=place)
        found.append(table[place + 8 : place + length])
        place += length + (-length % 8)
    return tuple(found)
