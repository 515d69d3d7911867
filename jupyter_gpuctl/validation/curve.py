"""Memory over time, in a few hundred points that lose no peak. Pure."""

from __future__ import annotations

POINTS = 400
"""At most so many are kept, as long as there aren't more cells."""


class Curve:
    """Readings as they come. Where there are too many, two neighbours become the higher of them."""

    def __init__(self, most: int = POINTS) -> None:
        self._most = most
        self._points: list[tuple[float, int, bool]] = []
        """Time, bytes, and whether it is the peak of a cell, and so kept."""
        self._open = 0
        """Points before this belong to cells that have ended."""

    def add(self, at: float, used: int) -> None:
        """One reading: seconds, bytes."""
        self._points.append((at, used, False))
        if len(self._points) > 2 * self._most:
            self._thin()

    def keep_peak(self) -> None:
        """A cell ends here: its highest point stays."""
        cell = range(self._open, len(self._points))
        if cell:
            highest = max(cell, key=lambda index: self._points[index][1])
            at, used, _ = self._points[highest]
            self._points[highest] = (at, used, True)
        self._open = len(self._points)

    def points(self) -> tuple[tuple[float, int], ...]:
        """What is left of them now, in order."""
        self.keep_peak()
        while len(self._points) > self._most and self._thin():
            pass
        return tuple((at, used) for at, used, _ in self._points)

    def _thin(self) -> bool:
        """Half as many, but for the peaks; whether any went."""
        thinned: list[tuple[float, int, bool]] = []
        begun, opened = len(self._points), self._open
        for index, point in enumerate(self._points):
            if index == opened:
                self._open = len(thinned)
                merge = False
            else:
                merge = index % 2 == 1 and bool(thinned)
            if merge and not (point[2] or thinned[-1][2]):
                thinned[-1] = max(point, thinned[-1], key=lambda each: each[1])
            else:
                thinned.append(point)
        if opened >= begun:
            self._open = len(thinned)
        self._points = thinned
        return len(thinned) < begun
