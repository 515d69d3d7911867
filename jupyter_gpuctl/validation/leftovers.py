"""Shared memory of one notebook, to be taken away after it: nothing else tells whose it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from ..host.segments import Segments, all_segments, segments_of

_AGAIN = 0.5
"""Seconds until segments are asked about again that were nobody's of ours: others run beside."""


class Leftovers:
    """Made before the notebook begins: what is there by then is not its."""

    def __init__(self, pids: Callable[[], Collection[int]]) -> None:
        """``pids``: those of the notebook now."""
        self._pids = pids
        self._known = all_segments()
        self._ours = Segments()
        self._new = Segments()
        self._look_at = 0.0

    def look(self) -> None:
        """While its processes live, often: of one that has ended nothing can be asked."""
        new = all_segments() - self._known - self._ours
        now = time.monotonic()
        if new != Segments() and (new != self._new or now >= self._look_at):
            self._ours |= segments_of(self._pids()) - self._known
            self._new, self._look_at = new, now + _AGAIN

    def remove(self) -> None:
        """After its processes have ended."""
        self._ours.remove()
