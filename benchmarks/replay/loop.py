"""The replay: one clock, one ledger of devices, one record, the same for every policy."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeAlias

from jupyter_gpuctl.leases.model import WHOLE

from .record import Record, Run
from .trace import Node, Task

Placement: TypeAlias = tuple[Task, Sequence[str]]
"""A task that starts now, and the UUIDs of its devices."""
NEVER = 1 << 62


class Broken(AssertionError):
    """A policy has done what no policy can: the replay is worth nothing."""


class Scheduler(Protocol):
    """One policy. Called whenever something has changed; what it starts is final."""

    def cycle(
        self, now: int, arrived: Sequence[Task], ended: Sequence[Task]
    ) -> Iterable[Placement]:
        """What starts at ``now``, after ``ended`` have left and ``arrived`` have joined."""
        ...


class Ledger:
    """What is free on each device, kept apart from the policies, which it checks."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.free = {node.name: [WHOLE] * node.count for node in nodes}
        self.capacity = WHOLE * sum(node.count for node in nodes)
        self.used = 0
        self.changed: set[str] = set()
        self._models = {node.name: node.model.casefold() for node in nodes}
        self._places = {
            device.uuid: (node.name, device.index) for node in nodes for device in node.devices()
        }
        self._running: dict[str, list[tuple[str, int]]] = {}

    def take(self, task: Task, devices: Sequence[str]) -> None:
        places = [self._places[uuid] for uuid in devices]
        need = min(task.milli, WHOLE)
        if len(set(places)) != max(1, task.milli // WHOLE) or len({host for host, _ in places}) > 1:
            raise Broken(f"{task} can't be on {devices}")
        host = places[0][0]
        if task.models and not any(name.casefold() in self._models[host] for name in task.models):
            raise Broken(f"{task} can't be on a {self._models[host]}")
        for host, index in places:
            if self.free[host][index] < need:
                raise Broken(f"{task} does not fit on {host}/{index}")
            self.free[host][index] -= need
        if task.name in self._running:
            raise Broken(f"{task} was started twice")
        self._running[task.name] = places
        self.used += task.milli
        self.changed.add(host)

    def give(self, task: Task) -> None:
        for host, index in self._running.pop(task.name):
            self.free[host][index] += min(task.milli, WHOLE)
            self.changed.add(host)
        self.used -= task.milli


def replay(
    name: str,
    nodes: Sequence[Node],
    tasks: Sequence[Task],
    window: tuple[int, int],
    scheduler: Scheduler,
    *,
    quantum: int = 1,
) -> Run:
    """Let ``scheduler`` work through ``tasks``, which come by arrival, on ``nodes``.

    All that falls in the same ``quantum`` of seconds is decided at its end, in one cycle. With 1,
    the trace's own resolution, that is at once.

    Raises:
        Broken: it over-packed a device, started something twice, or left something waiting
            for ever.
    """
    ledger = Ledger(nodes)
    record = Record(name, ledger, tasks, window)
    waiting: Counter[tuple[int, tuple[str, ...]]] = Counter()
    ends: list[tuple[int, int, Task]] = []
    upcoming = iter(tasks)
    task = next(upcoming, None)
    while task is not None or ends:
        first = min(NEVER if task is None else task.arrival, ends[0][0] if ends else NEVER)
        now = -(-first // quantum) * quantum
        record.until(now, waiting)
        ended, arrived = [], []
        while ends and ends[0][0] <= now:
            ended.append(heapq.heappop(ends)[2])
            ledger.give(ended[-1])
        while task is not None and task.arrival <= now:
            arrived.append(task)
            waiting[task.milli, task.models] += 1
            task = next(upcoming, None)
        for one, devices in scheduler.cycle(now, arrived, ended):
            ledger.take(one, devices)
            record.started(one, now)
            key = (one.milli, one.models)
            waiting[key] -= 1
            if waiting[key] == 0:
                del waiting[key]
            heapq.heappush(ends, (now + one.duration, len(record.waits), one))
    if waiting:
        raise Broken(f"{waiting.total()} tasks have never started, such as {next(iter(waiting))}")
    return record.run()
