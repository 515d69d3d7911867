"""Memory over time, in a few hundred points that lose no peak. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

POINTS = 400
"""At most so many are kept, as long as there aren't more cells."""


class _Point(NamedTuple):
    at: float
    used: int


class Curve:
    """Readings as they come. Where there are too many, neighbours become the highest of them."""

    def __init__(self, most: int = POINTS) -> None:
        self._most = most
        self._peaks: list[_Point] = []
        """Of the cells that have ended."""
        self._past: list[_Point] = []
        """Other readings of those cells."""
        self._cell: list[_Point] = []
        """Readings since the last cell ended."""

    def add(self, at: float, used: int) -> None:
        """One reading: seconds, bytes."""
        self._cell.append(_Point(at, used))
        if len(self._past) + len(self._cell) > 2 * self._most:
            self._thin(self._most)

    def keep_peak(self) -> None:
        """A cell ends here: its highest point stays."""
        if self._cell:
            highest = max(range(len(self._cell)), key=lambda index: self._cell[index].used)
            self._peaks.append(self._cell.pop(highest))
            self._past += self._cell
            self._cell = []

    def points(self) -> tuple[tuple[float, int], ...]:
        """What is left of them now, in order."""
        self.keep_peak()
        self._thin(max(0, self._most - len(self._peaks)))
        return tuple((point.at, point.used) for point in sorted(self._peaks + self._past))

    def _thin(self, most: int) -> None:
        total = len(self._past) + len(self._cell)
        if total > most:
            ours = -(-most * len(self._cell) // total)
            self._past = _highest(self._past, most - ours)
            self._cell = _highest(self._cell, ours)


def _highest(points: list[_Point], most: int) -> list[_Point]:
    """The highest of each of ``most`` stretches."""
    if len(points) <= most:
        return points
    bounds = [number * len(points) // most for number in range(most + 1)] if most else []
    return [max(points[begin:end], key=lambda point: point.used) for begin, end in pairwise(bounds)]
