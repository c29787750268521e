"""The HTML report in a real browser: self-contained, usable, and deaf to what a target says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rocketaudit.model.component import Component
from rocketaudit.model.fact import Locator
from rocketaudit.model.report import Finding, Report
from rocketaudit.model.verdict import Severity
from rocketaudit.report.html import write_html
from tests.report.browser import Page, browser
from tests.report.samples import clean, hostile, ordinary
from tests.support import REPO

AXE = REPO / "tests" / "node_modules" / "axe-core" / "axe.min.js"


def many() -> Report:
    parts = tuple(
        Component(
            f"file:{i}", "file", f"/usr/bin/program-{i:05}", hashes=(("SHA-256", "ab" * 32),), found_by="elf",
            properties=(("rocketaudit:language", ("rust", "go", "c")[i % 3]), ("rocketaudit:size", str(i))),
        )
        for i in range(10_000)
    )  # fmt: skip
    return replace(ordinary(), components=parts)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("browser")
    with browser(folder) as found:
        yield found


def show(page: Page, report: Report, tmp_path: Path) -> Page:
    path = tmp_path / "report.html"
    path.write_bytes(write_html(report))
    page.events.clear()
    page._session = ""
    page.open(path.as_uri())
    return page


def test_the_file_names_no_other_file_and_allows_only_its_own_script() -> None:
    text = write_html(ordinary()).decode()
    assert not re.search(r"""(src|href)=["'](?!#)""", text)
    assert "default-src 'none'" in text
    assert text.count("<script>") == 1


@pytest.mark.parametrize("make", [ordinary, clean, hostile], ids=lambda make: make.__name__)
def test_it_opens_without_network_and_without_complaint(page: Page, tmp_path: Path, make: type) -> None:
    show(page, make(), tmp_path)
    assert page.run("typeof alert") == "function"
    assert [event["request"]["url"] for event in page.of_kind("Network.requestWillBeSent")][1:] == []
    assert page.of_kind("Runtime.exceptionThrown") == []
    assert page.of_kind("Runtime.consoleAPICalled") == []
    assert page.of_kind("Log.entryAdded") == []
    assert page.of_kind("Page.javascriptDialogOpening") == []


def test_no_markup_of_a_hostile_name_becomes_an_element(page: Page, tmp_path: Path) -> None:
    show(page, hostile(), tmp_path)
    assert page.run("document.querySelectorAll('img, iframe, object, embed, link, base').length") == 0
    assert (
        page.run(
            "[...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => /^on/i.test(a.name))).length"
        )
        == 0
    )
    assert page.run("document.querySelectorAll('script:not([type])').length") == 1
    assert "alert(1)" in page.run("document.body.textContent")


def test_the_filters_of_the_rules_work_and_say_how_many_are_left(page: Page, tmp_path: Path) -> None:
    show(page, ordinary(), tmp_path)
    visible = "[...document.querySelectorAll('details.rule')].filter(r => !r.hidden).length"
    pick = "document.querySelector('#rule-filter [name={}]').value = '{}';"
    fire = "document.getElementById('rule-filter').dispatchEvent(new Event('input', {bubbles: true}));"
    assert page.run(visible) == 6
    assert page.run(pick.format("verdict", "fail") + fire + visible) == 2
    assert page.run("document.getElementById('rule-count').textContent") == "2 of 6 rules shown"
    assert page.run(pick.format("text", "signed modules") + fire + visible) == 1
    assert page.run(pick.format("level", "2") + fire + visible) == 0
    page.run("document.querySelector('#rule-filter button[type=reset]').click()")
    assert page.run(f"new Promise(done => setTimeout(() => done({visible}), 50))") == 6


def test_ten_thousand_binaries_are_searched_sorted_and_paged_quickly(page: Page, tmp_path: Path) -> None:
    show(page, many(), tmp_path)
    assert page.run("document.querySelectorAll('#elf-body tr').length") == 100
    search = (
        "(field => {{ field.value = '{}'; field.dispatchEvent(new Event('input')); }})"
        "(document.getElementById('elf-search'));"
    )
    count = "document.getElementById('elf-count').textContent"
    took = page.run(
        f"(() => {{ const t = performance.now(); {search.format('program-0999')} return performance.now() - t; }})()"
    )
    assert page.run(count) == "10 of 10000 rows, page 1 of 1"
    assert took < 1000
    page.run(search.format(""))
    page.run("document.querySelectorAll('#elf-table thead button')[4].click()")
    page.run("document.querySelectorAll('#elf-table thead button')[4].click()")
    assert page.run("document.querySelector('#elf-body td').textContent") == "/usr/bin/program-09999"
    assert page.run("document.querySelectorAll('#elf-table th')[4].getAttribute('aria-sort')") == "descending"
    page.run("document.getElementById('elf-next').click()")
    assert page.run(count) == "10000 of 10000 rows, page 2 of 100"


def test_ten_thousand_programs_are_a_small_document(page: Page, tmp_path: Path) -> None:
    """Measured: 1.8 MB, 2,600 elements."""
    show(page, many(), tmp_path)
    assert page.run("document.getElementsByTagName('*').length") < 5_000
    assert (tmp_path / "report.html").stat().st_size < 4_000_000


def test_findings_of_one_kind_are_folded_the_gravest_first(page: Page, tmp_path: Path) -> None:
    low = tuple(Finding("script", Severity.LOW, f"script {number}", Locator()) for number in range(9))
    show(page, replace(ordinary(), findings=(*low, Finding("odd", Severity.HIGH, "an oddity", Locator()))), tmp_path)
    heads = page.run("[...document.querySelectorAll('#findings > details > summary')].map(one => one.innerText)")
    assert [head.split()[0] for head in heads] == ["high", "low"]
    assert "script 0, and 8 more" in heads[1]


def test_scores_in_parts_and_results_by_control_are_there(page: Page, tmp_path: Path) -> None:
    show(page, ordinary(), tmp_path)
    assert page.run("document.querySelectorAll('#scores tbody tr').length") >= 4
    assert page.run("document.querySelectorAll('#controls-body tr').length") >= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("make", [ordinary, hostile], ids=lambda make: make.__name__)
def test_an_accessibility_checker_finds_nothing(page: Page, tmp_path: Path, make: type, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed (npm ci in tests/)")
    show(page, make(), tmp_path)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.run("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    page.run(AXE.read_text() + ";0")
    found = page.run(
        "axe.run().then(r => r.violations.map(v => [v.id, v.impact, v.nodes.slice(0, 3).map(n => n.html)]))"
    )
    assert found == []


def test_it_fits_a_narrow_screen(page: Page, tmp_path: Path) -> None:
    show(page, hostile(), tmp_path)
    page.call("Emulation.setDeviceMetricsOverride", width=360, height=700, deviceScaleFactor=1, mobile=False)
    try:
        assert page.run("document.documentElement.scrollWidth") <= 360
    finally:
        page.call("Emulation.clearDeviceMetricsOverride")


def test_a_printed_report_opens_every_rule_that_does_not_pass(page: Page, tmp_path: Path) -> None:
    show(page, ordinary(), tmp_path)
    page.call("Emulation.setEmulatedMedia", media="print")
    page.run("dispatchEvent(new Event('beforeprint'))")
    is_open = "[...document.querySelectorAll('details.rule')].map(part => [part.dataset.verdict, part.open])"
    for verdict, shown in page.run(is_open):
        assert shown == (verdict not in ("pass", "not_applicable")), verdict
    assert page.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    page.run("dispatchEvent(new Event('afterprint'))")
    assert page.run("[...document.querySelectorAll('details')].some(part => part.open)") is False
    page.call("Emulation.setEmulatedMedia", media="")
