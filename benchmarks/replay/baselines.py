"""What others do: three policies without knowledge of how long a task will run.

*First come, first served*: tasks start strictly in order of arrival; one that finds no place
blocks all behind it. Placed on the first node, in order of names, that has room, and there on the
first devices.

*Best fit* and *worst fit*: as Kubernetes' scheduler works through its queue: each waiting task is
tried in order of age, and whatever fits starts, whoever still waits before it. Best fit places a
share on the device with the least left that still suffices, of those on the node with the least
free; whole devices on the node with the least free that has enough (``MostAllocated`` in
Kubernetes). Worst fit is its mirror: the device, or the node, with the most left
(``LeastAllocated``, the default of Kubernetes). Ties go by node and index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from jupyter_gpuctl.leases.model import WHOLE

from .loop import Placement
from .trace import Node, Task

Rank = Callable[[int, int], tuple[int, int]]
"""From what is free on the device and on its node: the lowest is chosen."""

RANKS: dict[str, Rank | None] = {
    "first": None,
    "best": lambda device, node: (device, node),
    "worst": lambda device, node: (-device, -node),
}


class _Host:
    __slots__ = ("devices", "free", "model", "total", "whole")

    def __init__(self, node: Node) -> None:
        self.devices = tuple(device.uuid for device in node.devices())
        self.model = node.model.casefold()
        self.free = [WHOLE] * node.count
        self.whole = node.count
        self.total = WHOLE * node.count

    def room(self, task: Task) -> list[int]:
        """The devices that ``task`` could be on; none where there are too few."""
        count, need = task.milli // WHOLE, min(task.milli, WHOLE)
        if self.total < task.milli or self.whole < count:
            return []
        if task.models and not any(name.casefold() in self.model for name in task.models):
            return []
        return [index for index, left in enumerate(self.free) if left >= need]

    def add(self, index: int, milli: int) -> None:
        """``milli`` more are free, or less where it is negative."""
        self.whole -= self.free[index] == WHOLE
        self.free[index] += milli
        self.whole += self.free[index] == WHOLE
        self.total += milli


class Baseline:
    """A queue in order of age, and a way to choose a place."""

    def __init__(self, nodes: Sequence[Node], placing: str, *, head_blocks: bool) -> None:
        self._hosts = [_Host(node) for node in sorted(nodes, key=lambda node: node.name)]
        self._rank = RANKS[placing]
        self._head_blocks = head_blocks
        self._queue: list[Task] = []
        self._places: dict[str, tuple[_Host, list[int]]] = {}

    def cycle(
        self, now: int, arrived: Sequence[Task], ended: Sequence[Task]
    ) -> Iterator[Placement]:
        for task in ended:
            host, indices = self._places.pop(task.name)
            for index in indices:
                host.add(index, min(task.milli, WHOLE))
        self._queue.extend(arrived)
        waiting: list[Task] = []
        # What found no place finds none later in the same cycle.
        hopeless: set[tuple[int, tuple[str, ...]]] = set()
        for position, task in enumerate(self._queue):
            kind = (task.milli, task.models)
            place = None if kind in hopeless else self._place(task)
            if place is not None:
                host, indices = place
                for index in indices:
                    host.add(index, -min(task.milli, WHOLE))
                self._places[task.name] = place
                yield task, [host.devices[index] for index in indices]
                continue
            hopeless.add(kind)
            waiting.append(task)
            if self._head_blocks:
                waiting.extend(self._queue[position + 1 :])
                break
        self._queue = waiting

    def _place(self, task: Task) -> tuple[_Host, list[int]] | None:
        best: tuple[tuple[int, int], _Host, list[int]] | None = None
        for host in self._hosts:
            indices = host.room(task)
            if not indices:
                continue
            if self._rank is None:
                return host, indices[: max(1, task.milli // WHOLE)]
            for index in indices:
                rank = self._rank(host.free[index], host.total)
                if best is None or rank < best[0]:
                    best = (rank, host, [index] if task.milli < WHOLE else indices)
        return None if best is None else (best[1], best[2][: max(1, task.milli // WHOLE)])


def first_come(nodes: Sequence[Node]) -> Baseline:
    return Baseline(nodes, "first", head_blocks=True)


def best_fit(nodes: Sequence[Node]) -> Baseline:
    return Baseline(nodes, "best", head_blocks=False)


def worst_fit(nodes: Sequence[Node]) -> Baseline:
    return Baseline(nodes, "worst", head_blocks=False)
