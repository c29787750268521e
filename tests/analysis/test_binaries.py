"""The census counts what is there, calls nothing safe that is not known to be, and puts the exposed first."""

from __future__ import annotations

from dataclasses import replace

from rocketaudit.analysis.binaries import census
from rocketaudit.model.binary import BinaryKind, Language
from rocketaudit.model.files import FileCapability
from tests.analysis.made import binary, evidence, fact, package, record

RUST = {"language": Language.RUST, "code_bytes": 600}
C = {"language": Language.C, "code_bytes": 300}


def test_shares_count_unknown_and_packed_files_as_unsafe() -> None:
    found = census(
        evidence(
            binaries=(
                binary("/a", **RUST),
                binary("/b", **C),
                binary("/c", language=Language.UNKNOWN, code_bytes=50),
                binary("/d", language=Language.PACKED, code_bytes=50),
            )
        )
    )
    assert found.files == 4
    assert found.memory_safe_share_files == 0.25
    assert found.memory_safe_share_bytes == 0.6


def test_other_languages_count_by_the_safety_of_their_runtime() -> None:
    safe = binary("/a", language=Language.OTHER, runtime="ocaml", code_bytes=10)
    unsafe = binary("/b", language=Language.OTHER, runtime="pascal", code_bytes=10)
    assert census(evidence(binaries=(safe, unsafe))).memory_safe_share_files == 0.5


def test_object_files_and_other_trees_are_left_out() -> None:
    inside = binary("/a", **RUST)
    found = census(
        evidence(
            binaries=(
                inside,
                replace(inside, path="/b.o", kind=BinaryKind.RELOCATABLE),
                replace(inside, scope="bank-b"),
            )
        )
    )
    assert found.files == 1


def test_a_c_program_with_rust_inside_contains_rust() -> None:
    found = census(evidence(binaries=(binary("/a", **C, contains=("rust",)), binary("/b", **RUST))))
    assert found.contains_rust == 2


def test_groups_are_all_folders_and_packages_and_modules_stand_together() -> None:
    value = evidence(
        packages=(package("tool"),),
        binaries=(
            binary("/usr/bin/tool", **RUST),
            binary("/usr/lib/modules/6.12/kernel/a/b.ko", **C),
            binary("/usr/lib/modules/6.12/kernel/c/d.ko", **C),
        ),
    )
    rows = {(row.group, row.language): (row.files, row.code_bytes) for row in census(value).rows}
    assert rows["all", "c"] == (2, 600)
    assert rows["/usr/lib/modules", "c"] == (2, 600)
    assert rows["package:tool", "rust"] == (1, 600)
    assert rows["package:", "c"] == (2, 600)
    assert census(value).rows[0].group == "all"


def test_setuid_programs_come_first_then_those_that_face_the_network() -> None:
    capability = FileCapability(("cap_net_raw",), (), True)
    value = evidence(
        binaries=(
            binary("/usr/bin/ping", **C),
            binary("/usr/bin/su", **C),
            binary("/usr/bin/api", **RUST),
            binary("/usr/bin/calm", **C),
        ),
        facts=(
            fact("unit", "api.service", ("/usr/bin/api --port 80",), "commands"),
            fact("unit", "api.socket", ("0.0.0.0:80",), "listens"),
            fact("unit", "calm.service", ("-/usr/bin/calm",), "commands"),
            fact("unit", "calm.socket", ("/run/calm.sock",), "listens"),
        ),
    )
    files = tuple(record for record in value.files if record.path not in ("/usr/bin/ping", "/usr/bin/su"))
    files += (record("/usr/bin/ping", capability=capability), record("/usr/bin/su", mode=0o4755))
    found = census(replace(value, files=files, _files={}, _children={})).exposed
    assert found == (
        ("/usr/bin/ping", "c", "file capabilities: cap_net_raw"),
        ("/usr/bin/su", "c", "setuid root"),
        ("/usr/bin/api", "rust", "faces the network (api.service)"),
    )


def test_nothing_gives_no_share_instead_of_a_full_one() -> None:
    found = census(evidence())
    assert (found.files, found.memory_safe_share_files, found.memory_safe_share_bytes) == (0, None, None)
