"""A drift in HTML: both sides beside each other, grouped and filtered, in one file that needs no network."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from rocketaudit.model.change import Drift, Judgement
from rocketaudit.model.target import Tool
from rocketaudit.model.verdict import Severity
from rocketaudit.report import drift_text
from rocketaudit.report.drift_update import update_figures
from rocketaudit.report.escape import shorten, visible
from rocketaudit.resources import read_text

MAX_LISTED = 1_000  # changes of one group: what a browser draws at once
_FOLDER = "reports/templates"
_TONES = {Judgement.UNEXPECTED: "fail", Judgement.CANNOT_SAY: "unknown", Judgement.EXPECTED: "pass"}


def write_drift_html(drift: Drift, tool: Tool, created: str) -> bytes:
    """The whole drift as one HTML file."""
    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup

    style, script = _read("style.css"), _read("drift.js")
    environment = Environment(
        loader=DictLoader({"drift.html.j2": _read("drift.html.j2")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters.update(shorten=shorten, pair=drift_text.pair)
    groups = drift_text.groups(drift)
    text = environment.get_template("drift.html.j2").render(
        drift=drift,
        tool=tool,
        created=created,
        head=drift_text.headline(drift),
        baseline_line=drift_text.side_line(drift.baseline),
        current_line=drift_text.side_line(drift.current),
        relation=drift_text.relation_line(drift),
        figures=update_figures(drift),
        groups=groups,
        judgements=[judgement.value for judgement in drift_text.JUDGEMENTS],
        areas=list(dict.fromkeys(group.area for group in groups)),
        severities=[severity.value for severity in Severity],
        tones=_TONES,
        limit=MAX_LISTED,
        advisory_counts=drift_text.advisory_counts(drift),
        style=Markup(style),  # noqa: S704 - our own files, no target text
        script=Markup(script),  # noqa: S704
        style_hash=_hash(style),
        script_hash=_hash(script),
    )
    return text.encode()


def _read(name: str) -> str:
    return read_text(f"{_FOLDER}/{name}").strip()


def _hash(text: str) -> str:
    """A source expression of Content-Security-Policy, so that only this very script may run."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _finalize(value: object) -> object:
    """Everything that the template prints: controls and bidi marks are shown, never sent."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(shorten(value, 4_000), lines=True)
    return value
