"""Libraries are found in the loader's order, inside the image only."""

from __future__ import annotations

from dataclasses import replace

from rocketaudit.analysis.linking import Link, link_of, links, resolve_needed, shadowing_libraries
from rocketaudit.model.binary import Binary
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.filesystem import FileType
from tests.analysis.made import binary, evidence, record


def path_of(value: Evidence, program: Binary, name: str) -> str | None:
    return link_of(value, program, name).path


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
    assert path_of(value, program, "liba.so") == "/opt/app/lib/liba.so"
    assert path_of(value, program, "libb.so") == "/opt/lib64/libb.so"


def test_a_name_with_a_slash_is_a_path() -> None:
    program = binary("/usr/bin/x")
    value = evidence(binaries=(program,), files=(record("/opt/y.so"),))
    assert path_of(value, program, "/opt/y.so") == "/opt/y.so"
    assert path_of(value, program, "../../../../opt/y.so") == "/opt/y.so"
    assert path_of(value, program, "/opt/z.so") is None


def test_a_library_that_nothing_provides_and_one_that_hides_the_systems_are_told() -> None:
    program = binary("/opt/app/bin/x", needed=("liba.so", "libb.so", "libc.so.6", "libgone.so"))
    program = replace(program, hardening=replace(program.hardening, runpath="/opt/app/lib"))
    files = (
        record("/opt/app/lib/liba.so", sha256="11" * 32),
        record("/usr/lib/liba.so", sha256="22" * 32),
        record("/opt/app/lib/libb.so"),
        record("/usr/lib/libb.so"),
        record("/usr/lib/libc.so.6"),
    )
    value = evidence(binaries=(program,), files=files)
    assert list(links(value, program)) == [
        Link("liba.so", "/opt/app/lib/liba.so", shadows="/usr/lib/liba.so"),
        Link("libb.so", "/opt/app/lib/libb.so"),  # the same bytes
        Link("libc.so.6", "/usr/lib/libc.so.6"),
        Link("libgone.so", None),
    ]
    assert [(one.path, link.name) for one, link in shadowing_libraries(value)] == [("/opt/app/bin/x", "liba.so")]


def test_without_a_search_path_of_its_own_a_program_hides_nothing() -> None:
    program = binary("/usr/bin/x", needed=("liba.so",))
    files = (record("/lib64/liba.so", sha256="11" * 32), record("/usr/lib/liba.so", sha256="22" * 32))
    value = evidence(binaries=(program,), files=files)
    assert list(links(value, program)) == [Link("liba.so", "/lib64/liba.so")]
    assert list(shadowing_libraries(value)) == []
