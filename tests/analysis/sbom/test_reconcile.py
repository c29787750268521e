"""The vendor's lists against the files: each kind of difference is found, and only that one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rocketaudit.analysis.sbom import reconcile
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.package import Package
from rocketaudit.model.report import Finding
from tests.analysis.made import binary, crate, evidence, fact, module, os_release, package, record, vendor


def found(value: Evidence, identity: str) -> list[Finding]:
    return [finding for finding in reconcile(value) if finding.id == identity]


def agreeing() -> Evidence:
    return evidence(
        packages=(package("containerd", "2.1.4"), package("bottlerocket-apiserver", "0.1")),
        binaries=(
            binary("/usr/bin/containerd", go_modules=(module("github.com/a/b", "v1.2.3"),)),
            binary("/usr/bin/apiserver", crates=(crate("serde", "1.0.228"),)),
        ),
        facts=(
            vendor(
                ("containerd", "2.1.4-1.br1", "pkg:rpm/bottlerocket/bottlerocket-containerd@2.1.4-1.br1?arch=x86_64"),
                ("apiserver", "0.1-1.br1", "pkg:rpm/bottlerocket/apiserver@0.1-1.br1"),
                ("serde", "1.0.228", "pkg:cargo/serde@1.0.228"),
                ("serde", "1.0.100", "pkg:cargo/serde@1.0.100"),
                ("github.com/a/b", "v1.2.3", "pkg:golang/github.com/a/b@v1.2.3"),
                ("unused", "9.9.9", "pkg:cargo/unused@9.9.9"),
            ),
            fact("attribution", "containerd", {"": "Apache-2.0"}),
            fact("attribution", "apiserver", {"": "Apache-2.0 OR MIT", "vendor/serde-1.0.228": "MIT"}),
            *os_release(VERSION_ID="1.57.0", PRETTY_NAME="Bottlerocket OS 1.57.0 (aws-k8s-1.33)"),
        ),
    )


def test_an_image_whose_lists_agree_gives_no_finding() -> None:
    assert reconcile(agreeing()) == ()


AS_SYFT_WRITES_IT = (  # Syft 1.18.1 over a go.mod and a Cargo.lock: name, version, purl
    ("github.com/forked/bar/v2", "v2.0.2", "pkg:golang/github.com/forked/bar@v2.0.2#v2"),
    ("github.com/Azure/azure-sdk-for-go/sdk/azcore", "v1.2.0",
     "pkg:golang/github.com/Azure/azure-sdk-for-go@v1.2.0#sdk/azcore"),
    ("github.com/docker/docker", "v28.0.0+incompatible", "pkg:golang/github.com/docker/docker@v28.0.0%2Bincompatible"),
    ("k8s.io/api", "v0.30.0", "pkg:golang/k8s.io/api@v0.30.0"),
    ("./local", "UNKNOWN", "pkg:golang/./local"),
    ("serde_json", "1.0.0-rc.1", "pkg:cargo/serde_json@1.0.0-rc.1"),
    ("wasi", "0.11.0+wasi-snapshot-preview1", "pkg:cargo/wasi@0.11.0%2Bwasi-snapshot-preview1"),
)  # fmt: skip


def test_the_same_thing_written_in_another_way_is_no_finding() -> None:
    """Subpaths, escapes, case, "-" for "_", what no order counts, folders of the build, the compiler's own crates."""
    listed = (*AS_SYFT_WRITES_IT, ("bigword", "1.0.0", "pkg:cargo/BigWord@1.0.0"),
              ("toml", "v1.0.0", "pkg:golang/github.com/burntsushi/toml@v1.0.0"))  # fmt: skip
    modules = (
        module("github.com/foo/bar/v2", "v2.0.1", "github.com/forked/bar/v2@v2.0.2"),
        module("github.com/Azure/azure-sdk-for-go/sdk/azcore", "v1.2.0"),
        module("github.com/docker/docker", "v28.0.0+incompatible"),
        module("github.com/BurntSushi/toml", "v1.0.0"),
        module("k8s.io/api", "v0.0.0", "./staging/src/k8s.io/api@(devel)"),
        module("k8s.io/client-go", "(devel)"),
        module("example.org/local", "v1.0.0", "./local"),
    )
    crates = (
        crate("serde-json", "1.0.0-rc.1"),
        crate("wasi", "0.11.0"),
        crate("BigWord", "1.0.0"),
        crate("hashbrown", "0.12.3", source="toolchain"),
        crate("mine", "0.1.0", source="local"),
    )
    value = evidence(
        binaries=(binary("/usr/bin/a", go_modules=modules, crates=crates),),
        facts=(vendor(*listed), *os_release(VERSION_ID="1.57.0")),
    )
    assert [f for f in reconcile(value) if "vendor" in f.id or "differs" in f.id] == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (package("glibc", "2.41"), "pkg:rpm/bottlerocket-glibc@2.41-1.br1?arch=x86_64&epoch=0"),
        (package("glibc", "2.41", epoch="1"), "pkg:rpm/glibc@1:2.41-1.br1"),
        (package("bottlerocket-glibc", "2.41"), "pkg:rpm/bottlerocket/glibc@2.41-1.br1"),
        (package("glibc", "2.41", release=""), "pkg:rpm/bottlerocket-glibc@2.41-1.br1"),
        (package("glibc", "2.41~rc1^git5+x"), "pkg:rpm/glibc@2.41~rc1%5Egit5%2Bx-1.br1"),
    ],
)
def test_a_package_version_written_in_another_way_is_no_finding(ours: Package, theirs: str) -> None:
    value = evidence(packages=(ours,), facts=(vendor(("glibc", "", theirs)),), files=(record("/usr/lib/glibc/x"),))
    assert reconcile(value) == ()


def test_a_replaced_module_is_shown_with_what_it_replaces() -> None:
    program = binary("/usr/bin/a", go_modules=(module("a.org/x", "v1.0.0", "b.org/x@v1.0.1"),))
    listed = vendor(("a.org/x", "v1.0.0", "pkg:golang/a.org/x@v1.0.0"))
    (one,) = found(evidence(binaries=(program,), facts=(listed,)), "golang-not-in-vendor-sbom")
    assert "holds b.org/x v1.0.1 in place of a.org/x@v1.0.0" in one.detail


def test_more_differences_than_are_listed_are_counted() -> None:
    program = binary("/usr/bin/a", crates=tuple(crate(f"c{i}", "1.0.0") for i in range(150)))
    value = evidence(binaries=(program,), facts=(vendor(("serde", "1.0.0", "pkg:cargo/serde@1.0.0")),))
    assert len(found(value, "cargo-not-in-vendor-sbom")) == 100
    assert "150" in found(value, "cargo-differs-total")[0].title


@pytest.mark.parametrize(
    ("name", "release", "is_contradiction"),
    [
        ("scan-2026.11.27.img", {"VERSION_ID": "1.57.0"}, False),
        ("bottlerocket-aws-k8s-1.33.2-x86_64-1.57.0-abc.img", {"VERSION_ID": "1.57.0"}, False),
        ("x", {"VERSION_ID": "1.57.0-rc.1+dev", "PRETTY_NAME": "Bottlerocket OS 1.57.0 (aws-dev)"}, False),
        ("x", {"VERSION_ID": "12", "PRETTY_NAME": "Debian GNU/Linux 12.5.1"}, False),
        ("x", {"VERSION_ID": "12", "PRETTY_NAME": "Debian GNU/Linux 13.5.1"}, True),
        ("bottlerocket-aws-dev-x86_64-1.58.0-abc.img", {"VERSION_ID": "1.57.0"}, True),
        ("x", {"VERSION_ID": "1.0.0", "IMAGE_VERSION": "1.57.0"}, True),
    ],
)
def test_only_the_version_of_the_system_contradicts_its_version_id(
    name: str, release: dict[str, str], is_contradiction: bool
) -> None:
    value = evidence(facts=os_release(**release))
    named = replace(value, target=replace(value.target, name=name), _facts={})
    assert bool(found(named, "version-contradiction")) == is_contradiction


def test_a_vendor_sbom_of_another_version_contradicts_too() -> None:
    subject = fact("vendor_sbom", "cyclonedx-sbom.json", ("Bottlerocket OS", "1.56.0"), "subject")
    rows = vendor(("serde", "1.0.0", "pkg:cargo/serde@1.0.0"))
    value = evidence(facts=(*os_release(VERSION_ID="1.57.0"), subject, rows))
    assert "1.56.0" in found(value, "version-contradiction")[0].detail


def test_an_unused_crate_of_the_vendor_is_no_finding_since_builds_over_declare() -> None:
    assert not [finding for finding in reconcile(agreeing()) if "unused" in finding.title]


def test_a_crate_that_the_vendor_does_not_list_is_found_with_its_file() -> None:
    base = agreeing()
    changed = replace(base.binaries[1], crates=(crate("evil", "0.1.0"),))
    (one,) = found(replace(base, binaries=(base.binaries[0], changed)), "cargo-not-in-vendor-sbom")
    assert "evil 0.1.0" in one.title
    assert one.where.path == "/usr/bin/apiserver"


def test_a_crate_in_another_version_shows_both_sides() -> None:
    base = agreeing()
    changed = replace(base.binaries[1], crates=(crate("serde", "1.0.1"),))
    (one,) = found(replace(base, binaries=(base.binaries[0], changed)), "cargo-version-differs")
    assert "holds serde 1.0.1" in one.detail
    assert "1.0.100, 1.0.228" in one.detail


def test_crates_of_the_standard_library_and_of_the_build_are_not_asked_for() -> None:
    base = agreeing()
    crates = (
        crate("hashbrown", "0.14.0", source="std"),
        crate("cc", "1.0.0", "dep-v0", kind="build"),
        crate("me", "0.1.0", root=True),
    )
    changed = replace(base.binaries[1], crates=crates)
    assert not found(replace(base, binaries=(base.binaries[0], changed)), "cargo-not-in-vendor-sbom")


def test_a_replaced_go_module_is_compared_by_its_replacement() -> None:
    base = agreeing()
    changed = replace(base.binaries[0], go_modules=(module("github.com/a/b", "v1.2.3", "github.com/fork/b@v1.2.4"),))
    (one,) = found(replace(base, binaries=(changed, base.binaries[1])), "golang-not-in-vendor-sbom")
    assert "github.com/fork/b v1.2.4" in one.title


def test_a_vendor_list_without_any_crate_is_one_finding_not_hundreds() -> None:
    base = agreeing()
    facts = (vendor(("containerd", "2.1.4-1.br1", "pkg:rpm/bottlerocket/containerd@2.1.4-1.br1")), *base.facts[1:])
    changed = replace(base.binaries[1], crates=tuple(crate(f"c{i}", "1.0.0") for i in range(50)))
    value = replace(base, facts=facts, binaries=(base.binaries[0], changed), _facts={})
    (one,) = found(value, "vendor-sbom-without-cargo")
    assert "50" in one.title


def test_package_versions_that_differ_show_both_sides() -> None:
    base = agreeing()
    value = replace(base, packages=(package("containerd", "2.1.5"), base.packages[1]))
    (one,) = found(value, "package-version-differs")
    assert "2.1.5-1.br1" in one.detail
    assert "2.1.4-1.br1" in one.detail


def test_packages_that_differ_in_the_release_only_are_one_mild_finding() -> None:
    base = agreeing()
    value = replace(base, packages=(package("containerd", "2.1.4", release="2.br1"), base.packages[1]))
    (one,) = found(value, "package-release-differs")
    assert one.severity == "low"
    assert not found(value, "package-version-differs")


def test_packages_on_one_side_only_are_found_in_both_directions() -> None:
    base = agreeing()
    value = replace(base, packages=(base.packages[0], package("strace", "6.12")))
    assert found(value, "inventory-not-in-vendor-sbom")[0].detail == "strace"
    assert found(value, "vendor-sbom-not-in-inventory")[0].detail == "apiserver"


def test_a_synthetic_source_row_is_not_compared() -> None:
    base = agreeing()
    value = replace(base, packages=(*base.packages, package("systemd", "257.9", synthetic=True)))
    assert reconcile(value) == ()


def test_an_elf_file_that_no_package_explains_is_found() -> None:
    base = agreeing()
    value = replace(base, binaries=(*base.binaries, binary("/usr/bin/nc")))
    (one,) = found(value, "elf-unexplained")
    assert one.where.path == "/usr/bin/nc"


def test_hundreds_of_unexplained_files_end_in_one_total() -> None:
    many = tuple(binary(f"/opt/x{i}") for i in range(150))
    value = evidence(packages=(package("a"),), binaries=many)
    assert len(found(value, "elf-unexplained")) == 100
    assert "150" in found(value, "elf-unexplained-total")[0].title


def test_without_an_inventory_no_file_is_called_unexplained() -> None:
    assert reconcile(evidence(binaries=(binary("/usr/bin/nc"),))) == ()


def test_a_package_without_any_file_of_its_name_is_found_only_in_a_walked_tree() -> None:
    value = evidence(packages=(package("strace"), package("libfoo")), files=(record("/usr/lib/foo.conf"),))
    (one,) = found(value, "packages-without-file")
    assert one.detail == "strace"
    assert not found(replace(value, walked=()), "packages-without-file")


def test_licence_texts_and_inventory_are_compared_both_ways() -> None:
    base = agreeing()
    value = replace(base, facts=(*base.facts, fact("attribution", "gplthing", {"": "GPL-3.0-only"})), _facts={})
    assert found(value, "attribution-without-inventory")[0].detail == "gplthing"
    value = replace(base, packages=(*base.packages, package("bare")))
    assert found(value, "inventory-without-attribution")[0].detail == "bare"


def test_a_version_id_that_contradicts_the_pretty_name_or_the_image_is_found() -> None:
    facts = os_release(VERSION_ID="1.57.0", PRETTY_NAME="Bottlerocket OS 1.56.9 (aws-k8s-1.33)")
    (one,) = found(evidence(facts=facts), "version-contradiction")
    assert "1.56.9" in one.detail
    named = evidence(facts=os_release(VERSION_ID="1.57.0"))
    other = replace(
        named, target=replace(named.target, name="bottlerocket-aws-k8s-1.33-x86_64-1.58.1-abc.img"), _facts={}
    )
    assert len(found(other, "version-contradiction")) == 1
    same = replace(
        named, target=replace(named.target, name="bottlerocket-aws-k8s-1.33-x86_64-1.57.0-abc.img"), _facts={}
    )
    assert not found(same, "version-contradiction")


def test_a_package_in_two_versions_is_named() -> None:
    value = evidence(packages=(package("kernel", "6.1"), package("kernel", "6.12")))
    (one,) = found(value, "package-twice")
    assert one.detail == "6.1-1.br1, 6.12-1.br1"
