"""`rocketaudit verity`: recompute a dm-verity tree, of an image's banks or of two bare devices, and list bad blocks."""

from __future__ import annotations

import json
import os
import string
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.cli.options import Limits, Quiet, TempDir
from rocketaudit.cli.progress import shown_progress
from rocketaudit.errors import FormatError, SourceError, UsageError

if TYPE_CHECKING:
    from rocketaudit.formats.verity import Superblock
    from rocketaudit.model.progress import Progress
    from rocketaudit.model.verity import BadBlock, TreeCheck, VerityParameters

_SHOWN = 20  # bad blocks on the console; JSON has them all, up to the bound of the check


def verity(
    target: Annotated[Path, typer.Argument(help="A disk image; or with --hash-device the data device.")],
    hash_device: Annotated[Path | None, typer.Option(help="File or block device that holds the hash tree.")] = None,
    root_hash: Annotated[str | None, typer.Option(help="The root hash to trust, in hexadecimal.")] = None,
    no_superblock: Annotated[bool, typer.Option("--no-superblock", help="There is no verity superblock.")] = False,
    salt: Annotated[str | None, typer.Option(help="Salt in hexadecimal; - for none.")] = None,
    hash_format: Annotated[int | None, typer.Option("--format", help="Hash type: 1, or 0 (Chrome OS).")] = None,
    data_block_size: Annotated[int | None, typer.Option(help="Bytes per data block. Default: 4096.")] = None,
    hash_block_size: Annotated[int | None, typer.Option(help="Bytes per hash block. Default: 4096.")] = None,
    data_blocks: Annotated[int | None, typer.Option(help="Data blocks. Default: the whole device.")] = None,
    hash_offset: Annotated[int, typer.Option(min=0, help="Byte on the hash device where it begins.")] = 0,
    algorithm: Annotated[str | None, typer.Option("--hash", help="Hash algorithm. Default: sha256.")] = None,
    output: Annotated[str, typer.Option("-o", "--output", metavar="console|json", help="How to print.")] = "console",
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 2,
    tmp_dir: TempDir = None,
    limits: Limits = None,
    quiet: Quiet = False,
) -> int:
    """Recompute dm-verity trees and list bad blocks: of IMAGE, or of two bare devices as `veritysetup verify` does.

    Exit codes: 0 verified, 1 corrupt, 2 usage, 3 unreadable. Options win over the superblock, which nothing
    authenticates; where it says something else, that is corruption too.
    """
    if output not in ("console", "json"):
        raise UsageError(f"--output {output!r}: console or json")
    if hash_device is None:
        described = (root_hash, salt, hash_format, data_block_size, hash_block_size, data_blocks, algorithm)
        if no_superblock or hash_offset or any(one is not None for one in described):
            raise UsageError("these options describe bare devices", hint="name the hash tree with --hash-device")
        from rocketaudit.cli.banks import verity_of_image

        return verity_of_image(target, output, workers, tmp_dir, limits, quiet=quiet)
    if root_hash is None:
        raise UsageError("--hash-device needs --root-hash")
    if not root_hash or set(root_hash) - set(string.hexdigits):
        raise UsageError(f"--root-hash {root_hash[:40]!r} is not hexadecimal")
    given = {
        "hash_type": hash_format,
        "algorithm": algorithm,
        "data_block_size": data_block_size,
        "hash_block_size": hash_block_size,
        "data_blocks": data_blocks,
        "salt": "" if salt == "-" else salt,
    }
    _check_given(given, hash_offset)
    with shown_progress(quiet=quiet) as progress:
        check, fields = _check_devices(
            target, hash_device, root_hash, given, hash_offset, no_superblock, workers, progress
        )
    _print_check(check, fields, output)
    return exit_code_of(check, fields)


def _check_given(given: dict[str, int | str | None], hash_offset: int) -> None:
    """UsageError for what no tree can have; found before any device is opened."""
    from rocketaudit.formats.verity import MAX_SALT, new_hash

    salt, blocks = str(given["salt"] or ""), given["data_blocks"]
    if given["hash_type"] not in (None, 0, 1):
        raise UsageError(f"--format {given['hash_type']}: 1, or 0 (Chrome OS)")
    if isinstance(blocks, int) and blocks < 0:
        raise UsageError(f"--data-blocks {blocks}: less than none")
    if len(salt) % 2 or set(salt) - set(string.hexdigits) or len(salt) > 2 * MAX_SALT:
        raise UsageError(f"--salt {salt[:40]!r}: up to {MAX_SALT} bytes in hexadecimal")
    if hash_offset % 512:
        raise UsageError(f"--hash-offset {hash_offset} is no multiple of 512")
    if given["algorithm"] is not None:
        try:
            new_hash(str(given["algorithm"]))
        except FormatError as error:
            raise UsageError(f"--hash: {error.message}") from error


def exit_code_of(check: TreeCheck, superblock_fields: tuple[BadBlock, ...] = ()) -> int:
    """0 verified, 1 corrupt (also when the superblock contradicts), 3 not everything could be read."""
    from rocketaudit.model.verity import TreeVerdict

    if check.verdict is TreeVerdict.CORRUPT or superblock_fields:
        return ExitCode.FAILS_POLICY
    return ExitCode.MEETS_POLICY if check.verdict is TreeVerdict.VERIFIED else ExitCode.UNREAD


def _check_devices(
    data_path: Path,
    hash_path: Path,
    root_hash: str,
    given: dict[str, int | str | None],
    hash_offset: int,
    no_superblock: bool,
    workers: int,
    progress: Progress,
) -> tuple[TreeCheck, tuple[BadBlock, ...]]:
    from rocketaudit.evidence.tree_check import check_tree, read_superblock
    from rocketaudit.formats.verity import compare_superblock, layout_of
    from rocketaudit.source.span import open_span

    with open_span(str(data_path)) as data, open_span(str(hash_path)) as hashes:
        if os.path.samefile(data_path, hash_path):
            hashes = data
        header = None if no_superblock else read_superblock(hashes, hash_offset)
        room = hash_offset if hashes is data else data.size
        parameters = _parameters(header, given, root_hash, hash_offset, room)
        try:
            layout = layout_of(parameters)
        except FormatError as error:
            if header is None:  # nothing but the user's own words
                raise UsageError(error.message, hint=error.hint) from error
            raise
        fields: tuple[BadBlock, ...] = ()
        if header is not None:
            stored = header if header.data_blocks else replace(header, data_blocks=parameters.data_blocks)
            fields = compare_superblock(stored, parameters, hash_offset)
        where = None if no_superblock else hash_offset
        try:
            return check_tree(layout, data, hashes, workers=workers, superblock_at=where, progress=progress), fields
        except OSError as error:
            raise SourceError(f"the hash tree cannot be read: {error.strerror}") from error


def _parameters(
    header: Superblock | None,
    given: dict[str, int | str | None],
    root_hash: str,
    hash_offset: int,
    room: int,
) -> VerityParameters:
    """Options first, then the superblock, then the defaults of veritysetup."""
    from rocketaudit.formats.verity import check_block_size, hash_start_block
    from rocketaudit.model.verity import VerityParameters

    stated: dict[str, int | str] = {
        "hash_type": 1,
        "algorithm": "sha256",
        "data_block_size": 4096,
        "hash_block_size": 4096,
        "data_blocks": 0,
        "salt": "",
    }
    if header is not None:
        stated.update({name: getattr(header, name) for name in stated if name != "salt"}, salt=header.salt.hex())
    stated.update({name: value for name, value in given.items() if value is not None})
    sizes = {name: int(stated[name]) for name in ("data_block_size", "hash_block_size", "hash_type", "data_blocks")}
    for name in ("data", "hash"):
        try:
            check_block_size(name, sizes[f"{name}_block_size"])
        except FormatError as error:
            raise UsageError(error.message) from error
    if sizes["data_blocks"] == 0:
        sizes["data_blocks"] = room // sizes["data_block_size"]
    start = hash_start_block(hash_offset, sizes["hash_block_size"], has_superblock=header is not None)
    return VerityParameters(
        hash_type=sizes["hash_type"],
        algorithm=str(stated["algorithm"]).lower(),
        data_block_size=sizes["data_block_size"],
        hash_block_size=sizes["hash_block_size"],
        data_blocks=sizes["data_blocks"],
        salt=str(stated["salt"]).lower(),
        root_hash=root_hash.lower(),
        hash_start_block=start,
    )


def check_as_json(check: TreeCheck, superblock_fields: tuple[BadBlock, ...] = ()) -> dict[str, object]:
    """The JSON of one tree; `bad_blocks` lists the superblock's contradictions first."""
    record: dict[str, object] = asdict(check)
    record["verdict"] = "corrupt" if superblock_fields else check.verdict.value
    record["bad_blocks"] = [asdict(block) for block in (*superblock_fields, *check.bad_blocks)]
    record["bad_blocks_total"] = check.bad_blocks_total + len(superblock_fields)
    record["refused"] = [[each.first, each.last] for each in check.refused]
    return record


def _print_check(check: TreeCheck, superblock_fields: tuple[BadBlock, ...], output: str) -> None:
    if output == "json":
        json.dump(check_as_json(check, superblock_fields), sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    parameters = check.parameters
    verdict = "corrupt" if superblock_fields else check.verdict.value
    size = f"{parameters.data_blocks} data blocks of {parameters.data_block_size} bytes"
    lines = [
        f"{verdict}: {size}, {parameters.algorithm}",
        f"root hash   {parameters.root_hash}",
        f"recomputed  {check.recomputed_root_hash or 'not possible'}",
    ]
    blocks = (*superblock_fields, *check.bad_blocks)
    for block in blocks[:_SHOWN]:
        extra = f" ({block.why})" if block.why else ""
        lines.append(f"bad {block.level} block {block.block}, bytes {block.offset}+{block.length}{extra}")
    total = check.bad_blocks_total + len(superblock_fields)
    if total > min(len(blocks), _SHOWN):
        lines.append(f"... {total} bad blocks in all")
    if check.first_bad_position is not None:
        lines.append(f"first bad position: byte {check.first_bad_position} of the {check.first_bad_on} device")
    for each in check.unread[:_SHOWN]:
        lines.append(f"unread: data blocks {each.first} to {each.last}: {each.reason}")
    for slack in check.slack:
        lines.append(f"not covered: {slack.count} bytes other than zero, {slack.what}, from byte {slack.first}")
    sys.stdout.write("\n".join(lines) + "\n")
