"""Which notebook runs next: the longest first, never more at once than the machine holds.

Pure. The service asks :func:`choose` whenever one could start: at the beginning, and each time one
has ended.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

OWN = 96 * 1024**2
"""Bytes for the processes beside a kernel that run it and hold its limits."""
MARGIN = 1.25
"""Times the peak of the last run: what the next may take."""


@dataclass(frozen=True, slots=True)
class Task:
    """A notebook that is to run."""

    number: int
    """Its place among those asked for, from 0."""
    seconds: float | None
    """As long as it ran the last time; ``None``: it never did."""
    cells: int
    """Code cells."""
    memory: int
    """Bytes that are set aside for it."""


def reserve(peak: int | None, limit: int | None, jobs: int, budget: int | None) -> int:
    """Bytes to set aside: what it took the last time and some more, else its limit, else a share.

    Never more than its limit: beyond that it is ended. Where nothing is known and nothing limits
    it, there must be room for as many as are wanted at once.
    """
    if peak is not None:
        wanted = int(peak * MARGIN)
        return OWN + (wanted if limit is None else min(wanted, limit))
    if limit is not None:
        return OWN + limit
    return 0 if budget is None else budget // max(1, jobs)


def order(tasks: Sequence[Task]) -> list[Task]:
    """The order in which they would start, were there room for all.

    1. those that never ran, for any of them may be the longest: the more code cells the earlier;
    2. the others by the time that they took the last time, the longest first;
    3. as they were named.
    """
    return sorted(
        tasks,
        key=lambda task: (
            task.seconds is not None,
            -task.cells if task.seconds is None else -task.seconds,
            task.number,
        ),
    )


def choose(
    waiting: Sequence[Task], running: Collection[Task], jobs: int, budget: int | None
) -> Task | None:
    """The first of ``waiting``, in :func:`order`, that may start beside ``running``.

    At most ``jobs`` run, and they take ``budget`` bytes together at most; ``None``: that isn't
    known. One that is larger than the budget runs alone. No room stays unused for which there is
    a task (list scheduling as by Garey and Graham, 1975: with n at a time and one resource never
    longer than 3 - 3/n times the best plan).
    """
    if len(running) >= jobs:
        return None
    free = None if budget is None else budget - sum(task.memory for task in running)
    for task in waiting:
        if free is None or task.memory <= free or not running:
            return task
    return None
