"""Evidence made by hand for analyses: a small root with packages, programs, libraries, licences and a vendor's list."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rocketaudit.model.binary import Binary, Confidence, Crate, GoModule
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, JsonValue, Key, Locator, Plane, State
from rocketaudit.model.files import FileRecord
from rocketaudit.model.filesystem import FileType
from rocketaudit.model.package import Package
from rocketaudit.model.target import Target, TargetKind
from tests.model.test_codec import sample

SCOPE = "bank-a"
TARGET = Target("image.img", TargetKind.IMAGE, os_name="Bottlerocket OS", version="1.57.0", arch="x86_64")


def binary(path: str, **fields: Any) -> Binary:
    base = sample(0, 1).binaries[0]
    plain = replace(base, scope=SCOPE, path=path, crates=(), needed=(), contains=(), shares=())
    return replace(plain, **fields)


def record(path: str, kind: FileType = FileType.REGULAR, **fields: Any) -> FileRecord:
    base = FileRecord(SCOPE, path, kind, 0o755, 0, 0, 100, 1_700_000_000, sha256="cd" * 32)
    return replace(base, **fields)


def package(name: str, version: str = "1.0", **fields: Any) -> Package:
    return replace(Package(name, version, "1.br1", "0", "x86_64", "bottlerocket-core-kit", scope=SCOPE), **fields)


def fact(namespace: str, subject: str, value: JsonValue, attribute: str = "") -> Fact:
    where = Locator(TARGET.name, SCOPE, f"/usr/share/{namespace}")
    return Fact(Key(namespace, (subject,), attribute), Plane.STATIC, State.PRESENT, where, value, scope=SCOPE)


def crate(name: str, version: str, evidence: str = "path", **fields: Any) -> Crate:
    return replace(Crate(name, version, "crates.io", evidence, Confidence.HIGH), **fields)


def module(path: str, version: str, replaced_by: str | None = None) -> GoModule:
    return GoModule(path, version, replaced_by, "h1:abc")


def evidence(**fields: Any) -> Evidence:
    binaries = fields.pop("binaries", ())
    files = (*fields.pop("files", ()), *(record(b.path, content="elf", sha256=b.sha256) for b in binaries))
    return Evidence(TARGET, SCOPE, files=files, binaries=binaries, walked=(SCOPE,), **fields)


def os_release(**values: str) -> tuple[Fact, ...]:
    return tuple(fact("os_release", name, value) for name, value in values.items())


def vendor(*rows: tuple[str, str, str]) -> Fact:
    return fact("vendor_sbom", "cyclonedx-sbom.json", rows, "components")
