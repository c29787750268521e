"""Large programs are read without their machine code, and say the same as when all of their bytes are at hand."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from rocketaudit.evidence import reading
from rocketaudit.evidence.codeless import WORTH_A_HOLE, Codeless
from rocketaudit.evidence.reading import FileRead, read_file
from rocketaudit.formats.elf import Named, read_elf
from rocketaudit.formats.elf.header import SHF_EXECINSTR, parse_header
from rocketaudit.model.evidence import Wants
from rocketaudit.source.memory import MemoryFileSystem
from tests.images.compile import find_compiler
from tests.support import REPO

CODE = 3 * WORTH_A_HOLE
SOURCE = """
#include <stdio.h>
#include <string.h>
asm(".text\\n.globl filler\\nfiller: .skip %d, 0x90\\n");
char copy[64];
int main(int argc, char **argv) { strcpy(copy, argv[0]); return printf("%%s %%d\\n", copy, argc) < 0; }
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A C program with CODE bytes of machine code."""
    compiler = find_compiler("c")
    if compiler is None:
        pytest.skip("no compiler for c")
    folder = tmp_path_factory.mktemp("program")
    (folder / "program.c").write_text(SOURCE % CODE)
    command = [compiler, "-O2", "-o", str(folder / "program"), str(folder / "program.c")]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "program").read_bytes()


def read(data: bytes, **wants: bool) -> FileRead:
    fs = MemoryFileSystem({"/program": data})
    ((_, node),) = fs.entries(fs.root())
    return read_file(fs, node, "root", "/program", Wants(**wants))  # type: ignore[arg-type]


def whole(data: bytes) -> FileRead:
    """What is read of a program when all of its bytes are at hand."""
    room = pytest.MonkeyPatch()
    room.setattr(reading, "CODELESS", 1 << 40)
    try:
        return read(data)
    finally:
        room.undo()


def holes_of(data: bytes) -> tuple[tuple[int, int], ...]:
    made = Codeless(len(data))
    made.plan(data[: 1 << 20], lambda offset, length: data[offset : offset + length])
    return made.holes


@pytest.fixture(autouse=True)
def small_programs_count_as_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CODELESS", 1 << 20)


def section_row(data: bytes, name: str) -> int:
    """Where the row of a section of a 64-bit file begins."""
    index = parse_header(data).section_index[name]
    return int(struct.unpack_from("<Q", data, 40)[0]) + 64 * index


def test_code_stays_out_of_memory_and_nothing_is_missed(program: bytes) -> None:
    holes = holes_of(program)
    assert sum(end - start for start, end in holes) > CODE - (1 << 16)
    found = read(program)
    assert found == whole(program)
    assert found.binary == read_elf(program, Named("root", "/program", found.sha256 or ""))
    assert found.binary is not None and found.binary.language == "c" and found.binary.needed == ("libc.so.6",)


def test_both_digests_are_those_of_the_whole_file(program: bytes) -> None:
    import hashlib

    found = read(program, sha512=True)
    assert found.sha256 == hashlib.sha256(program).hexdigest()
    assert found.sha512 == hashlib.sha512(program).hexdigest()
    assert read(program, digests=False).sha256 is None


def test_tables_that_lie_in_what_the_file_calls_code_are_read_all_the_same(program: bytes) -> None:
    """The loader does not look at sections: names of needed libraries may lie anywhere."""
    data = bytearray(program)
    row = section_row(program, ".dynstr")
    size = struct.unpack_from("<Q", data, row + 32)[0]
    behind = len(data)
    data += bytes(-len(data) % 4096)
    start = len(data)
    strings = parse_header(program).string_table
    assert strings is not None
    data += program[strings[0] : strings[0] + size] + bytes(WORTH_A_HOLE * 2)
    segments = struct.unpack_from("<Q", data, 32)[0]
    for index, segment in enumerate(parse_header(program).segments):
        if segment.type == 0x6474E551:  # PT_GNU_STACK becomes the segment that the string table lies in
            values = (1, 5, start, 0x7000_0000, 0x7000_0000, len(data) - start, len(data) - start, 4096)
            struct.pack_into("<IIQQQQQQ", data, segments + 56 * index, *values)
    dynamic = parse_header(program).section(".dynamic")
    assert dynamic is not None
    for at in range(dynamic.offset, dynamic.offset + dynamic.size, 16):
        if struct.unpack_from("<Q", data, at)[0] == 5:
            struct.pack_into("<Q", data, at + 8, 0x7000_0000)
    struct.pack_into("<IIQQQQ", data, row, 0, 1, 2 | SHF_EXECINSTR, 0x7000_0000, start, len(data) - start)
    assert behind < start
    assert any(first <= start + 4096 < last for first, last in holes_of(bytes(data)))
    found = read(bytes(data))
    assert found.binary is not None and found.binary.needed == ("libc.so.6",)
    assert found == whole(bytes(data))


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (40, b"\xff" * 8),  # the section table lies nowhere
        (40, struct.pack("<Q", 8)),  # in the header
        (60, b"\xff\xff"),  # has too many rows
        (60, b"\0\0"),  # and none
        (4, b"\1"),  # a 32-bit file
        (5, b"\2"),  # big endian
        (32, b"\xff" * 8),  # no segments
    ],
)
def test_damaged_headers_say_the_same_as_with_all_bytes(program: bytes, offset: int, value: bytes) -> None:
    data = program[:offset] + value + program[offset + len(value) :]
    assert read(data) == whole(data)


def test_sections_that_overlap_or_leave_the_file_make_no_holes(program: bytes) -> None:
    row = section_row(program, ".text")
    for start, size in ((0, 1 << 40), (len(program) - 100, 2 * WORTH_A_HOLE)):
        data = bytearray(program)
        struct.pack_into("<QQ", data, row + 24, start, size)
        assert holes_of(bytes(data)) == ()
        assert read(bytes(data)) == whole(bytes(data))
    data = bytearray(program)
    twin = section_row(program, ".rodata")
    data[twin + 8 : twin + 64] = data[row + 8 : row + 64]
    assert holes_of(bytes(data)) == ()


def test_a_look_into_a_hole_is_noticed() -> None:
    made = Codeless(8 << 20)
    made.holes = ((1 << 20, 7 << 20),)
    made.fill([bytes(8 << 20)], len)
    assert not made.was_missed()
    assert made.memory[5 << 20] == 0
    assert made.was_missed()


@pytest.mark.parametrize("size", [CODE, 5 * CODE])
def test_a_file_of_another_size_is_unread(program: bytes, size: int) -> None:
    """A live file that grows or shrinks while it is read."""
    made = Codeless(size)
    made.plan(program, lambda offset, length: program[offset : offset + length])
    with pytest.raises(Exception, match=r"goes on behind|ends after"):
        made.fill([program], len)


def test_code_takes_no_memory(tmp_path: Path, program: bytes) -> None:
    text = (
        "import sys; from pathlib import Path\n"
        "from rocketaudit.evidence.reading import read_file\n"
        "from rocketaudit.model.evidence import Wants\n"
        "from rocketaudit.source.directory import DirectoryFileSystem\n"
        "fs = DirectoryFileSystem(sys.argv[1])\n"
        "((_, node),) = fs.entries(fs.root())\n"
        "assert read_file(fs, node, '', '', Wants()).binary.error is None\n"
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])\n"
    )
    peaks = []
    for name, large in (("small", 0), ("large", 96 << 20)):
        folder = tmp_path / name
        folder.mkdir()
        compiler = find_compiler("c")
        (tmp_path / "program.c").write_text(SOURCE % (CODE * 3 + large))
        command = [str(compiler), "-O2", "-o", str(folder / "program"), str(tmp_path / "program.c")]
        subprocess.run(command, check=True, capture_output=True)
        environment = {**os.environ, "PYTHONPATH": str(REPO)}
        command = [sys.executable, "-c", text, str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 8 << 10, peaks
