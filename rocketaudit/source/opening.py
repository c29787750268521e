"""Opens whatever the user names: a folder, a disk image in any container, a bare file system."""

from __future__ import annotations

from pathlib import Path

from rocketaudit.errors import RocketauditError, SourceError, UsageError
from rocketaudit.model.budget import Budget
from rocketaudit.model.progress import Progress
from rocketaudit.source.directory import DirectorySource
from rocketaudit.source.protocol import Source


def open_target(
    path: Path,
    *,
    budget: Budget,
    tmp_dir: Path | None,
    progress: Progress,
    data_disk: Path | None = None,
    looks_beside: bool = True,
) -> Source:
    """The target as a Source, or SourceError/FormatError that says why it cannot be opened.

    `data_disk` and `looks_beside` as `open_image` takes them.
    """
    if not path.exists():
        raise SourceError(f"{path}: no such file or folder")
    if path.is_dir():
        if data_disk is not None:
            raise UsageError("a folder has no data disk")
        return DirectorySource(str(path), budget)
    from rocketaudit.source.image import open_image

    try:
        return open_image(
            path, budget=budget, tmp_dir=tmp_dir, progress=progress, data_disk=data_disk, looks_beside=looks_beside
        )
    except RocketauditError as error:
        name_target(error, path)
        if error.hint is None and path.suffix == ".json":
            error.hint = "evidence and reports are taken by `rocketaudit judge` and `rocketaudit report`"
        raise


def name_target(error: RocketauditError, path: Path) -> None:
    """Put the target before a message that does not name it."""
    if str(path) not in error.message:
        error.message = f"{path}: {error.message}"
