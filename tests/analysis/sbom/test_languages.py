"""Packages of Python, Node and Java in a root: what they state, what only their names say, and what holds them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rocketaudit.cli.main import main
from tests.formats.test_java_archive import POM, PROPERTIES, jar
from tests.report.cyclonedx_schema import problems

SITE = "usr/lib/python3.11/site-packages"
FILES: dict[str, bytes] = {
    "usr/lib/os-release": b'ID=bottlerocket\nNAME=Bottlerocket\nVERSION_ID="1.57.0"\n',
    f"{SITE}/Typing_Extensions-4.0.dist-info/METADATA": (
        b"Name: Typing_Extensions\nVersion: 4.0\nLicense-Expression: PSF-2.0\nSummary: Backports\n\n"
    ),
    f"{SITE}/PyYAML.egg-info/PKG-INFO": b"Name: PyYAML\nVersion: 6.0\nLicense: MIT\n\n",
    f"{SITE}/broken-1.5.dist-info/METADATA": b"no metadata at all",
    "opt/app/node_modules/@a/x/package.json": b'{"name": "@a/x", "version": "1.0.0", "license": "MIT"}',
    "opt/app/node_modules/@a/x/dist/package.json": b'{"name": "fixture", "version": "9.9.9"}',
    "opt/app/node_modules/y/package.json": b"{",
    "opt/tool.jar": jar({PROPERTIES: POM, "lib/z-3.0.jar": jar({"a": b""})}),
    "opt/copy/tool.jar": jar({PROPERTIES: POM}),
    "opt/hostile-2.0.jar": b"PK\5\6",
}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("root")
    for name, data in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    out = tmp_path_factory.mktemp("out") / "x.cdx.json"
    assert main(["sbom", str(root), "-q", "--workers", "1", "-o", f"cyclonedx={out}"]) == 0
    found: dict[str, Any] = json.loads(out.read_bytes())
    assert problems(found, "1.6") == []
    return found


def of(document: dict[str, Any], ref: str) -> dict[str, Any]:
    (one,) = (component for component in document["components"] if component["bom-ref"] == ref)
    found: dict[str, Any] = one
    return found


def method(component: dict[str, Any]) -> tuple[str, str, float]:
    (identity,) = component["evidence"]["identity"]
    (one,) = identity["methods"]
    return one["technique"], one["value"], one["confidence"]


def test_a_python_package_states_name_version_and_licence(document: dict[str, Any]) -> None:
    found = of(document, "pypi:typing-extensions@4.0")
    assert (found["name"], found["version"]) == ("Typing_Extensions", "4.0")
    assert found["purl"] == "pkg:pypi/typing-extensions@4.0"
    assert found["licenses"] == [{"license": {"id": "PSF-2.0", "acknowledgement": "declared"}}]
    assert method(found) == ("manifest-analysis", "pypi-metadata", 1.0)
    assert found["evidence"]["occurrences"][0]["location"].endswith("Typing_Extensions-4.0.dist-info/METADATA")


def test_a_folder_without_a_version_in_its_name_is_read_as_well(document: dict[str, Any]) -> None:
    assert of(document, "pypi:pyyaml@6.0")["purl"] == "pkg:pypi/pyyaml@6.0"


def test_what_cannot_be_read_keeps_its_name_and_says_so(document: dict[str, Any]) -> None:
    for ref, kind in (("pypi:broken@1.5", "pypi"), ("npm:y@", "npm"), ("maven:hostile@2.0", "maven")):
        found = of(document, ref)
        assert method(found) == ("filename", f"{kind}-name", 0.8)
        assert "rocketaudit:unread" in {one["name"] for one in found["properties"]}
    stated = {one["bom-ref"]: one for one in document["compositions"]}
    listed = stated["composition:python-node-and-java-packages"]["assemblies"]
    assert {"pypi:broken@1.5", "npm:y@", "maven:hostile@2.0"} <= set(listed)
    assert "pypi:pyyaml@6.0" not in listed


def test_a_node_package_has_its_scope_and_a_file_inside_it_is_none(document: dict[str, Any]) -> None:
    assert of(document, "npm:@a/x@1.0.0")["purl"] == "pkg:npm/%40a/x@1.0.0"
    assert not [one for one in document["components"] if one["name"] == "fixture"]


def test_a_java_archive_is_a_file_with_digests_that_needs_what_it_holds(document: dict[str, Any]) -> None:
    package = of(document, "maven:org.example:tool@1.2.3")
    assert package["purl"] == "pkg:maven/org.example/tool@1.2.3"
    assert [one["location"] for one in package["evidence"]["occurrences"]] == ["/opt/copy/tool.jar", "/opt/tool.jar"]
    file = of(document, "file:/opt/tool.jar")
    assert {one["alg"] for one in file["hashes"]} == {"SHA-256", "SHA-512"}
    needs = {one["ref"]: one.get("dependsOn", []) for one in document["dependencies"]}
    assert needs["file:/opt/tool.jar"] == ["maven:org.example:tool@1.2.3", "maven:z@3.0"]
    inner = of(document, "maven:z@3.0")
    assert "purl" not in inner  # nobody says its group
    assert {"name": "rocketaudit:inside", "value": "lib/z-3.0.jar"} in inner["properties"]
