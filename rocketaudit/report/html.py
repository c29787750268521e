"""The HTML report: one self-contained file that needs no network and runs no markup of the target."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from rocketaudit.model.component import Component
from rocketaudit.model.report import Finding, Report
from rocketaudit.model.rule import Result
from rocketaudit.model.verdict import Severity, Verdict
from rocketaudit.report import summary
from rocketaudit.report.census_text import COLOURS, language_shares, language_sums
from rocketaudit.report.controls import CATALOGUES, Control, controls
from rocketaudit.report.document import digest_of
from rocketaudit.report.escape import script_json, shorten, visible
from rocketaudit.resources import read_text

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_TASKS = 25
MAX_LISTED = 2_000  # findings, bad blocks, gaps: what a browser draws at once; the JSON report has all
_FOLDER = "reports/templates"
_ELF_COLUMNS = (
    ("File", "mono"), ("Language", "word"), ("Kind", "word"), ("Machine", "word"), ("Bytes", "number"), ("PIE", "word"),
    ("RELRO", "word"), ("NX", "word"), ("Canary", "word"), ("SHA-256", "mono"),
)  # fmt: skip
_CONTROL_COLUMNS = (
    ("Catalogue", "name"), ("Control", "name"), ("State", "name"), ("Fail", "number"), ("Unknown", "number"),
    ("Pass", "number"), ("Rules that do not pass", "wide"),
)  # fmt: skip
_SBOM_COLUMNS = (
    ("Name", "mono"), ("Version", ""), ("Type", "word"), ("Licence", ""), ("Package URL", "mono"), ("Found by", "word"),
    ("Places", "number"),
)  # fmt: skip


def write_html(report: Report) -> bytes:
    """The whole report as one HTML file."""
    style, script = (_read(name) for name in ("style.css", "report.js"))
    template = _environment().get_template("report.html.j2")
    from markupsafe import Markup

    text = template.render(
        _content(report),
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


def _environment() -> Environment:
    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=DictLoader({"report.html.j2": _read("report.html.j2")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters.update(
        human_size=summary.human_size,
        island=lambda rows: Markup(script_json(_visible_rows(rows))),  # noqa: S704 - has no < in it
        percent=_percent,
        score_text=summary.score_text,
        benchmark_name=summary.benchmark_name,
        section_key=_section_key,
        shorten=shorten,
        value_text=summary.value_text,
    )
    return environment


def _finalize(value: object) -> object:
    """Everything that the template prints: controls and bidi marks are shown, never sent."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(shorten(value, 4_000), lines=True)
    return value


def _visible_rows(rows: Sequence[Sequence[str | int]]) -> list[list[str | int]]:
    return [[visible(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]


def _percent(share: float | None) -> str:
    return "unknown share" if share is None else f"{share:.0%}"


def _content(report: Report) -> dict[str, Any]:
    tasks = summary.tasks(report)
    results = sorted(summary.results(report), key=_order)
    return {
        "report": report,
        "head": summary.headline(report),
        "target_line": summary.target_line(report.target),
        "node_lines": summary.node_lines(report),
        "integrity_sentence": summary.integrity_sentence(report),
        "counts": {group.benchmark.id: _counts(group.results) for group in report.benchmarks},
        "packages": sum(1 for component in report.components if component.found_by == "inventory"),
        "tasks": tasks[:MAX_TASKS],
        "more_tasks": max(0, len(tasks) - MAX_TASKS),
        "bad_blocks": report.integrity.bad_blocks[:MAX_LISTED],
        "findings": list(_findings(report)),
        "score_rows": summary.score_rows(report),
        "control_columns": _CONTROL_COLUMNS,
        "control_rows": [_control_row(control) for control in controls(report)],
        "unread": report.unread[:MAX_LISTED],
        "results": results,
        "verdicts": [verdict.value for verdict in summary.VERDICTS],
        "levels": sorted({result.rule.level for result in results}),
        "sections": list(dict.fromkeys(_sections(report))),
        "languages": _languages(report),
        "chart_text": ", ".join(f"{name} {share:.0%}" for name, share in language_shares(language_sums(report.census))),
        "elf_columns": _ELF_COLUMNS,
        "elf_rows": [_elf_row(component) for component in report.components if component.found_by == "elf"],
        "sbom_columns": _SBOM_COLUMNS,
        "sbom_rows": [_sbom_row(component) for component in report.components],
        "evidence_digest": digest_of(report),
        "no_cis_product": summary.NO_CIS_PRODUCT,
    }


def _findings(report: Report) -> Iterator[tuple[str, Severity, list[Finding]]]:
    """(kind, its highest severity, its findings), the gravest first; not more than a browser draws at once."""
    kinds: dict[str, list[Finding]] = {}
    order = sorted(report.findings, key=lambda one: summary.SEVERITIES.index(one.severity))
    for finding in order[:MAX_LISTED]:
        kinds.setdefault(finding.id, []).append(finding)
    for name, found in kinds.items():
        yield name.replace("-", " "), found[0].severity, found


def _control_row(control: Control) -> list[str | int]:
    fine = (Verdict.PASS, Verdict.NOT_APPLICABLE)
    counts = (control.counts[verdict] for verdict in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS))
    open_rules = ", ".join(one.rule.id for one in control.results if one.verdict not in fine)
    catalogue = CATALOGUES.get(control.catalogue, control.catalogue)
    return [catalogue, control.number, control.verdict.value.replace("_", " "), *counts, open_rules]


def _order(result: Result) -> tuple[int, int, str, list[tuple[int, str]]]:
    parts = [
        (int(part) if part.isascii() and part.isdigit() and len(part) < 9 else 0, part)
        for part in result.rule.section.split(".")
    ]
    return (
        summary.VERDICTS.index(result.verdict),
        summary.SEVERITIES.index(result.rule.severity),
        result.benchmark,
        parts,
    )


def _counts(results: Sequence[Result]) -> str:
    counts = summary.count_by_verdict(results)
    return ", ".join(f"{number} {verdict.value.replace('_', ' ')}" for verdict, number in counts.items() if number)


def _section_key(result: Result) -> str:
    return f"{result.benchmark}/{result.rule.section.partition('.')[0]}"


def _sections(report: Report) -> Iterator[tuple[str, str]]:
    for group in report.benchmarks:
        for result in group.results:
            number = result.rule.section.partition(".")[0]
            title = group.benchmark.sections.get(number, "")
            prefix = f"{group.benchmark.id} " if len(report.benchmarks) > 1 else ""
            yield _section_key(result), shorten(f"{prefix}{number} {title}".strip(), 80)


def _languages(report: Report) -> list[dict[str, Any]]:
    sums = language_sums(report.census)
    shares = dict(language_shares(sums))
    parts, position = [], 0.0
    for row in sums:
        width = 1000 * shares.get(row.language, 0.0)
        parts.append(
            {
                "language": row.language,
                "files": row.files,
                "code_bytes": row.code_bytes,
                "share": shares.get(row.language, 0.0),
                "colour": COLOURS.get(row.language, COLOURS["other"]),
                "x": f"{position:.2f}",
                "width": f"{width:.2f}",
            }
        )
        position += width
    return parts


def _elf_row(component: Component) -> list[str | int]:
    known = dict(component.properties)
    size = known.get("rocketaudit:size", "")
    return [
        component.name,
        known.get("rocketaudit:language", ""),
        known.get("rocketaudit:kind", "").replace("_", " "),
        known.get("rocketaudit:machine", ""),
        int(size) if size.isascii() and size.isdigit() and len(size) < 16 else size,
        *(
            known.get(f"rocketaudit:hardening:{name}", "").replace("_", " ")
            for name in ("pie", "relro", "nx", "canary")
        ),
        dict(component.hashes).get("SHA-256", ""),
    ]


def _sbom_row(component: Component) -> list[str | int]:
    return [
        component.name,
        component.version,
        component.kind,
        " AND ".join(component.licences),
        component.purl,
        component.found_by,
        len(component.where),
    ]
