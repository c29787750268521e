"""Digests of partitions: what sha256sum says of the same bytes, and only for a bill of materials."""

from __future__ import annotations

import subprocess

import pytest

from rocketaudit.analysis.sbom import components
from rocketaudit.audit import Looking, look
from rocketaudit.evidence import partition_digests
from rocketaudit.model.fact import Key, Plane, State
from tests.images import Built
from tests.support import find_tool, needs_tools


def test_digests_are_those_of_the_partitions_and_reach_the_bill_of_materials(small_erofs_image: Built) -> None:
    needs_tools("sh", "sha256sum")
    evidence = look(small_erofs_image.path, Looking(sha512=True, workers=1), ())
    found = {fact.key.subject[0]: (fact.where, fact.value) for fact in evidence.find("partition", Plane.STATIC)}
    assert evidence.disk is not None
    names = {partition.name for partition in evidence.disk.partitions if str(partition.number) in found}
    assert {"BOTTLEROCKET-BOOT-A", "BOTTLEROCKET-ROOT-A", "BOTTLEROCKET-HASH-A"} <= names
    assert not {"BOTTLEROCKET-PRIVATE", "BOTTLEROCKET-DATA"} & names
    for partition in evidence.disk.partitions:
        if str(partition.number) in found:
            command = 'tail -c +"$1" "$0" | head -c "$2" | sha256sum'
            words = [str(find_tool("sh")), "-c", command, str(small_erofs_image.path)]
            said = subprocess.check_output([*words, str(partition.start + 1), str(partition.length)], text=True)
            assert found[str(partition.number)][1] == said.split()[0], partition.name
    properties = dict(components(evidence)[0].properties)
    assert {value for _, value in found.values()} <= set(properties.values())


def test_partitions_without_end_are_unread(small_erofs_image: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_digests, "MAX_BYTES", 1 << 20)
    evidence = look(small_erofs_image.path, Looking(sha512=True, workers=1), ())
    facts = list(evidence.find("partition", Plane.STATIC))
    assert State.UNREAD in {fact.state for fact in facts}
    assert all("more than 1048576 bytes" in fact.reason for fact in facts if fact.state is State.UNREAD)
    assert evidence.get(Key("partition", ("99",), "sha256"), Plane.STATIC).state is State.UNREAD


def test_nobody_else_pays_for_them(small_erofs_image: Built) -> None:
    evidence = look(small_erofs_image.path, Looking(workers=1), ())
    assert not list(evidence.find("partition", Plane.STATIC))
