"""A series over time as one line of a terminal, or as an inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rocketaudit.report.escape import visible

_BARS = "▁▂▃▄▅▆▇█"
_GAP = "·"
WIDTH, HEIGHT, EDGE = 640, 120, 8


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
    """A line chart that needs no style and no script; gaps stay gaps, and every point tells its scan."""
    known = [value for value in values if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    span = high - low or 1.0
    step = (WIDTH - 2 * EDGE) / max(1, len(values) - 1)
    places = [
        None if value is None else (EDGE + step * index, HEIGHT - EDGE - (value - low) / span * (HEIGHT - 2 * EDGE))
        for index, value in enumerate(values)
    ]
    title = _safe(f"{name}: {low:g} to {high:g}")
    dots = [
        f'<circle cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="3"><title>{_safe(f"{label}: {value:g}")}</title></circle>'
        for place, value, label in zip(places, values, labels, strict=True)
        if place is not None and value is not None
    ]
    lines = [f'<polyline fill="none" stroke="currentColor" points="{run}"/>' for run in _runs(places)]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}" fill="currentColor">'
        f"<title>{title}</title>{''.join(lines)}{''.join(dots)}</svg>"
    )


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
