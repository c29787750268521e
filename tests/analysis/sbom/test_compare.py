"""Two bills of materials: what came, went and changed, also where other programs wrote one of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rocketaudit.analysis.sbom import components
from rocketaudit.analysis.sbom.compare import SbomChange, SbomSide, compare
from rocketaudit.model.component import Component
from rocketaudit.report.sbom_text import changes_json, changes_markdown, changes_text
from tests.analysis.made import package
from tests.analysis.sbom.test_components import image

DIGEST, OTHER = (("SHA-256", "ab" * 32),), (("SHA-256", "cd" * 32),)


def one(purl: str, version: str, name: str = "x", kind: str = "library", **fields: object) -> Component:
    return replace(Component(f"{purl or name}#{version}", kind, name, version, purl), **fields)


def changes(
    before: tuple[Component, ...], after: tuple[Component, ...], *, is_document: bool = False
) -> list[SbomChange]:
    return list(compare(SbomSide(before), SbomSide(after, is_document)))


def test_a_comparison_names_what_came_went_and_changed() -> None:
    base = image()
    before = components(base)
    after = components(
        replace(
            base,
            packages=(package("glibc", "2.44", epoch="1"), *base.packages[2:], package("new")),
            binaries=base.binaries[:3],
        )
    )
    found = {(change.group, change.change, change.name): change for change in changes(before, after)}
    assert found["package", "changed", "glibc"].before == "1:2.43-1.br1"
    assert found["package", "changed", "glibc"].after == "1:2.44-1.br1"
    assert found["package", "changed", "glibc"].order == "newer"
    assert ("package", "added", "new") in found
    assert ("package", "removed", "apiserver") in found
    assert ("file", "removed", "/usr/bin/nc") in found
    assert changes(before, before) == []


@pytest.mark.parametrize(
    ("group", "before", "after", "order"),
    [
        ("package", ("pkg:rpm/b/x@1.9-1?epoch=0", "1.9-1"), ("pkg:rpm/b/x@1.10-1?epoch=0", "1.10-1"), "newer"),
        ("package", ("pkg:rpm/b/x@9-1?epoch=0", "9-1"), ("pkg:rpm/b/x@1-1?arch=a&epoch=1", "1-1"), "newer"),
        ("package", ("pkg:rpm/b/x@1.0~rc1-1", "1.0~rc1-1"), ("pkg:rpm/b/x@1.0-1", "1.0-1"), "newer"),
        ("crate", ("pkg:cargo/x@1.0.0-rc.1", "1.0.0-rc.1"), ("pkg:cargo/x@1.0.0", "1.0.0"), "newer"),
        ("crate", ("pkg:cargo/x@1.10.0", "1.10.0"), ("pkg:cargo/x@1.9.0", "1.9.0"), "older"),
        ("go module", ("pkg:golang/a.b/x@v1.2.0", "v1.2.0"),
         ("pkg:golang/a.b/x@v1.2.1-0.20240101000000-aaaaaaaaaaaa", "v1.2.1-0.20240101000000-aaaaaaaaaaaa"), "newer"),
        ("language package", ("pkg:pypi/x@1", "1"), ("pkg:pypi/x@2", "2"), "newer"),
    ],
)  # fmt: skip
def test_a_changed_version_says_which_way_it_went(
    group: str, before: tuple[str, str], after: tuple[str, str], order: str
) -> None:
    (found,) = changes((one(*before),), (one(*after),))
    assert (found.group, found.change, found.order) == (group, "changed", order)


def test_a_package_and_one_with_the_prefix_are_two_where_both_sides_are_ours() -> None:
    plain = one("pkg:rpm/bottlerocket/x@1-1", "1-1", "x")
    prefixed = one("pkg:rpm/bottlerocket/bottlerocket-x@2-1", "2-1", "bottlerocket-x")
    assert [(c.change, c.name) for c in changes((plain, prefixed), (plain,))] == [("removed", "bottlerocket-x")]


def test_versions_of_one_name_are_listed_by_their_order() -> None:
    old = tuple(one(f"pkg:cargo/x@{v}", v) for v in ("1.10.0", "1.9.0", "1.2.0"))
    (found,) = changes(old, (one("pkg:cargo/x@2.0.0", "2.0.0"),))
    assert (found.before, found.after, found.order) == ("1.2.0, 1.9.0, 1.10.0", "2.0.0", "")


def test_a_package_that_was_built_again_under_its_version_is_a_change() -> None:
    purl = "pkg:rpm/bottlerocket/x@1-1"
    (found,) = changes((one(purl, "1-1", hashes=DIGEST),), (one(purl, "1-1", hashes=OTHER),))
    assert (found.change, found.before, found.after) == ("changed", "ab" * 32, "cd" * 32)
    assert changes((one(purl, "1-1", hashes=DIGEST),), (one(purl, "1-1"),)) == []


def test_a_file_without_a_digest_is_neither_changed_nor_the_same() -> None:
    file = one("", "", "/a", "file")
    for after in (file, replace(file, hashes=DIGEST)):
        (found,) = changes((file,), (after,))
        assert found.change == "unknown"


def test_what_a_document_does_not_list_at_all_is_unknown_and_not_removed() -> None:
    parts = components(image())
    listed = tuple(part for part in parts if part.kind not in ("file", "firmware"))
    assert [(c.group, c.change) for c in changes(parts, listed, is_document=True)] == [("file", "unknown")]
    assert {c.change for c in changes(parts, listed)} == {"removed"}


def test_what_could_not_be_read_is_unknown_on_equal_sides_too() -> None:
    side = SbomSide(components(image()), unread=("root:/usr: torn",))
    assert [(c.group, c.change, c.name) for c in compare(side, side)] == [
        ("target", "unknown", "after"), ("target", "unknown", "before"),
    ]  # fmt: skip


def test_the_names_of_other_programs_are_the_same_things() -> None:
    """As Syft 1.18 writes them: the path's end as subpath, the library of Go with "go", RPMs with their prefix."""
    ours = (
        one("pkg:golang/github.com/a/b/v2@v2.0.1", "v2.0.1", "github.com/a/b/v2"),
        one("pkg:golang/stdlib@1.23.4", "1.23.4", "stdlib"),
        one("pkg:rpm/bottlerocket/glibc@2.41-1?arch=x86_64&distro=1.57.0&epoch=0", "2.41-1", "glibc", "application"),
        one("pkg:cargo/serde_json@1.0.0", "1.0.0", "serde_json"),
    )
    theirs = (
        one("pkg:golang/github.com/a/b@v2.0.1#v2", "v2.0.1", "github.com/a/b/v2"),
        one("pkg:golang/stdlib@1.23.4", "go1.23.4", "stdlib"),
        one("pkg:rpm/bottlerocket-glibc@2.41-1?arch=x86_64&upstream=x.src.rpm", "0:2.41-1", "bottlerocket-glibc"),
        one("pkg:cargo/serde-json@1.0.0", "1.0.0", "serde-json"),
    )
    assert changes(ours, theirs, is_document=True) == []


HOSTILE = "a|b`c`\n<script>@all [x](http://e) \x1b[31m\u202e"


def test_hostile_names_stay_one_cell_and_one_line() -> None:
    parts = (one("", "1|`<b>\x1b", HOSTILE, "library"),)
    found = changes((), parts)
    console, table = changes_text(found), changes_markdown(found)
    assert "\x1b" not in console + table
    assert "\u202e" not in console + table
    assert "<script>" not in table
    assert [row.replace("\\|", "").count("|") for row in table.splitlines() if row.startswith("| added")] == [6]
    assert len(console.splitlines()) == 2
    assert "\\u001b" in changes_json(found)


def test_a_table_fits_into_a_pull_request() -> None:
    many = tuple(one(f"pkg:cargo/x{i}@1", "|" * 100, "|" * 4000 + str(i)) for i in range(300))
    table = changes_markdown(changes((), many))
    assert len(table) < 65_000
    assert "more: `-o json` has all" in table
