"""The image that `rocketaudit demo` scans; docs/demo.md says what is planted in it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.resources import as_file, files
from pathlib import Path

NAME = "demo.img.lz4"


def demo_image_path() -> AbstractContextManager[Path]:
    """The compressed image as a file for as long as the context lasts (a temporary one from a zipped wheel)."""
    return as_file(files("rocketaudit.demo") / NAME)
