"""The HTML of a drift in a real browser: self-contained, filtered, deaf to what a target says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rocketaudit.model.change import Drift
from rocketaudit.report.drift_html import write_drift_html
from tests.report.browser import Page, browser
from tests.report.test_drift_writers import CREATED, TOOL, clean, hostile, ordinary
from tests.report.test_html import AXE


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


def show(page: Page, drift: Drift, folder: Path) -> None:
    path = folder / "drift.html"
    path.write_bytes(write_drift_html(drift, TOOL, CREATED))
    page.events.clear()
    page._session = ""
    page.open(path.as_uri())


@pytest.mark.parametrize("make", [ordinary, clean, hostile], ids=lambda make: make.__name__)
def test_it_asks_the_network_for_nothing_and_runs_without_a_word(
    page: Page, tmp_path: Path, make: Callable[[], Drift]
) -> None:
    show(page, make(), tmp_path)
    assert [event["request"]["url"] for event in page.of_kind("Network.requestWillBeSent")][1:] == []
    for kind in ("Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening"):
        assert page.of_kind(kind) == []


def test_no_markup_of_a_hostile_name_becomes_an_element(page: Page, tmp_path: Path) -> None:
    show(page, hostile(), tmp_path)
    assert page.run("document.querySelectorAll('img, iframe, object, embed, link, base').length") == 0
    handlers = "[...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => /^on/i.test(a.name)))"
    assert page.run(f"{handlers}.length") == 0
    assert page.run("document.querySelectorAll('script').length") == 1


def test_the_filters_work_and_say_how_many_are_left(page: Page, tmp_path: Path) -> None:
    show(page, ordinary(), tmp_path)
    visible = "[...document.querySelectorAll('tr.change')].filter(r => !r.hidden).length"
    pick = "document.querySelector('#change-filter [name={}]').value = '{}';"
    fire = "document.getElementById('change-filter').dispatchEvent(new Event('input', {bubbles: true}));"
    assert page.run(visible) == 3
    assert page.run(pick.format("judgement", "unexpected") + fire + visible) == 1
    assert page.run("document.getElementById('change-count').textContent") == "1 of 3 changes shown"
    assert page.run("[...document.querySelectorAll('details.group')].filter(g => !g.hidden).length") == 1
    assert page.run(pick.format("text", "no such thing") + fire + visible) == 0
    page.run("document.querySelector('#change-filter button[type=reset]').click()")
    assert page.run(f"new Promise(done => setTimeout(() => done({visible}), 50))") == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_accessibility_checker_finds_nothing(page: Page, tmp_path: Path, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed (npm ci in tests/)")
    show(page, ordinary(), tmp_path)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.run("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    page.run(AXE.read_text() + ";0")
    found = page.run(
        "axe.run().then(r => r.violations.map(v => [v.id, v.impact, v.nodes.slice(0, 3).map(n => n.html)]))"
    )
    assert found == []


def test_five_thousand_changes_open_quickly_and_fit_a_narrow_screen(page: Page, tmp_path: Path) -> None:
    one = ordinary().changes[0]
    many = tuple(replace(one, subject=f"bank-a:/usr/lib/{'x' * 80}{n}") for n in range(5_000))
    show(page, replace(ordinary(), changes=many), tmp_path)
    assert page.run("document.querySelectorAll('tr.change').length") == 1_000
    assert "1000 of 5000 shown" in page.run("document.querySelector('details.group caption').textContent")
    page.call("Emulation.setDeviceMetricsOverride", width=360, height=700, deviceScaleFactor=1, mobile=False)
    try:
        assert page.run("document.documentElement.scrollWidth") <= 360
    finally:
        page.call("Emulation.clearDeviceMetricsOverride")
