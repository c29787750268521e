"""A series over time as one line of a terminal, or as an inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rocketaudit.report.escape import visible

_BARS = "▁▂▃▄▅▆▇█"
_GAP = "·"
WIDTH, HEIGHT, EDGE, LEFT, BOTTOM = 640, 140, 8, 56, 28


def spark(values: Sequence[float | None], width: int = 60) -> str:
    """One bar per scan, the newest `width`; a scan without the value is a dot. The scale is the series' own."""
    shown = values[-width:]
    known = [value for value in shown if value is not None]
    if not known:
        return _GAP * len(shown)
    low, span = min(known), max(known) - min(known)
    return "".join(_GAP if v is None else _BARS[_step(v, low, span)] for v in shown)


def _step(value: float, low: float, span: float) -> int:
    return round((value - low) / span * (len(_BARS) - 1)) if span else len(_BARS) // 2


def svg(name: str, values: Sequence[float | None], labels: Sequence[str]) -> str:
    """A line chart that needs no style and no script; gaps stay gaps, and every point tells its scan.

    The least and the greatest value, and the first and the last label, stand at its edges.
    """
    known = [value for value in values if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    step = (WIDTH - LEFT - EDGE) / max(1, len(values) - 1)
    places = [
        None if value is None else (LEFT + step * index, _height(value, low, high))
        for index, value in enumerate(values)
    ]
    title = _safe(f"{name}: {low:g} to {high:g}")
    radius = 3 if step > 8 else 1
    dots = [
        f'<circle cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="{radius}"><title>{_safe(f"{label}: {value:g}")}</title>'
        "</circle>"
        for place, value, label in zip(places, values, labels, strict=True)
        if place is not None and value is not None
    ]
    lines = [f'<polyline fill="none" stroke="currentColor" points="{run}"/>' for run in _runs(places)]
    marks = {(LEFT - EDGE, _height(value, low, high) + 4, "end"): f"{value:g}" for value in (low, high) if known}
    if labels:
        marks |= {
            (LEFT, HEIGHT, "start"): labels[0],
            (WIDTH - EDGE, HEIGHT, "end"): labels[-1] if len(labels) > 1 else "",
        }
    texts = [
        f'<text x="{x}" y="{y:.1f}" text-anchor="{anchor}" font-size="11">{_safe(text)}</text>'
        for (x, y, anchor), text in marks.items()
        if text
    ]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + EDGE // 2}" role="img" aria-label="{title}" fill="currentColor">'
        f"<title>{title}</title>{''.join(lines)}{''.join(dots)}{''.join(texts)}</svg>"
    )


def _height(value: float, low: float, high: float) -> float:
    """Where a value lies, from the top; one that never changes lies in the middle."""
    part = (value - low) / (high - low) if high > low else 0.5
    return HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - EDGE)


def _runs(places: Sequence[tuple[float, float] | None]) -> list[str]:
    """Points that follow each other without a gap, as SVG writes them."""
    runs: list[list[str]] = [[]]
    for place in places:
        if place is None:
            runs.append([])
        else:
            runs[-1].append(f"{place[0]:.1f},{place[1]:.1f}")
    return [" ".join(run) for run in runs if len(run) > 1]


def _safe(text: str) -> str:
    return escape(visible(text), quote=True)
