"""Recipes that build real disk images with the real tools; see recipe.py."""

from tests.images.assemble import flip_byte
from tests.images.disk import Partition, Sizes, VerityTree
from tests.images.plants import PLANTS, FileFlip, Flip
from tests.images.recipe import TOOLS, build, damaged_copy
from tests.images.release import Release
from tests.images.spec import Built, ImageSpec
from tests.images.tree import Expected

__all__ = ["PLANTS", "TOOLS", "Built", "Expected", "FileFlip", "Flip", "ImageSpec", "Partition", "Release"]
__all__ += ["Sizes", "VerityTree", "build", "damaged_copy", "flip_byte"]
