"""Package URLs: the form that Bottlerocket's own agent sends, and the one that Trivy declared for itself."""

from __future__ import annotations

import re
from functools import lru_cache

from packageurl import PackageURL

from rocketaudit.model.package import Package

_HOST = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")  # golang.org/x/mod/module: CheckPath
MAX_KEPT = 20_000  # one crate may be in every program
PURL_TYPES = ("rpm", "bottlerocket")
_PUBLIC = frozenset({"crates.io", "registry", "toolchain", "unknown"})


def package_version(package: Package) -> str:
    """VERSION-RELEASE, as RPM and Bottlerocket's agent write it; the epoch is a qualifier."""
    return f"{package.version}-{package.release}" if package.release else package.version


def package_purl(package: Package, version_id: str, purl_type: str = "rpm") -> str:
    """The canonical purl of an inventory row; `version_id` is os-release's VERSION_ID ("" when unknown).

    "rpm": pkg:rpm/bottlerocket/NAME@VERSION-RELEASE?arch=&distro=VERSION_ID&epoch= (Amazon Inspector's form).
    A "(source package)" row has arch=src, as the purl specification names source RPMs.
    "bottlerocket": pkg:bottlerocket/NAME@VERSION?arch=&distro=bottlerocket-VERSION_ID&epoch= (Trivy's own type).
    """
    qualifiers = {"arch": "src" if package.synthetic else package.arch, "epoch": package.epoch or "0"}
    if purl_type == "bottlerocket":
        if version_id:
            qualifiers["distro"] = f"bottlerocket-{version_id}"
        return make_purl("bottlerocket", None, package.name, package.version, qualifiers)
    if version_id:
        qualifiers["distro"] = version_id
    return make_purl("rpm", "bottlerocket", package.name, package_version(package), qualifiers)


def system_purl(os_id: str, version: str, arch: str) -> str:
    """pkg:generic of the operating system, which has no type of its own; "" when it does not say what it is."""
    return make_purl("generic", None, os_id, version, {"arch": arch}) if os_id and version else ""


@lru_cache(MAX_KEPT)
def crate_purl(name: str, version: str, source: str) -> str:
    """pkg:cargo of a crate; only crates of a public registry get one, since a local name proves nothing."""
    return make_purl("cargo", None, name, version, {}) if source in _PUBLIC else ""


@lru_cache(MAX_KEPT)
def go_purl(path: str, version: str) -> str:
    """pkg:golang of a module; "" for what is not a module of the public name space (the main module, "(devel)")."""
    if not _HOST.fullmatch(path.partition("/")[0]):
        return ""
    namespace, _, name = path.rpartition("/")
    known = version if version != "(devel)" else ""
    return make_purl("golang", namespace or None, name, known, {})


def make_purl(kind: str, namespace: str | None, name: str, version: str, qualifiers: dict[str, str]) -> str:
    """The canonical text, "" for what the specification allows no package URL for.

    A name with a slash would be read back as another namespace and another name, so it gets none.
    """
    if "/" in name:
        return ""
    kept = {key: value for key, value in qualifiers.items() if value}
    try:
        return PackageURL(kind, namespace or None, name, version or None, kept or None).to_string()
    except (ValueError, TypeError):  # packageurl 0.17 joins None where nothing is left of a name ("/")
        return ""
