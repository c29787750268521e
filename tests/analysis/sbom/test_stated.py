"""What the policy states of components: the first statement counts, its basis is written, nothing else is made up."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rocketaudit.analysis.sbom import components
from rocketaudit.analysis.sbom.elements import elements
from rocketaudit.formats.policy_toml import parse_policy
from rocketaudit.model.binary import GoModule
from rocketaudit.model.component import Component
from rocketaudit.model.statement import Statement
from rocketaudit.report.cyclonedx import write_cyclonedx
from tests.analysis.made import binary, evidence, fact, os_release, package
from tests.analysis.sbom.test_components import image
from tests.report.cyclonedx_schema import dangling, everything, problems
from tests.report.samples import ordinary
from tests.support import REPO

EXAMPLE = REPO / "docs" / "bottlerocket-sbom.toml"
BSI = "BSI TR-03183-2 v2.1"


def stated(*statements: Statement, value: object = None) -> dict[str, Component]:
    return {part.ref: part for part in components(value or image(), statements=statements)}  # type: ignore[arg-type]


def say(*match: str, **values: str) -> Statement:
    return Statement(match, "we know", {name.replace("_", "-"): value for name, value in values.items()})


def test_without_a_policy_only_home_pages_that_the_image_states_are_creators() -> None:
    value = evidence(
        packages=(package("a", url="https://a.example/"), package("b", url="javascript:alert(1)"), package("c")),
        binaries=(binary("/usr/bin/a"), binary("/usr/bin/x")),
        facts=os_release(ID="bottlerocket", HOME_URL="https://os.example"),
    )
    found = stated(value=value)
    assert found["os"].creator == "https://os.example"
    by_name = {part.name: part for part in found.values()}
    assert by_name["a"].creator == "https://a.example/"
    assert ("rocketaudit:creator-from", "home page in the inventory") in by_name["a"].properties
    assert by_name["/usr/bin/a"].creator == "https://a.example/"
    assert ("rocketaudit:creator-from", "its package") in by_name["/usr/bin/a"].properties
    assert not by_name["b"].creator
    assert not by_name["/usr/bin/x"].creator
    assert not any(part.distribution_licence or part.source_url or part.distribution_url for part in found.values())


def test_the_first_statement_that_states_a_value_counts_value_by_value() -> None:
    found = stated(
        say("pkg:cargo/serde@*", source_url="https://serde.example"),
        say("pkg:cargo/*", creator="https://docs.rs/crate/{name}/{version}", source_url="https://docs.rs/{name}"),
        say("*", creator="psirt@example.org", creator_name="Example"),
    )
    serde, tokio = found["crate:serde@1.0.228"], found["crate:tokio@1.40.0"]
    assert (serde.creator, serde.source_url) == ("https://docs.rs/crate/serde/1.0.228", "https://serde.example")
    assert (serde.creator_name, tokio.source_url) == ("", "https://docs.rs/tokio")
    assert (found["os"].creator, found["os"].creator_name) == ("psirt@example.org", "Example")
    assert [text for name, text in serde.properties if name == "rocketaudit:stated-by-policy"] == [
        "source-url: we know", "creator: we know",
    ]  # fmt: skip


def test_a_placeholder_that_stands_for_nothing_states_nothing() -> None:
    found = stated(say("*", distribution_licence="{declared}", creator="{url}"), say("*", distribution_licence="MIT"))
    (apiserver,) = (part for part in found.values() if part.name == "apiserver")
    assert apiserver.distribution_licence == "Apache-2.0 OR MIT"
    assert found["os"].distribution_licence == "MIT"
    assert not found["os"].creator


def test_what_the_image_declares_stands_whatever_the_policy_says() -> None:
    found = stated(say("*", licence="GPL-3.0-only"))
    assert found["crate:serde@1.0.228"].licences == ("MIT",)
    assert found["os"].licences == ("GPL-3.0-only",)


def test_a_file_takes_of_its_package_what_a_statement_says_it_takes() -> None:
    found = stated(
        say(
            "publisher:bottlerocket-core-kit",
            creator="a@example.org",
            creator_name="A",
            distribution_licence="{declared}",
        ),
        say("file:*", creator="{package}", licence="{package}", distribution_licence="{package}"),
    )
    inside, outside = found["file:/usr/bin/apiserver"], found["file:/usr/bin/nc"]
    assert (inside.creator, inside.creator_name) == ("a@example.org", "A")
    assert (inside.licences, inside.distribution_licence) == (("Apache-2.0 OR MIT",), "Apache-2.0 OR MIT")
    assert (outside.creator, outside.licences, outside.distribution_licence) == ("", (), "")


def test_names_of_the_target_cannot_leave_their_place_in_an_address() -> None:
    value = evidence(packages=(package("../\n<script>"), package("x" * 5000), package("a#b?c")))
    found = stated(say("package:*", source_url="https://example.org/{name}"), value=value)
    urls = {part.name: part.source_url for part in found.values() if part.ref != "os"}
    assert urls["../\n<script>"] == "https://example.org/../%0A%3Cscript%3E"
    assert urls["a#b?c"] == "https://example.org/a%23b%3Fc"
    assert urls["x" * 5000] == ""


@pytest.mark.parametrize("version", ["1.6", "1.7"])
def test_what_is_declared_and_under_what_it_is_handed_on_both_stand_in_the_document(version: str) -> None:
    """1.6 has no place for two expressions: what is declared is evidence there."""
    mixed = stated(say("*", distribution_licence="{declared}"), say("os", licence="MIT", distribution_licence="MIT"))
    document = json.loads(write_cyclonedx(replace(ordinary(), components=tuple(mixed.values())), version))
    assert problems(document, version) == []
    by_name = {one["name"]: one for one in everything(document) if "bom-ref" in one and "name" in one}
    both = by_name["serde"]["licenses"]
    assert [one["license"]["acknowledgement"] for one in both] == ["declared", "concluded"]
    package = by_name["apiserver"]
    if version == "1.6":
        assert package["licenses"] == [{"expression": "Apache-2.0 OR MIT", "acknowledgement": "concluded"}]
        assert package["evidence"]["licenses"] == [{"expression": "Apache-2.0 OR MIT", "acknowledgement": "declared"}]
    else:
        assert [one["acknowledgement"] for one in package["licenses"]] == ["declared", "concluded"]


def test_addresses_reach_the_document_with_the_digest_where_the_german_table_puts_it() -> None:
    found = stated(
        say("file:*", creator="a@example.org", creator_name="A", distribution_url="https://example.org/{path}"),
        say("*", creator="https://example.org", source_url="https://example.org/source"),
    )
    document = json.loads(write_cyclonedx(replace(ordinary(), components=tuple(found.values()))))
    assert problems(document, "1.6") == dangling(document) == []
    by_ref = {one["bom-ref"]: one for one in everything(document) if "bom-ref" in one}
    program = by_ref["file:/usr/bin/apiserver"]
    assert program["manufacturer"] == {"name": "A", "contact": [{"name": "A", "email": "a@example.org"}]}
    assert {"type": "distribution", "url": "https://example.org//usr/bin/apiserver",
            "hashes": [{"alg": "SHA-512", "content": "ef" * 64}]} in program["externalReferences"]  # fmt: skip
    assert by_ref["crate:serde@1.0.228"]["manufacturer"] == {"url": ["https://example.org"]}
    assert by_ref["crate:serde@1.0.228"]["externalReferences"] == [
        {"type": "source-distribution", "url": "https://example.org/source"}
    ]


def test_every_component_says_if_what_it_needs_is_known() -> None:
    document = json.loads(write_cyclonedx(replace(ordinary(), evidence=image(), components=components(image()))))
    said = {ref for one in document["compositions"] for ref in one.get("dependencies", ())}
    refs = {one["bom-ref"] for part in document["components"] for one in everything(part) if "bom-ref" in one}
    assert refs <= said


def test_the_example_for_bottlerocket_leaves_nothing_missing() -> None:
    policy = parse_policy(EXAMPLE.read_bytes())
    value = image()
    said = (*os_release(ID="bottlerocket"), fact("attribution", "systemd-257", {"": "LGPL-2.1-or-later"}))
    value = replace(value, facts=(*value.facts, *said), _facts={})
    value = replace(value, binaries=tuple(replace(one, sha512="ab" * 64) for one in value.binaries),
                    files=tuple(replace(one, sha512="ab" * 64) for one in value.files))  # fmt: skip
    parts = components(value, supplier=policy.sbom["sbom:supplier"], statements=policy.sbom_components)
    report = replace(ordinary(), evidence=value, components=parts, extra=policy.sbom)
    open_ones = {(one.standard, one.name): one for one in elements(report) if not one.is_met}
    assert {key: one.lacking for key, one in open_ones.items() if key[0] == BSI and "version" not in key[1]} == {}
    assert {standard for standard, name in open_ones if "signature" not in name and "version" not in name} == set()
    for version in ("1.6", "1.7"):
        document = json.loads(write_cyclonedx(report, version))
        assert problems(document, version) == dangling(document) == []


def test_every_value_of_the_example_says_where_it_comes_from() -> None:
    policy = parse_policy(EXAMPLE.read_bytes())
    assert all(len(one.basis.split()) > 4 for one in policy.sbom_components)
    invented = [one for one in policy.sbom_components if "example.org" in " ".join(one.values.values())]
    assert all(one.basis.startswith("our own statement") for one in invented)


def test_a_main_module_without_a_version_has_the_time_of_its_program_and_a_module_without_one_says_so() -> None:
    main_module = GoModule("example.com/shim", "(devel)", None, None)
    program = binary("/usr/bin/shim", go_version="go1.19.8", go_module=main_module)
    texts = fact("attribution", "host", {"vendor/gopkg.in/yaml.v3": "MIT"})
    found = stated(value=evidence(binaries=(program,), facts=(texts,)))
    main, module = found["go:example.com/shim@"], found["go:gopkg.in/yaml.v3@"]
    assert main.version == "2023-11-14T22:13:20Z"
    assert "@" not in main.purl
    assert ("rocketaudit:version-from", "last change of its program (BSI TR-03183-2, 5.2.2)") in main.properties
    assert module.version == ""
    assert ("rocketaudit:unknown", "version: neither the image nor the build states one") in module.properties
