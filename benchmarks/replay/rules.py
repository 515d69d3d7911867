"""The real rules of this package, driven through the replay."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from jupyter_gpuctl.leases.model import (
    End,
    Lease,
    LeaseStatus,
    Request,
    Snapshot,
    Start,
)
from jupyter_gpuctl.leases.policy import Policy
from jupyter_gpuctl.leases.rules.scheduler import decide

from .loop import Broken, Placement
from .trace import Node, Task

HOUR = 3600
DAY = 24 * HOUR
PRESETS = (900, HOUR, 4 * HOUR, 8 * HOUR, DAY, 7 * DAY, 30 * DAY, 365 * DAY)
"""Seconds: what people choose from when they ask for a lease."""


def exactly(task: Task) -> int:
    return task.duration


def rounded_up(task: Task) -> int:
    """The next of :data:`PRESETS`: people don't know how long it will take, and ask for more."""
    at = bisect_left(PRESETS, task.duration)
    return PRESETS[at] if at < len(PRESETS) else task.duration


class Rules:
    """``decide`` on a snapshot of everything, at each change, and its decisions carried out.

    All tasks are one user's, nobody's quota binds, nobody is interactive: what is compared is
    order, backfill and placement. A lease is asked for the time that ``declared`` says and given
    back when the task ends. Shares ask for no memory, because the trace knows none.
    """

    def __init__(self, nodes: Sequence[Node], declared: Callable[[Task], int] = exactly) -> None:
        self._devices = tuple(device for node in nodes for device in node.devices())
        self._declared = declared
        self._policy = Policy(max_lease=1 << 40)
        self._leases: dict[str, Lease] = {}
        self._tasks: dict[str, Task] = {}
        self.seconds: list[float] = []
        """That each cycle took."""

    def cycle(
        self, now: int, arrived: Sequence[Task], ended: Sequence[Task]
    ) -> Iterator[Placement]:
        for task in ended:
            del self._leases[task.name]
        for task in arrived:
            self._tasks[task.name] = task
            self._leases[task.name] = Lease(
                id=task.name,
                owner="trace",
                request=Request(
                    task.milli,
                    self._declared(task),
                    model="|".join(task.models) or None,
                    interactive=False,
                ),
                status=LeaseStatus.QUEUED,
                created_at=float(task.arrival),
            )
        if not arrived and not any(
            lease.status is LeaseStatus.QUEUED for lease in self._leases.values()
        ):
            return  # Nothing waits: there is nothing to decide.
        snapshot = Snapshot(self._devices, tuple(self._leases.values()), self._policy)
        began = time.perf_counter()
        outlook = decide(snapshot, float(now))
        self.seconds.append(time.perf_counter() - began)
        for decision in outlook.decisions:
            lease = self._leases[decision.lease_id]
            match decision:
                case Start(devices=devices, expires_at=expires_at):
                    self._leases[lease.id] = replace(
                        lease,
                        status=LeaseStatus.ACTIVE,
                        devices=devices,
                        started_at=float(now),
                        expires_at=expires_at,
                    )
                    yield self._tasks[lease.id], devices
                case End():
                    raise Broken(f"{lease.id} was ended: {decision}")
                case _:
                    raise Broken(f"nobody should be offered or told anything: {decision}")
