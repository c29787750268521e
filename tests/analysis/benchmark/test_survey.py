"""A survey says of every rule about files what looking at each file by itself would say."""

from __future__ import annotations

import random
from dataclasses import replace
from fnmatch import fnmatchcase

import pytest

from rocketaudit.analysis.benchmark.survey import Survey, survey_of
from rocketaudit.analysis.benchmark.words.no_files import PROPERTIES, RARE, NoFiles
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Plane
from rocketaudit.model.files import FileCapability, FileRecord
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.target import Target, TargetKind
from rocketaudit.model.verdict import Verdict

NAMES = (
    "sh",
    "bash",
    "bash-5",
    "id_rsa",
    "x.pem",
    ".pem",
    "python3",
    "pythonic",
    "a\nb",
    "",
    "Python3",
    "%FF",
    "é.pem",
)
GLOBS = ("*.pem", "python[0-9]*", "bash-*", "*", "?h", "[!s]h", "*sh*", "a*b", "x.[p]em")
EXACT = ("sh", "id_rsa", "bin/sh", "usr/bin/bash-5", "absent")


def record(seed: random.Random) -> FileRecord:
    return FileRecord(
        seed.choice(("bank-a", "bank-b")),
        f"/{seed.choice(('usr/bin', 'opt', 'usr'))}/{seed.choice(NAMES)}",
        seed.choice(tuple(FileType)),
        seed.choice((0o755, 0o4755, 0o2711, 0o666, 0o1777, 0o640, 0o777)),
        seed.choice((0, 0, 0, 1000)),
        0,
        1,
        0,
        xattrs=seed.choice(((), (), (("system.posix_acl_access", "AA=="),))),
        selinux=seed.choice((None, "", "system_u:object_r:os_t:s0")),
        capability=seed.choice((None, None, FileCapability(("cap_net_raw",), (), effective=True))),
        content=seed.choice(("", "elf", "script", "image")),
        unread=seed.choice((None, None, "damaged")),
    )


def some(seed: int, count: int = 400) -> tuple[FileRecord, ...]:
    source = random.Random(seed)
    return tuple(record(source) for _ in range(count))


def test_what_is_rare_is_noted_whatever_else_a_file_is() -> None:
    for seed in range(20):
        files = some(seed)
        survey = Survey(files, "bank-a")
        assert survey.records == [one for one in files if one.scope == "bank-a"]
        assert survey.unread == [one for one in survey.records if one.unread is not None]
        for name in RARE:
            test = PROPERTIES[name][0]
            assert [one for one in survey.noted if test(one)] == [one for one in survey.records if test(one)], name


def test_names_are_found_as_by_looking_at_every_path() -> None:
    for seed in range(20):
        survey = Survey(some(seed), "bank-a")
        for glob in GLOBS:
            fits = [one for one in survey.records if fnmatchcase(one.path.rpartition("/")[2], glob)]
            assert survey.named((), (glob,)) == fits, glob
        for name in EXACT:
            assert survey.named((name,), ()) == [one for one in survey.records if one.path.endswith(f"/{name}")]
        both = [
            one
            for one in survey.records
            if one.path.endswith(tuple(f"/{name}" for name in EXACT))
            or any(fnmatchcase(one.path.rpartition("/")[2], glob) for glob in GLOBS[:3])
        ]
        assert survey.named(EXACT, GLOBS[:3]) == both


def test_other_files_get_another_survey_even_where_the_caches_were_handed_on() -> None:
    one = Evidence(Target("x", TargetKind.DIRECTORY), "bank-a", files=some(1))
    first = survey_of(one, "bank-a")
    assert survey_of(one, "bank-a") is first
    other = replace(one, files=one.files[:10])
    assert survey_of(other, "bank-a").files == one.files[:10]
    assert survey_of(one, "bank-a").files is one.files


@pytest.mark.parametrize("that_are", ["unlabelled", "capability", "access_list"])
def test_attributes_that_could_not_be_read_neither_pass_nor_fail(that_are: str) -> None:
    """As of a node without its raw disk, or of an image whose attributes are damaged."""
    word = NoFiles.of({"that_are": that_are, "under": ["/usr"]})
    labelled = FileRecord(
        "root", "/usr/bin/a", FileType.REGULAR, 0o755, 0, 0, 1, 0, xattrs=(("security.selinux", "eA=="),), selinux="x"
    )
    bare = replace(labelled, path="/usr/bin/b", xattrs=(), selinux=None, unread="attributes are not read")

    def verdict(*files: FileRecord) -> Verdict:
        evidence = Evidence(Target("t", TargetKind.DIRECTORY), "root", files=files, walked=("root",))
        return word.evaluate(evidence, (Plane.STATIC,), "root").verdict

    assert verdict(labelled) is Verdict.PASS
    assert verdict(labelled, bare) is Verdict.UNKNOWN
    assert verdict(labelled, replace(bare, path="/opt/b")) is Verdict.PASS
    assert verdict(labelled, replace(labelled, path="/usr/bin/c", unread="torn")) is Verdict.PASS
    capable = FileCapability(("cap_net_raw",), (), effective=True)
    bad = replace(labelled, xattrs=(("system.posix_acl_access", "AA=="),), selinux=None, capability=capable)
    assert verdict(bare, bad) is Verdict.FAIL
