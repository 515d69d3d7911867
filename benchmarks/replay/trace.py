"""A real cluster's trace: which devices there were, and which tasks asked for them.

Reads the two tables of Alibaba's public ``cluster-trace-gpu-v2023``
(https://github.com/alibaba/clusterdata), described in Weng et al., "Beware of Fragmentation:
Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent", USENIX ATC 2023.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jupyter_gpuctl.leases.model import WHOLE, LeasableDevice

from ..servers import Failed

NODES, TASKS = "openb_node_list_gpu_node.csv", "openb_pod_list_default.csv"


@dataclass(frozen=True, slots=True)
class Node:
    """A host and its devices, all of one model."""

    name: str
    model: str
    count: int

    def devices(self) -> tuple[LeasableDevice, ...]:
        """Without their memory: two of the seven models are not told, and no task asks for any."""
        return tuple(
            LeasableDevice(f"{self.name}/{index}", self.name, self.model, None, index)
            for index in range(self.count)
        )


@dataclass(frozen=True, slots=True)
class Task:
    """What was asked for and how long it ran, each in whole seconds of the trace's own clock."""

    name: str
    arrival: int
    duration: int
    milli: int
    """Below 1000: a share of one device; else whole devices of one host."""
    models: tuple[str, ...] = ()
    """Allowed; empty: any."""


@dataclass(frozen=True, slots=True)
class Trace:
    """All that is replayed, and how many rows were left out and why."""

    nodes: tuple[Node, ...]
    tasks: tuple[Task, ...]
    """By arrival."""
    without_gpu: int
    never_ran: int

    @property
    def window(self) -> tuple[int, int]:
        """From when one task in a hundred has arrived to the last arrival.

        The first few tasks are spread over months; averages over time are taken in here.
        """
        return self.tasks[len(self.tasks) // 100].arrival, self.tasks[-1].arrival

    @property
    def demand(self) -> float:
        """Devices in use on average in the window, had each task begun on arrival."""
        start, end = self.window
        seconds = sum(
            each.milli * max(0, min(each.arrival + each.duration, end) - max(each.arrival, start))
            for each in self.tasks
        )
        return seconds / WHOLE / (end - start)


def read(folder: Path) -> Trace:
    """The trace in ``folder``.

    Raises:
        Failed: a table is missing, or is not such a table.
    """
    try:
        with (folder / NODES).open(newline="") as file:
            nodes = tuple(
                Node(row["sn"], row["model"], int(row["gpu"])) for row in csv.DictReader(file)
            )
        with (folder / TASKS).open(newline="") as file:
            return _select(nodes, csv.DictReader(file))
    except OSError as problem:
        raise Failed(f"The trace can't be read: {problem}") from problem
    except (KeyError, ValueError, TypeError) as problem:
        raise Failed(f"{folder} holds no such trace: {problem!r}") from problem


def _select(nodes: tuple[Node, ...], rows: Iterable[dict[str, str]]) -> Trace:
    """Tasks that asked for devices and ran."""
    tasks: list[Task] = []
    without, never = 0, 0
    for row in rows:
        count, share = int(row["num_gpu"]), int(row["gpu_milli"] or 0)
        if count == 0:
            without += 1
            continue
        # A task that was never scheduled has an end, but that tells how long somebody waited,
        # and nothing says how long it would have run.
        seconds = int(row["deletion_time"]) - int(row["scheduled_time"] or row["deletion_time"])
        if seconds <= 0:
            never += 1
            continue
        tasks.append(
            Task(
                row["name"],
                int(row["creation_time"]),
                seconds,
                share if count == 1 and 0 < share < WHOLE else count * WHOLE,
                tuple(name for name in row["gpu_spec"].split("|") if name),
            )
        )
    tasks.sort(key=lambda each: (each.arrival, each.name))
    if not tasks:
        raise ValueError("no task asked for a GPU and ran")
    return Trace(nodes, tuple(tasks), without, never)


def thin(nodes: Sequence[Node], count: int, draw: float = 0.5) -> tuple[Node, ...]:
    """A systematic sample of ``count`` nodes in proportion to their kinds, always the same.

    Sorted by model, size and name, one from each of ``count`` equal strips, at ``draw`` (from 0
    up to 1) of its length.
    """
    ordered = sorted(nodes, key=lambda node: (node.model, node.count, node.name))
    return tuple(ordered[int((at + draw) * len(ordered) / count)] for at in range(count))
