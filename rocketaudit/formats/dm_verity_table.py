"""The device-mapper line that tells a kernel which verity tree to enforce.

Forms: the value of dm-mod.create ("root,,,ro,0 N verity 1 ...", Documentation/admin-guide/device-mapper/dm-init.rst)
and one line of `dmsetup table` ("0 N verity 1 ..."). Quotes may stand before the key or after the equals sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rocketaudit.errors import FormatError, UnsupportedError
from rocketaudit.formats.kernel_arguments import WORD, raw_bytes
from rocketaudit.formats.verity import layout_of
from rocketaudit.model.records import dataclass
from rocketaudit.model.verity import FecParameters, VerityParameters

SECTOR = 512
MAX_TABLE = 8192
_KEY = b"dm_mod.create"
_NUMBER = re.compile(r"[0-9]{1,20}")
# optional parameters that take a value; all others stand alone (verity.rst)
_WITH_VALUE = frozenset({"use_fec_from_device", "fec_roots", "fec_blocks", "fec_start", "root_hash_sig_key_desc"})


@dataclass(frozen=True, slots=True)
class VerityTable:
    """One verity target. `name`, `uuid` and `flags` are empty when the line did not carry them (dmsetup).

    `sectors` are 512-byte sectors; `options` are the optional words in order, values joined by a blank.
    """

    name: str
    uuid: str
    flags: str
    start_sector: int
    sectors: int
    data_device: str
    hash_device: str
    parameters: VerityParameters
    signature_key: str | None = None

    @property
    def options(self) -> tuple[str, ...]:
        return self.parameters.options

    @property
    def is_read_only(self) -> bool:
        return self.flags == "ro"


def find_tables(text: str) -> Iterator[str]:
    """Every value of dm-mod.create that a kernel takes from a command line, in order; a later one overrides.

    Split as the kernel splits (lib/cmdline.c): by bytes, blanks inside quotes do not count, the byte 0xA0 is a
    blank, "-" and "_" in a name are the same, and what follows the word "--" is not for the kernel.
    """
    for match in WORD.finditer(raw_bytes(text)):
        word = match[0]
        if word == b"--":
            return
        if word.startswith(b'"'):
            word = word[1:].removesuffix(b'"')
        name, _, value = word.partition(b"=")
        if name.replace(b"-", b"_") == _KEY:
            value = value[1:].removesuffix(b'"') if value.startswith(b'"') else value
            yield value.decode("utf-8", "surrogateescape")


def parse_table(text: str) -> VerityTable:
    """Parse the one verity target of a dm-mod.create value or a table line; FormatError says which word is wrong."""
    if len(text) > MAX_TABLE:
        raise FormatError(f"device-mapper table of {len(text)} characters, at most {MAX_TABLE} are read")
    if not text.isascii():  # the byte 0xA0 is a blank for the kernel, and other blanks of Unicode are none
        raise FormatError("device-mapper table with characters beyond ASCII, which a kernel splits in its own way")
    head, table = _split_head(text.strip().strip('"'))
    words = table.split()
    if len(words) < 13:
        raise FormatError(f"verity table of {len(words)} words, at least 13 are needed")
    if words[2] != "verity":
        raise UnsupportedError(f"device-mapper target {words[2][:20]!r} is not verity")
    options, fec, key = _options(words[13:])
    parameters = VerityParameters(
        hash_type=_number("version", words[3]),
        data_block_size=_number("data block size", words[6]),
        hash_block_size=_number("hash block size", words[7]),
        data_blocks=_number("data blocks", words[8]),
        hash_start_block=_number("hash start block", words[9]),
        algorithm=words[10],
        root_hash=words[11].lower(),
        salt="" if words[12] == "-" else words[12].lower(),
        options=options,
        fec=fec,
    )
    layout_of(parameters)
    sectors = _number("sectors", words[1])
    if sectors * SECTOR > parameters.data_blocks * parameters.data_block_size:
        raise FormatError(f"{sectors} sectors are mapped, {parameters.data_blocks} data blocks hold fewer")
    return VerityTable(*head, _number("start sector", words[0]), sectors, words[4], words[5], parameters, key)


def _split_head(text: str) -> tuple[tuple[str, str, str], str]:
    """("root", uuid, "ro") and the table; a value with several devices or targets is not ours to guess at."""
    if ";" in text:
        raise UnsupportedError("dm-mod.create describes several devices")
    parts = text.split(",")
    if len(parts) == 1:
        return ("", "", ""), text
    if len(parts) > 5:
        raise UnsupportedError("dm-mod.create describes several targets")
    if len(parts) < 5:
        raise FormatError(f"dm-mod.create of {len(parts)} parts: name,uuid,minor,flags,table are needed")
    name, uuid, _minor, flags, table = parts
    if flags not in ("ro", "rw"):
        raise FormatError(f"dm-mod.create flags {flags[:20]!r}, ro or rw expected")
    return (name.strip(), uuid.strip(), flags), table


def _options(words: list[str]) -> tuple[tuple[str, ...], FecParameters | None, str | None]:
    if not words:
        return (), None, None
    count = _number("count of optional parameters", words[0])
    if count != len(words) - 1:
        raise FormatError(f"{count} optional parameters announced, {len(words) - 1} are there")
    options: list[str] = []
    values: dict[str, str] = {}
    rest = iter(words[1:])
    for word in rest:
        if word in options or word in values:
            raise FormatError(f"optional parameter {word!r} is given twice")
        if word in _WITH_VALUE:
            value = next(rest, None)
            if value is None:
                raise FormatError(f"optional parameter {word} lacks its value")
            values[word] = value
            options.append(f"{word} {value}")
        else:
            options.append(word)
    fec = None
    if "use_fec_from_device" in values:
        fec = FecParameters(
            values["use_fec_from_device"],
            *(_number(key, values.get(key, "0")) for key in ("fec_roots", "fec_blocks", "fec_start")),
        )
    return tuple(options), fec, values.get("root_hash_sig_key_desc")


def _number(what: str, word: str) -> int:
    if not _NUMBER.fullmatch(word):
        raise FormatError(f"{what} {word[:40]!r} is not a number")
    return int(word)
