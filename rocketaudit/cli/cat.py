"""`rocketaudit cat`: the bytes of one file of an image."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.cli.image_argument import ImageArgument, choose_tree, opened_image, path_of, split_argument
from rocketaudit.cli.options import Limits, TempDir
from rocketaudit.errors import SourceError


def cat(
    image: ImageArgument,
    path: Annotated[str, typer.Argument(help="A file, as `ls` prints it; links are followed.")],
    tmp_dir: TempDir = None,
    limits: Limits = None,
) -> int:
    """Print a file of an image: its bytes, or on a terminal its text with control characters made visible."""
    from rocketaudit.model.filesystem import FileType
    from rocketaudit.report.escape import terminal

    file, partition = split_argument(image)
    with opened_image(file, tmp_dir=tmp_dir, limits=limits) as source:
        tree = choose_tree(source, partition)
        found, node = tree.lookup(path_of(path))
        if node.type is not FileType.REGULAR:
            raise SourceError(f"{found} is a {node.type}, not a regular file")
        for piece in tree.fs.chunks(node):
            if sys.stdout.isatty():
                typer.echo(terminal(bytes(piece).decode("utf-8", "backslashreplace"), lines=True), nl=False)
            else:
                sys.stdout.buffer.write(piece)
        sys.stdout.flush()
    return ExitCode.MEETS_POLICY
