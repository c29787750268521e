"""The verity parameters that a signed text states: of the very bytes that the signature covers, and of nothing else."""

from __future__ import annotations

from rocketaudit.errors import FormatError
from rocketaudit.formats.dm_verity_table import find_tables, parse_table
from rocketaudit.formats.grub_cfg import parse_grub_cfg
from rocketaudit.formats.kernel_arguments import doubt_about
from rocketaudit.model.verity import VerityParameters


def parameters_of_grub_cfg(raw: bytes) -> VerityParameters:
    """What all entries of a grub.cfg with a verity table agree on; FormatError when they do not, or there is none."""
    config = parse_grub_cfg(raw)
    for entry in config.entries:
        undecided = entry.undecided or doubt_about(entry.command_line)
        if undecided:
            raise FormatError(f"what boots cannot be told from grub.cfg: {undecided}")
    bare = [entry.title for entry in config.entries if entry.command_line and not any(find_tables(entry.command_line))]
    if bare:
        raise FormatError(f"grub.cfg starts a kernel without a verity table ({bare[0][:60] or 'at top level'!r})")
    return _one_of([table for entry in config.entries for table in find_tables(entry.command_line)], "grub.cfg")


def parameters_of_command_line(raw: bytes) -> VerityParameters:
    """What the command line in a unified kernel image states; FormatError for none or several."""
    text = raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape").rstrip("\r\n ")
    if doubt_about(text):
        raise FormatError(f"what boots cannot be told: {doubt_about(text)}")
    return _one_of(list(find_tables(text)), "the command line")


def _one_of(tables: list[str], what: str) -> VerityParameters:
    if not tables:
        raise FormatError(f"{what} states no verity table")
    stated = {parse_table(table).parameters for table in tables}
    if len(stated) > 1:
        raise FormatError(f"{what} states {len(stated)} different verity tables")
    return stated.pop()
