"""The picture of a replay: one SVG for light and dark pages, drawn by hand.

Needs no library; the colours follow the reader's own scheme (``prefers-color-scheme``).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape

from .record import BINS, Run

WIDTH, PANEL, GAP = 860, 190, 62
LEFT, RIGHT, TOP = 62, 18, 74
TICKS = ((60, "1 min"), (600, "10 min"), (3600, "1 h"), (21600, "6 h"), (86400, "1 day"),
         (604800, "1 week"), (2592000, "30 days"))  # fmt: skip
LEAST = 30.0
"""Seconds: where the axis of waits begins."""
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 13px }
  .quiet { fill: #57606a }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .line { fill: none; stroke-width: 1.6; stroke-linejoin: round }
  .p0 { stroke: #0550ae; stroke-width: 2.4 } .p1 { stroke: #8250df }
  .p2 { stroke: #6e7781 } .p3 { stroke: #bc4c00 } .p4 { stroke: #1a7f37 }
  .p1 { stroke-dasharray: 6 3 } .p2 { stroke-dasharray: 2 3 } .p4 { stroke-dasharray: 9 3 2 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .quiet { fill: #9198a1 } .grid { stroke: #3d444d }
    .p0 { stroke: #58a6ff } .p1 { stroke: #d2a8ff }
    .p2 { stroke: #b1bac4 } .p3 { stroke: #ffa657 } .p4 { stroke: #56d364 }
  }
"""
Point = tuple[float, float]


def draw(runs: Mapping[str, Run], days: float, subtitle: str) -> str:
    """Waits, devices in use, and what is idle while somebody waits, by policy."""
    height = TOP + 3 * (PANEL + GAP)
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-labelledby="t">',
        f'<title id="t">{escape(subtitle)}</title>',
        f"<style>{STYLE}</style>",
        *_legend(list(runs)),
        f'<text class="quiet" x="{LEFT}" y="48">{escape(subtitle)}</text>',
        *_waits(runs, TOP),
        *_over_time(runs, TOP + PANEL + GAP, days, 0, "Devices in use"),
        *_over_time(runs, TOP + 2 * (PANEL + GAP), days, 1, "Idle while somebody waits"),
        "</svg>\n",
    ]
    return "\n".join(body)


def _legend(names: Sequence[str]) -> Iterator[str]:
    x = float(LEFT)
    for at, name in enumerate(names):
        yield f'<path class="line p{at}" d="M{x:.0f} 24h26"/>'
        yield f'<text x="{x + 32:.0f}" y="28">{escape(name)}</text>'
        x += 56 + 6.6 * len(name)


def _waits(runs: Mapping[str, Run], top: int) -> Iterator[str]:
    longest = max(max(run.waits.values()) for run in runs.values())
    most = math.log(max(longest, 3600) / LEAST)

    def across(seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * max(
            0.0, math.log(max(seconds, LEAST) / LEAST) / most
        )

    ticks = [(across(seconds), name) for seconds, name in TICKS if seconds <= longest]
    highest = _round(max(1 - run.at_once for run in runs.values()))
    yield from _frame("Tasks that waited longer than…", top, highest, ticks)
    for at, run in enumerate(runs.values()):
        waits = sorted(run.waits.values())
        points = [
            (across(LEAST * math.exp(most * step / 240)), LEAST * math.exp(most * step / 240))
            for step in range(241)
        ]
        yield _line(
            at,
            [(x, _longer(waits, seconds) / highest) for x, seconds in points],
            top,
        )


def _round(highest: float) -> float:
    """Where an axis ends: its quarters are whole percents."""
    return next((end for end in (0.04, 0.08, 0.2, 0.4, 0.6, 0.8) if end >= highest), 1.0)


def _longer(ordered: Sequence[int], seconds: float) -> float:
    return 1 - bisect_right(ordered, seconds) / len(ordered)


def _over_time(
    runs: Mapping[str, Run], top: int, days: float, which: int, title: str
) -> Iterator[str]:
    highest = _round(max(each[which] for run in runs.values() for each in run.series))
    across: Callable[[float], float] = lambda part: LEFT + (WIDTH - LEFT - RIGHT) * part  # noqa: E731
    step = 5 if days > 10 else max(1, round(days / 5))
    ticks = [(across(day / days), f"day {day}") for day in range(0, int(days) + 1, step)]
    yield from _frame(title, top, highest, ticks)
    for at, run in enumerate(runs.values()):
        points = [
            (across((bin_ + 0.5) / BINS), each[which] / highest)
            for bin_, each in enumerate(run.series)
        ]
        yield _line(at, points, top)


def _frame(
    title: str, top: int, highest: float, ticks: Sequence[tuple[float, str]]
) -> Iterator[str]:
    yield f'<text class="title" x="{LEFT}" y="{top - 8}">{escape(title)}</text>'
    for part in (0, 0.25, 0.5, 0.75, 1):
        y = top + PANEL * (1 - part)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield (
            f'<text class="quiet" x="{LEFT - 8}" y="{y + 4:.1f}" '
            f'text-anchor="end">{highest * part:.0%}</text>'
        )
    for x, name in ticks:
        yield f'<path class="grid" d="M{x:.1f} {top + PANEL}v5"/>'
        yield (
            f'<text class="quiet" x="{x:.1f}" y="{top + PANEL + 19}" '
            f'text-anchor="middle">{escape(name)}</text>'
        )


def _line(at: int, points: Sequence[Point], top: int) -> str:
    places = " ".join(f"{x:.1f},{top + PANEL * (1 - y):.1f}" for x, y in points)
    return f'<polyline class="line p{at}" points="{places}"/>'
