"""Libraries are found in the loader's order, inside the image only."""

from __future__ import annotations

from dataclasses import replace

from rocketaudit.analysis.linking import find_library, resolve_needed
from rocketaudit.model.filesystem import FileType
from tests.analysis.made import binary, evidence, record


def test_a_library_is_found_through_links_and_counted_once() -> None:
    program = binary("/usr/bin/x", needed=("libc.so.6", "libmissing.so"))
    value = evidence(
        binaries=(program,),
        files=(
            record("/lib64", FileType.SYMLINK, target="usr/lib"),
            record("/usr/lib/libc.so.6", FileType.SYMLINK, target="libc-2.43.so"),
            record("/usr/lib/libc-2.43.so"),
        ),
    )
    assert list(resolve_needed(value, program)) == ["/usr/lib/libc-2.43.so"]


def test_runpath_with_origin_comes_first() -> None:
    program = binary("/opt/app/bin/x")
    program = replace(program, hardening=replace(program.hardening, runpath="$ORIGIN/../lib:/opt/${LIB}"))
    files = (record("/opt/app/lib/liba.so"), record("/usr/lib/liba.so"), record("/opt/lib64/libb.so"))
    value = evidence(binaries=(program,), files=files)
    assert find_library(value, program, "liba.so") == "/opt/app/lib/liba.so"
    assert find_library(value, program, "libb.so") == "/opt/lib64/libb.so"


def test_a_name_with_a_slash_is_a_path() -> None:
    program = binary("/usr/bin/x")
    value = evidence(binaries=(program,), files=(record("/opt/y.so"),))
    assert find_library(value, program, "/opt/y.so") == "/opt/y.so"
    assert find_library(value, program, "../../../../opt/y.so") == "/opt/y.so"
    assert find_library(value, program, "/opt/z.so") is None
