"""Go modules as components: the main module, those linked in, and Go's own library.

A main module that Go calls "(devel)" gets the version that its build settings state, or none, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from rocketaudit.analysis.sbom.purl import go_purl, make_purl
from rocketaudit.model.binary import Binary, Confidence, GoModule
from rocketaudit.model.component import Component
from rocketaudit.model.fact import Locator
from rocketaudit.model.records import dataclass

CERTAINTY = {Confidence.HIGH: 0.95, Confidence.MEDIUM: 0.7, Confidence.LOW: 0.4}
OF_OTHER_PACKAGE = 0.7  # a variable of a library, which a build sets for the program that it builds
DEVEL = "(devel)"
_CHECKOUT = "built from a checkout or workspace: the build information says (devel)"
_TOOLCHAIN = re.compile(r"go(\d{1,4}(?:\.\d{1,4}){1,2}(?:(?:rc|beta)\d{1,4})?)(?![\w.])")
_VERSION = re.compile(r"v?(\d+(?:\.\d+){1,3}(?:[-+.~_][0-9A-Za-z.+~_-]+)?)\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z\Z")
_MAJOR = re.compile(r"/v\d+\Z")


@dataclass(frozen=True, slots=True)
class MainVersion:
    """`version` is "" when nothing states it; `why` names the statement, or says why there is none."""

    version: str
    why: str
    confidence: float = 1.0


def go_components(binary: Binary, where: tuple[Locator, ...]) -> Iterator[Component]:
    """Everything of Go inside one program.

    One that was built without modules (GOPATH) has no main module: its main package is a property of the file.
    """
    toolchain = _TOOLCHAIN.match(binary.go_version or "")
    if toolchain is not None:
        yield _library(toolchain[1], where)
    if binary.go_module is not None:
        yield _main(binary.go_module, binary.go_stated, where)
    for module in binary.go_modules:
        yield _linked(module, where, is_stated=binary.go_version is not None)


def names_every_module(binary: Binary) -> bool:
    """Whether the build information lists the modules: a program built without modules (GOPATH) names none."""
    return binary.go_module is not None or (binary.go_version is not None and bool(binary.go_modules))


def main_version(module: GoModule, stated: tuple[tuple[str, str], ...]) -> MainVersion:
    """The version of a main module: its own, a variable that the linker set, or the commit as a pseudo-version."""
    if module.version not in ("", DEVEL):
        return MainVersion(module.version, "")
    settings = dict(stated)
    flags = {name.removeprefix("-X "): value for name, value in stated if name.startswith("-X ")}
    by_flag = _by_flag(module.path, flags)
    if by_flag is not None and by_flag.version:
        return by_flag
    commit, time = settings.get("vcs.revision", ""), _TIME.match(settings.get("vcs.time", ""))
    if _COMMIT.match(commit) and time is not None:
        dirty = "+dirty" if settings.get("vcs.modified") == "true" else ""
        return MainVersion(f"v0.0.0-{''.join(time.groups())}-{commit[:12]}{dirty}", "vcs.revision and vcs.time")
    if by_flag is not None:
        return by_flag
    return MainVersion("", f"{_CHECKOUT}, and neither linker flags nor a commit state its version")


def _by_flag(path: str, flags: dict[str, str]) -> MainVersion | None:
    """What the variables say when they agree; those of the main package and module count before others."""
    bare = _MAJOR.sub("", path)
    own = {name: value for name, value in flags.items() if _package(name) == "main" or _is_in(_package(name), bare)}
    for group, confidence in ((own, CERTAINTY[Confidence.HIGH]), (flags, OF_OTHER_PACKAGE)):
        found: dict[str, str] = {}
        for name, value in group.items():
            match = _VERSION.match(value)
            if match is not None:
                found.setdefault(f"v{match[1]}", f"-ldflags -X {name}={value}")
        if len(found) == 1:
            ((version, why),) = found.items()
            return MainVersion(version, why, confidence)
        if found:
            return MainVersion("", f"the linker flags state several versions: {', '.join(sorted(found))}")
    return None


def _package(variable: str) -> str:
    """The package of PACKAGE.NAME."""
    return variable.rpartition(".")[0]


def _is_in(package: str, module: str) -> bool:
    return package == module or package.startswith(f"{module}/")


def _library(version: str, where: tuple[Locator, ...]) -> Component:
    """Go's own library, which is in every program; Syft, Trivy and OSV match its advisories by the name "stdlib".

    No image carries Go's LICENSE file, but it is known: the same licence and authors since the first release.
    """
    return Component(
        ref=f"go:stdlib@{version}",
        kind="library",
        name="stdlib",
        version=version,
        purl=make_purl("golang", None, "stdlib", version, {}),
        cpe=f"cpe:2.3:a:golang:go:{version}:*:*:*:*:*:*:*",
        where=where,
        found_by="go-buildinfo",
        description="standard library of Go",
        licences=("BSD-3-Clause",),
        copyright="Copyright 2009 The Go Authors",
        properties=(("rocketaudit:licence-from", "the LICENSE file of Go, go.dev/LICENSE"),),
    )


def _main(module: GoModule, stated: tuple[tuple[str, str], ...], where: tuple[Locator, ...]) -> Component:
    said = main_version(module, stated)
    made = _component(module.path, said.version, module.sum, where)
    how = "rocketaudit:version-from" if said.version else "rocketaudit:version-unknown"
    properties = ((how, said.why),) if said.why else ()
    return replace(
        made,
        confidence=said.confidence,
        properties=(("rocketaudit:go-main-module", "true"), *properties, *made.properties),
    )


def _linked(module: GoModule, where: tuple[Locator, ...], *, is_stated: bool) -> Component:
    """A module of the build information, or one that only the function table's paths name.

    A replacement by another module is that module; one by a folder ("=> ./fork") is unknown code under the old name.
    """
    path, version = module.path, module.version
    properties: tuple[tuple[str, str], ...] = ()
    if module.replaced_by:
        properties = (("rocketaudit:replaces", f"{path}@{version}"),)
        other, _, version = module.replaced_by.partition("@")
        if is_folder(other):
            version = ""
            properties = (*properties, ("rocketaudit:version-unknown", f"replaced by the folder {other}"))
        else:
            path = other
    elif version in ("", DEVEL):
        version = ""
        properties = (("rocketaudit:version-unknown", _CHECKOUT),)
    made = _component(path, version, module.sum, where)
    return replace(
        made,
        found_by="go-buildinfo" if is_stated else "go-path",
        confidence=1.0 if is_stated else CERTAINTY[Confidence.HIGH],
        properties=(*made.properties, *properties),
    )


def is_folder(path: str) -> bool:
    """Whether a replacement is a folder of the build, as go.mod tells them apart."""
    return path.startswith(("./", "../", "/")) or path in (".", "..")


def _component(path: str, version: str, checksum: str | None, where: tuple[Locator, ...]) -> Component:
    return Component(
        ref=f"go:{path}@{version}",
        kind="library",
        name=path,
        version=version,
        purl=go_purl(path, version),
        where=where,
        found_by="go-buildinfo",
        properties=(("rocketaudit:go-sum", checksum),) if checksum else (),
    )
