"""Where the lines of a plot of memory lie. Pure: numbers in, numbers out."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.quantities import format_bytes
from ..model import CellStatus, Limits, NotebookResult
from .text import long_duration

WIDTH, HEIGHT = 1000, 100
"""The units of a plot: it is stretched to the room that there is."""
_HEADROOM = 1.08
_NEAR = 1.6
"""A limit that is more than this many times the peak would squeeze the line, and isn't drawn."""
_NARROWEST_LABEL = 3.4
"""Percent of the width: on a phone that holds two digits."""


@dataclass(frozen=True, slots=True)
class Span:
    """The time of one cell, in percent of the width."""

    number: int
    """As people count: from 1."""
    left: float
    width: float
    labelled: bool
    failed: bool
    told: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A line of memory over time."""

    points: str
    """For ``polyline``, in :data:`WIDTH` by :data:`HEIGHT`, from the top."""
    area: str
    """The same, closed along the bottom."""
    top: str
    """What the upper edge stands for."""
    end: str
    """What the right edge stands for."""
    limit: float | None
    """Percent from the top; ``None``: it is too far away to draw."""
    limit_told: str
    told: str
    """The plot in a sentence, for who can't see it."""
    spans: tuple[Span, ...]


def plot(notebook: NotebookResult, limits: Limits) -> Plot | None:
    """The plot of a notebook; ``None`` where too little was measured."""
    peak = max((held for _, held in notebook.memory), default=0)
    end = max([notebook.duration or 0, *(at for at, _ in notebook.memory)])
    if len(notebook.memory) < 2 or end <= 0 or peak <= 0:
        return None
    limit = (notebook.limits or limits).memory
    drawn = limit is not None and limit <= peak * _NEAR
    top = max(peak * _HEADROOM, (limit or 0) * _HEADROOM if drawn else 0)
    pairs = [(at / end * WIDTH, HEIGHT - held / top * HEIGHT) for at, held in notebook.memory]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)
    first, last = pairs[0][0], pairs[-1][0]
    at_peak = next(at for at, held in notebook.memory if held == peak)
    spans = _spans(notebook, end)
    inside = [span for span in spans if span.left <= at_peak / end * 100 <= span.left + span.width]
    where = f", in cell {inside[-1].number}" if inside else ""
    return Plot(
        points=points,
        area=f"{first:.1f},{HEIGHT} {points} {last:.1f},{HEIGHT}",
        top=format_bytes(top),
        end=long_duration(end),
        limit=100 - limit / top * 100 if limit is not None and drawn else None,
        limit_told=f"limit {format_bytes(limit)}" if limit is not None else "",
        told=f"Memory over {long_duration(end)}: at most {format_bytes(peak)}{where}.",
        spans=spans,
    )


def _spans(notebook: NotebookResult, end: float) -> tuple[Span, ...]:
    found: list[Span] = []
    free = 0.0
    for cell in notebook.cells:
        if cell.started_at is None or cell.duration is None:
            continue
        left = min(100.0, cell.started_at / end * 100)
        told = f"Cell {cell.index + 1}: {long_duration(cell.duration)}"
        if cell.peak_memory is not None:
            told += f", at most {format_bytes(cell.peak_memory)}"
        labelled = left >= free and left < 100 - _NARROWEST_LABEL
        free = left + _NARROWEST_LABEL if labelled else free
        found.append(
            Span(
                number=cell.index + 1,
                left=round(left, 2),
                width=round(max(0.0, min(100 - left, cell.duration / end * 100)), 2),
                labelled=labelled,
                failed=cell.status not in (CellStatus.OK, CellStatus.EXPECTED_ERROR),
                told=told,
            )
        )
    return tuple(found)
