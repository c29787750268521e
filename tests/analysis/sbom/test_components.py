"""Components say what is there, by which evidence, and how it hangs together; nothing is made up."""

from __future__ import annotations

import time
from dataclasses import replace

from rocketaudit.analysis.sbom import components
from rocketaudit.analysis.sbom.elements import elements
from rocketaudit.model.component import Component
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.filesystem import FileType
from rocketaudit.report.cyclonedx_completeness import compositions
from rocketaudit.report.cyclonedx_component import component_object
from tests.analysis.made import binary, crate, evidence, fact, module, os_release, package, record
from tests.report.samples import ordinary


def image() -> Evidence:
    return evidence(
        packages=(
            package("glibc", "2.43", epoch="1", package_sha256="ab" * 32),
            package("apiserver"),
            package("systemd-257", "257.9"),
            package("systemd", "257.9", synthetic=True),
        ),
        binaries=(
            binary("/usr/bin/apiserver", needed=("libc.so.6",), crates=(crate("serde", "1.0.228"),), sha512="ef" * 64),
            binary("/usr/lib/libc.so.6", soname="libc.so.6"),
            binary("/usr/bin/host", go_version="go1.24.1", go_modules=(
                module("github.com/a/b", "v1.0.0"), module("example.com/old", "v1.0.0", "example.com/new@v1.1.0"),
            )),
            binary("/usr/bin/nc"),
        ),
        files=(
            record("/lib64", FileType.SYMLINK, target="usr/lib"),
            record("/usr/lib/modules/6.12/vmlinuz", size=9 << 20),
            record("/usr/bin/tool", content="script", interpreter="/bin/sh"),
            record("/etc/pki/ca-bundle.crt"),
            record("/usr/share/doc/readme"),
        ),
        facts=(
            *os_release(NAME="Bottlerocket", VERSION_ID="1.57.0", VENDOR_NAME="Bottlerocket"),
            fact("attribution", "apiserver", {
                "": "Apache-2.0 OR MIT", "vendor/serde-1.0.228": "MIT", "vendor/tokio-1.40.0": "MIT",
            }),
            fact("attribution", "host", {"vendor/github.com/a/b": "BSD-3-Clause", "vendor/gopkg.in/yaml.v3": "MIT"}),
        ),
    )  # fmt: skip


def test_notices_of_the_licence_texts_reach_packages_and_crates() -> None:
    value = image()
    notices = {"": ("Copyright 2020 A", "Copyright 2021 B"), "vendor/tokio-1.40.0": ("Copyright 2022 C",)}
    found = by_ref(replace(value, facts=(*value.facts, fact("copyright", "apiserver", notices)), _facts={}))
    (package,) = (part for part in found.values() if part.name == "apiserver")
    assert package.copyright == "Copyright 2020 A\nCopyright 2021 B"
    assert found["crate:tokio@1.40.0"].copyright == "Copyright 2022 C"
    assert not found["file:/usr/bin/nc"].copyright


def test_the_system_has_a_package_url_only_when_it_says_what_it_is() -> None:
    named = replace(image(), facts=os_release(ID="bottlerocket", VERSION_ID="1.57.0"), _facts={})
    assert components(named)[0].purl.startswith("pkg:generic/bottlerocket@1.57.0")
    target = replace(named.target, os_id="", version="")
    assert not components(replace(named, facts=(), target=target, _facts={}))[0].purl


def test_one_crate_in_ten_thousand_programs_costs_no_more_than_its_places() -> None:
    many = tuple(binary(f"/usr/bin/p{i}", crates=(crate("serde", "1.0.228"),)) for i in range(10_000))
    started = time.process_time()
    found = {component.ref: component for component in components(evidence(binaries=many))}
    assert len(found["crate:serde@1.0.228"].where) == 10_000
    assert time.process_time() - started < 10  # it takes half a second; place by place it took half a minute


def test_packages_of_other_languages_are_found_by_the_names_of_their_files() -> None:
    usr = "/usr/lib"
    value = image()
    paths = {
        f"{usr}/python3/site-packages/typing_extensions-4.12.2.dist-info/METADATA":
            ("typing_extensions", "4.12.2", "pkg:pypi/typing-extensions@4.12.2"),
        f"{usr}/python3/dist-packages/PyYAML-6.0-py3.11.egg-info": ("PyYAML", "6.0", "pkg:pypi/pyyaml@6.0"),
        f"{usr}/a/node_modules/@scope/tool/package.json": ("@scope/tool", "", "pkg:npm/%40scope/tool"),
        f"{usr}/java/log4j-core-2.14.1.jar": ("log4j-core", "2.14.1", ""),
        f"{usr}/java/app.war": ("app", "", ""),
    }  # fmt: skip
    others = (f"{usr}/a/node_modules/x/lib/package.json", f"{usr}/x.dist-info/METADATA", f"{usr}/jar")
    records = tuple(record(path) for path in (*paths, *others))
    found = components(replace(value, files=(*value.files, *records), _files={}))
    named = {part.where[0].path: (part.name, part.version, part.purl) for part in found if part.confidence == 0.8}
    assert named == paths
    twice = record(f"{usr}/b/node_modules/@scope/tool/package.json")
    again = components(replace(value, files=(*value.files, *records, twice), _files={}))
    (tool,) = (part for part in again if part.name == "@scope/tool")
    assert len(tool.where) == 2


def test_who_distributes_the_image_supplies_what_names_no_supplier_and_that_is_said() -> None:
    plain = {component.ref: component for component in components(image())}
    assert not plain["file:/usr/bin/nc"].supplier
    told = {component.ref: component for component in components(image(), supplier="Example")}
    assert all(component.supplier for component in told.values())
    for ref, component in told.items():
        was = plain[ref].supplier
        assert component.supplier == (was or "Example")
        said = dict(component.properties).get("rocketaudit:supplier-from")
        assert said == (None if was else "policy: who distributes the image")


def by_ref(value: Evidence, purl_type: str = "rpm") -> dict[str, Component]:
    return {component.ref: component for component in components(value, purl_type)}


def test_every_reference_resolves_and_refs_are_unique() -> None:
    found = components(image())
    refs = {component.ref for component in found}
    assert len(refs) == len(found)
    for component in found:
        assert not component.parent or component.parent in refs
        assert set(component.depends_on) <= refs


def test_the_package_url_is_the_one_that_bottlerocket_sends() -> None:
    found = by_ref(image())["package:glibc@1:2.43-1.br1.x86_64"]
    assert found.purl == "pkg:rpm/bottlerocket/glibc@2.43-1.br1?arch=x86_64&distro=1.57.0&epoch=1"
    assert found.hashes == (("SHA-256", "ab" * 32),)
    assert found.supplier == "bottlerocket-core-kit"
    other = by_ref(image(), "bottlerocket")["package:glibc@1:2.43-1.br1.x86_64"]
    assert other.purl == "pkg:bottlerocket/glibc@2.43?arch=x86_64&distro=bottlerocket-1.57.0&epoch=1"


def test_a_source_row_is_named_as_source_and_points_to_what_was_built_from_it() -> None:
    found = by_ref(image())["source:systemd@0:257.9-1.br1.x86_64"]
    assert found.purl == "pkg:rpm/bottlerocket/systemd@257.9-1.br1?arch=src&distro=1.57.0&epoch=0"
    assert found.depends_on == ("package:systemd-257@0:257.9-1.br1.x86_64",)


def test_files_nest_under_their_package_and_depend_on_their_libraries() -> None:
    found = by_ref(image())["file:/usr/bin/apiserver"]
    assert found.parent == "package:apiserver@0:1.0-1.br1.x86_64"
    assert set(found.depends_on) == {"file:/usr/lib/libc.so.6", "crate:serde@1.0.228"}
    assert dict(found.hashes) == {"SHA-256": "ab" * 32, "SHA-512": "ef" * 64}


def test_a_file_that_nobody_packaged_gets_no_purl_supplier_or_licence() -> None:
    found = by_ref(image())["file:/usr/bin/nc"]
    assert (found.purl, found.supplier, found.licences, found.parent) == ("", "", (), "os")


def test_a_file_without_a_version_of_its_own_has_the_time_of_its_last_change() -> None:
    """BSI TR-03183-2, 5.2.2: where no version exists, the file's modification time takes its place."""
    assert by_ref(image())["file:/usr/bin/nc"].version == "2023-11-14T22:13:20Z"


def test_crates_merge_what_the_binary_and_the_licence_texts_say() -> None:
    found = by_ref(image())
    serde = found["crate:serde@1.0.228"]
    assert (serde.purl, serde.licences, serde.found_by) == ("pkg:cargo/serde@1.0.228", ("MIT",), "crate-path")
    tokio = found["crate:tokio@1.40.0"]
    assert (tokio.found_by, tokio.confidence, tokio.licences) == ("attribution", 0.6, ("MIT",))
    assert tokio.parent == "package:apiserver@0:1.0-1.br1.x86_64"


def test_one_crate_in_two_files_is_one_component_with_two_places() -> None:
    base = image()
    more = replace(base, binaries=(*base.binaries, binary("/usr/bin/x", crates=(crate("serde", "1.0.228", "dep-v0"),))))
    assert [where.path for where in by_ref(more)["crate:serde@1.0.228"].where] == ["/usr/bin/apiserver", "/usr/bin/x"]


def test_a_go_module_carries_its_licence_and_a_replacement_its_own_name() -> None:
    found = by_ref(image())
    assert found["go:github.com/a/b@v1.0.0"].licences == ("BSD-3-Clause",)
    assert "go:github.com/a/b@" not in found
    assert found["go:example.com/new@v1.1.0"].purl == "pkg:golang/example.com/new@v1.1.0"
    assert ("rocketaudit:replaces", "example.com/old@v1.0.0") in found["go:example.com/new@v1.1.0"].properties
    assert found["go:gopkg.in/yaml.v3@"].found_by == "attribution"


def test_kernel_scripts_and_ca_bundle_are_listed_and_documentation_is_not() -> None:
    found = by_ref(image())
    roles = {
        ref: component.found_by
        for ref, component in found.items()
        if component.found_by in ("kernel", "script", "ca-bundle")
    }
    assert roles == {
        "file:/usr/lib/modules/6.12/vmlinuz": "kernel",
        "file:/usr/bin/tool": "script",
        "file:/etc/pki/ca-bundle.crt": "ca-bundle",
    }
    assert "file:/usr/share/doc/readme" not in found


def test_an_image_of_which_nothing_is_known_still_has_its_system() -> None:
    found = components(evidence())
    assert [component.ref for component in found] == ["os"]


def test_many_source_packages_cost_no_more_than_the_rows() -> None:
    """Each was once compared with every package: 50,000 rows took minutes."""
    rows = (package(f"p{i}", synthetic=bool(i % 2)) for i in range(20_000))
    started = time.process_time()
    found = {component.ref: component for component in components(evidence(packages=tuple(rows)))}
    assert time.process_time() - started < 10
    (source,) = (part for part in found.values() if part.name == "p111" and part.found_by == "source-package")
    built = {found[ref].name for ref in source.depends_on}
    assert "p1110" in built
    assert "p11112" not in built  # p1111 is the longer name


def test_a_name_that_no_package_url_can_hold_gets_none() -> None:
    rows = (package("/"), package("a/glibc"), package(".."), package("ok", "/"))
    found = {part.name: part.purl for part in components(evidence(packages=rows)) if part.found_by == "inventory"}
    assert found["/"] == found["a/glibc"] == ""
    assert found[".."].startswith("pkg:rpm/bottlerocket/..@")


def test_a_go_program_holds_its_main_module_and_the_library_of_its_compiler() -> None:
    """Most advisories for Go programs are about these two; Syft, Trivy and OSV call the library stdlib."""
    main = module("github.com/opencontainers/runc", "v1.1.5")
    for version, module_version, refs in (
        ("go1.19.8", "v1.1.5", {"go:stdlib@1.19.8", "go:github.com/opencontainers/runc@v1.1.5"}),
        ("go1.24rc2 X:boringcrypto", "(devel)", {"go:stdlib@1.24rc2", "go:github.com/opencontainers/runc@"}),
        ("devel go1.25-abc", "(devel)", {"go:github.com/opencontainers/runc@"}),
        ("go1.2:*:*<script>", "(devel)", {"go:stdlib@1.2", "go:github.com/opencontainers/runc@"}),
    ):
        program = binary("/usr/bin/x", go_version=version, go_module=replace(main, version=module_version))
        found = {part.ref: part for part in components(evidence(binaries=(program,))) if part.ref.startswith("go:")}
        assert set(found) == refs
        if "go:stdlib@1.19.8" in found:
            assert found["go:stdlib@1.19.8"].purl == "pkg:golang/stdlib@1.19.8"
            assert found["go:stdlib@1.19.8"].cpe == "cpe:2.3:a:golang:go:1.19.8:*:*:*:*:*:*:*"


def test_every_crate_that_the_build_states_is_there_and_local_code_has_no_package_url() -> None:
    """The list of .dep-v0 is called complete: so the program's own crates belong to it."""
    crates = (
        crate("me", "1.0.0", "dep-v0", root=True, source="local"),
        crate("serde", "1.0.228", "dep-v0"),
        crate("hashbrown", "0.14.5", source="std"),
        crate("serde", "1.0.229", "dep-v0", source="git"),
    )
    found = by_ref(evidence(binaries=(binary("/usr/bin/x", crates=crates),)))
    purls = {part.ref: part.purl for part in found.values() if part.ref.startswith("crate:")}
    assert purls == {
        "crate:me@1.0.0#local": "",
        "crate:serde@1.0.228": "pkg:cargo/serde@1.0.228",
        "crate:serde@1.0.229#git": "",
    }
    assert ("rocketaudit:crate-root", "true") in found["crate:me@1.0.0#local"].properties


def test_a_crate_that_one_program_runs_and_another_only_builds_with_counts_as_run() -> None:
    built, run = crate("syn", "2.0.0", "dep-v0", kind="build"), crate("syn", "2.0.0", "dep-v0")
    only = crate("cc", "1.0.0", "dep-v0", kind="build")
    for first, second in ((built, run), (run, built)):
        value = evidence(binaries=(binary("/usr/bin/a", crates=(first, only)), binary("/usr/bin/b", crates=(second,))))
        found = by_ref(value)
        assert component_object(found["crate:syn@2.0.0"]).get("scope") is None
        assert component_object(found["crate:cc@1.0.0"])["scope"] == "excluded"


def test_a_program_that_was_built_without_modules_names_none_and_its_list_is_not_called_complete() -> None:
    """Debian's runc: Go's build information names its main package and nothing that is linked in."""
    gopath = binary("/usr/bin/runc", go_version="go1.19.8", go_main="github.com/opencontainers/runc")
    alone = binary("/usr/bin/x", go_version="go1.19.8", go_main="command-line-arguments")
    listed = binary("/usr/bin/y", go_version="go1.24.1", go_modules=(module("x.org/m", "v1.0.0"),))
    value = evidence(binaries=(gopath, alone, listed))
    found = {component.ref: component for component in components(value)}
    assert {ref for ref in found if ref.startswith("go:")} == {
        "go:stdlib@1.19.8", "go:stdlib@1.24.1", "go:x.org/m@v1.0.0"
    }  # fmt: skip
    assert ("rocketaudit:go-main", "github.com/opencontainers/runc") in found["file:/usr/bin/runc"].properties
    parts = [part for ref, part in found.items() if ref != "os"]
    stated = {item["bom-ref"]: item for item in compositions(replace(ordinary(), evidence=value), found["os"], parts)}
    assert stated["composition:go-modules-not-stated"]["aggregate"] == "unknown"
    assert stated["composition:go-modules-not-stated"]["dependencies"] == ["file:/usr/bin/runc", "file:/usr/bin/x"]
    assert stated["composition:go-modules"]["dependencies"] == ["file:/usr/bin/y"]


def test_modules_that_only_paths_name_are_no_complete_list() -> None:
    value = evidence(binaries=(binary("/usr/bin/x", go_modules=(module("github.com/a/b", "v1.0.0"),)),))
    found = {component.ref: component for component in components(value)}
    one = found["go:github.com/a/b@v1.0.0"]
    assert (one.found_by, one.confidence) == ("go-path", 0.95)
    stated = {item["bom-ref"]: item["aggregate"] for item in compositions(
        replace(ordinary(), evidence=value), found["os"], [part for ref, part in found.items() if ref != "os"]
    )}  # fmt: skip
    assert stated["composition:go-modules-recovered-from-paths"] == "incomplete"
    assert "composition:go-modules" not in stated


def test_missing_elements_are_counted_with_their_reason() -> None:
    report = replace(ordinary(), components=components(image()))
    found = {(element.standard, element.name): element for element in elements(report)}
    supplier = found["NTIA 2021", "supplier or producer"]
    assert supplier.met < supplier.total
    assert supplier.why
    author = found["NTIA 2021", "author of the SBOM data"]
    assert not author.is_met
    named = replace(report, extra={"sbom:author-name": "Release team", "sbom:author-email": "r@example.org"})
    assert all(e.is_met for e in elements(named) if e.name.startswith(("author of the SBOM", "creator of the SBOM")))
    sha512 = found["BSI TR-03183-2 v2.1", "SHA-512"]
    assert (sha512.met, sha512.is_met) == (1, False)


def test_what_the_german_guideline_asks_and_no_image_states_is_missing() -> None:
    """A supplier's name is no creator's e-mail, and a declared licence is no concluded one."""
    said = {"sbom:supplier": "Example", "sbom:contact-email": "psirt@example.org", "sbom:manufacturer": "Example"}
    parts = components(image(), supplier="Example")
    for extra, made_by in (({}, False), ({"sbom:manufacturer": "Example"}, False), (said, True)):
        report = replace(ordinary(), components=parts, extra=extra)
        found = {e.name: e for e in elements(report) if e.standard == "BSI TR-03183-2 v2.1"}
        assert found["creator of the SBOM: e-mail or URL"].is_met is made_by
        assert found["creator: e-mail or URL"].met == made_by  # the system alone
        assert found["distribution licences"].met == 0
        assert found["if it exists: original licences"].met > 0
        assert all(element.why for element in found.values() if not element.is_met)


def test_cisa_asks_a_hash_of_everything_or_that_it_is_said_to_be_unknown() -> None:
    parts = components(image())
    found = elements(replace(ordinary(), components=parts))
    (one,) = (e for e in found if (e.standard, e.name) == ("CISA 2025 draft", "hash and its algorithm"))
    inside = [part for part in parts if part.ref.startswith(("crate:", "go:"))]
    assert one.total == len(parts)
    assert one.unknown >= len(inside) > 0
    assert all(
        ("rocketaudit:unknown", "hash: no file of its own lies in the image") in part.properties for part in inside
    )
    silent = tuple(replace(part, properties=()) if part in inside else part for part in parts)
    (other,) = (
        e for e in elements(replace(ordinary(), components=silent)) if (e.standard, e.name) == (one.standard, one.name)
    )
    assert other.unknown == one.unknown - len(inside)
    assert not other.is_met
    assert other.lacking[0] in {part.ref for part in inside}


def test_a_component_that_hangs_on_nothing_lacks_its_relationship() -> None:
    parts = components(image())
    alone = Component("x", "library", "x", "1")
    for listed, missing in ((parts, 0), ((*parts, alone), 1)):
        found = elements(replace(ordinary(), components=listed))
        (one,) = (e for e in found if (e.standard, e.name) == ("NTIA 2021", "dependency relationship"))
        assert (one.total - one.met, one.total) == (missing, len(listed))
