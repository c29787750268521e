"""`rocketaudit inspect`: container, partitions, banks, file systems, boot entries and release of an image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.cli.image_argument import Form, opened_image, refuse_form
from rocketaudit.cli.options import Limits, TempDir

if TYPE_CHECKING:
    from rocketaudit.model.disk import Bank, BootEntry, DiskSummary, Partition
    from rocketaudit.source.image import ImageSource

MIB = 1 << 20


def inspect(
    image: Annotated[Path, typer.Argument(help="A disk image, a bare file system or a UKI, in any container.")],
    output: Form = "console",
    tmp_dir: TempDir = None,
    limits: Limits = None,
) -> int:
    """What an image is made of: container, partitions, banks, file systems, boot entries, release."""
    from rocketaudit.model.disk import Content

    refuse_form(output)
    with opened_image(image, tmp_dir=tmp_dir, limits=limits) as source:
        if output == "json":
            _print_json(source)
        else:
            _print_console(source)
        damaged = any(partition.content is Content.UNREAD for partition in source.disk.partitions)
    return ExitCode.UNREAD if damaged else ExitCode.MEETS_POLICY


def _print_json(source: ImageSource) -> None:
    from rocketaudit.model.codec import encode

    shown = {
        "image": source.target.name,
        "judged": source.judged,
        "arch": source.target.arch,
        **encode(source.disk, full=True),
        "gaps": [encode(gap, full=True) for gap in source.gaps],
    }
    typer.echo(json.dumps(shown, indent=2))


def _print_console(source: ImageSource) -> None:
    from rocketaudit.report.escape import terminal

    disk, target = source.disk, source.target
    release = target.os_name or "no release stated"
    packing = " in ".join(reversed(disk.container.layers))
    sizes = f"{disk.container.input_size} bytes, disk of {disk.container.raw_size} bytes"
    lines = [
        f"{target.name}: {disk.layout.value}, {release}, {target.arch or 'unknown architecture'}",
        f"container  {packing}, {sizes}",
        *(f"           {note}" for note in disk.container.notes),
        f"table      {_table(disk)}",
        *(_partition(partition, source.judged) for partition in disk.partitions),
        *(_bank(bank) for bank in disk.banks),
        *(line for entry in disk.boot_entries for line in _entry(entry)),
    ]
    if disk.container.data_image:
        lines.append(f"data disk  {disk.container.data_image}")
    for name, values in (("features", disk.release.image_features), ("format", disk.release.image_format)):
        if values:
            lines.append(f"{name:<10} {', '.join(f'{key}={value}' for key, value in values)}")
    for problem in disk.problems:
        place = "" if problem.offset is None else f" (byte {problem.offset})"
        lines.append(f"problem    {problem.partition + ': ' if problem.partition else ''}{problem.what}{place}")
    lines += [f"unread     {gap.scope}: {gap.reason}" for gap in source.gaps]
    for line in lines:
        typer.echo(terminal(line))


def _table(disk: DiskSummary) -> str:
    table = disk.table
    if table.kind.value == "none":
        return "none: a bare image"
    backup = ", read from the backup" if table.used_backup else ""
    return f"{table.kind.value}, {table.sector_size}-byte sectors, {table.disk_guid or 'no identifier'}{backup}"


def _partition(partition: Partition, judged: str) -> str:
    mark = "*" if partition.scope == judged else " "
    content = partition.content.value + (f" ({partition.detail})" if partition.detail else "")
    size = f"{partition.length / MIB:.1f}"
    named = f"{partition.name!r}" if partition.name else "-"
    return f"{mark} {partition.number:>3}  {partition.scope:<12} {size:>9} MiB  {content:<12} {named}"


def _bank(bank: Bank) -> str:
    state = "boots next" if bank.boots_next else "can boot" if bank.will_boot else "will not boot"
    if not bank.populated:
        state += ", empty"
    bits = ""
    if bank.priority is not None:
        bits = f", priority {bank.priority}, tries left {bank.tries_left}, successful {bank.successful}"
    return f"bank {bank.name}     {state}{bits}"


def _entry(entry: BootEntry) -> list[str]:
    default = ", default" if entry.is_default else ""
    title = f" {entry.title!r}" if entry.title else ""
    return [
        f"boot       {entry.kind.value} {entry.scope}:{entry.path}{title}{default}",
        f"           {entry.command_line}",
    ]
