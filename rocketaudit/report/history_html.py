"""The history of a target in HTML: charts and a table, in one file that needs no network and runs no script."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256

from rocketaudit.model.history import FactChange, ScanRecord
from rocketaudit.report.escape import shorten, visible
from rocketaudit.report.history_plot import svg
from rocketaudit.report.summary import interval, value_text
from rocketaudit.resources import read_text

MAX_ROWS = 2_000
Series = tuple[str, tuple[float | None, ...]]


def write_history_html(
    target: str, records: Sequence[ScanRecord], plotted: Sequence[Series], changes: Sequence[FactChange] = ()
) -> bytes:
    """The newest scans first; `changes` are those of the facts that were asked for."""
    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup

    style = read_text("reports/templates/style.css").strip()
    environment = Environment(
        loader=DictLoader({"history.html.j2": read_text("reports/templates/history.html.j2")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters.update(shorten=shorten, interval=lambda ends: interval(*ends), value_text=value_text)
    labels = [f"{record.when} {record.version}" for record in records]
    text = environment.get_template(
        "history.html.j2"
    ).render(
        target=target,
        records=list(records)[::-1][:MAX_ROWS],
        total=len(records),
        charts=[(name, Markup(svg(name, values, labels))) for name, values in plotted],  # noqa: S704 - escaped there
        changes=list(changes)[:MAX_ROWS],
        style=Markup(style),  # noqa: S704 - our own file
        style_hash=f"sha256-{b64encode(sha256(style.encode()).digest()).decode()}",
    )
    return text.encode()


def _finalize(value: object) -> object:
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(shorten(value, 4_000), lines=True)
    return value
