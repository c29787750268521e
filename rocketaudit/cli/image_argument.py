"""IMAGE[@PARTITION] as the commands that look inside an image take it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rocketaudit.errors import FormatError, RocketauditError, UsageError

if TYPE_CHECKING:
    from rocketaudit.model.disk import Partition
    from rocketaudit.source.image import ImageSource
    from rocketaudit.source.tree import Tree

ImageArgument = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE[@PARTITION]",
        help="A disk image in any container; PARTITION is a number, a scope (bank-a, boot-a, efi-a, private ...) "
        "a name, a label or a GUID. Default: the root that boots next.",
    ),
]
Form = Annotated[str, typer.Option("-o", "--output", metavar="console|json", help="How to print.")]


@contextmanager
def opened_image(path: Path, *, tmp_dir: Path | None = None, limits: list[str] | None = None) -> Iterator[ImageSource]:
    """The opened image, closed again at the end; errors as `open_image`.

    FormatError at the end, when all is printed, where what came out is not all, or not what its packer noted.
    """
    from rocketaudit.cli.limits import bounds_of
    from rocketaudit.cli.progress import shown_progress
    from rocketaudit.evidence.identity import begin_content_check
    from rocketaudit.source.image import open_image
    from rocketaudit.source.opening import name_target

    budget = bounds_of(limits).budget()
    try:
        with shown_progress(quiet=False) as progress:
            source = open_image(path, budget=budget, tmp_dir=tmp_dir, progress=progress, looks_beside=True)
    except RocketauditError as error:
        name_target(error, path)
        raise
    content = begin_content_check(source, 2)
    try:
        yield source
        for problem in (*source.disk.container.problems, *content()):
            if problem.in_doubt:
                raise FormatError(f"{path.name}: {problem.what}")
    finally:
        source.close()


def split_argument(text: str) -> tuple[Path, str]:
    """(image, partition or ""); a file whose own name holds an @ is taken as it is."""
    if not os.path.lexists(text) and "@" in text:
        image, _, partition = text.rpartition("@")
        if image and partition:
            return Path(image), partition
    return Path(text), ""


def choose_tree(source: ImageSource, wanted: str) -> Tree:
    """The tree of a partition by number, scope, GUID or UUID, GPT name or label; UsageError that lists what there is.

    In this order, so that nobody can name a partition like the number or the scope of another.
    """
    if not wanted:
        tree = next((tree for tree in source.trees if tree.scope == source.judged), None)
        if tree is not None:
            return tree
        raise UsageError("no root file system was found; name a partition", hint=_offers(source))
    for partition in _called(source.disk.partitions, wanted):
        tree = next((tree for tree in source.trees if tree.scope == partition.scope), None)
        if tree is not None:
            return tree
        what = partition.detail or f"{partition.content.value}, which is no file system that we read"
        raise UsageError(f"partition {wanted} holds {what}", hint=_offers(source))
    raise UsageError(f"there is no partition {wanted}", hint=_offers(source))


def _called(partitions: Sequence[Partition], wanted: str) -> Iterator[Partition]:
    """The partitions that `wanted` may mean, the likeliest first."""
    for names in (
        lambda one: (str(one.number),),
        lambda one: (one.scope,),
        lambda one: (one.unique_guid.upper(), one.uuid.upper()),
        lambda one: (one.name,),
        lambda one: (one.label,),
    ):
        yield from (one for one in partitions if wanted in names(one) or wanted.upper() in names(one))


def path_of(text: str) -> str:
    """A path argument as BytePath text: as `ls` prints it, or else as the plain name that was typed."""
    from rocketaudit.model import bytepath

    try:
        bytepath.decode(text)
    except (ValueError, UnicodeEncodeError):
        return bytepath.encode(os.fsencode(text))
    return text


def refuse_form(form: str) -> None:
    """UsageError for anything but console and json."""
    if form not in ("console", "json"):
        raise UsageError(f"unknown output {form!r}", hint="console or json")


def _offers(source: ImageSource) -> str:
    return "partitions with files: " + (", ".join(tree.scope for tree in source.trees) or "none")
