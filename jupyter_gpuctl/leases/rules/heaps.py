"""Heaps of times that are worked out anew only when they come to the top. Pure.

That is right where what happens makes the times later, never earlier.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from heapq import heappop, heappush, heapreplace

STALE = -1
"""A version that nothing has."""

Heap = list[tuple[float, int, int]]
"""A time, a cell or a device, and the version of it that the time was worked out for."""


def first_of(
    heap: Heap,
    versions: list[int],
    fresh: Callable[[int], float],
    after: float,
    than: float,
    booked: Container[int],
    later: Callable[[int, float], float],
) -> tuple[float, int] | None:
    """The one of ``heap`` that starts first and before ``than``, and not before ``after``.

    ``fresh`` works a key out; ``later`` says how times for which it is ``booked`` put a start off.
    """
    aside: Heap = []
    best: tuple[float, int] | None = None
    while heap and than > after:
        time, number, version = heap[0]
        if time >= than:
            break
        if version != versions[number]:
            heapreplace(heap, (fresh(number), number, versions[number]))
            continue
        start = max(after, time)
        if number not in booked:
            best = (start, number)  # those behind it are not earlier
            break
        aside.append(heappop(heap))
        put_off = later(number, start)
        if put_off < than:
            best, than = (put_off, number), put_off
    for entry in aside:
        heappush(heap, entry)
    return best
