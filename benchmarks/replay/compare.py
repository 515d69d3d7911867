"""Every policy on the same clusters, with the same tasks, one after another in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..measure import percentile
from . import baselines
from .loop import Scheduler, replay
from .record import Run
from .rules import Rules, rounded_up
from .trace import Node, Trace, thin

OURS = "jupyter-gpuctl"
ROUNDED = "jupyter-gpuctl, times rounded up"
FCFS, BEST, WORST = "first come, first served", "best fit", "worst fit"
PEERS = (FCFS, BEST, WORST)
POLICIES: dict[str, Callable[[Sequence[Node]], Scheduler]] = {
    OURS: Rules,
    ROUNDED: lambda nodes: Rules(nodes, rounded_up),
    FCFS: baselines.first_come,
    BEST: baselines.best_fit,
    WORST: baselines.worst_fit,
}
COUNTS = (10, 9, 8)
"""Nodes of the tight clusters. With more nobody waits for long; with fewer the tasks ask for more
than there is."""
DRAWS = (0.2, 0.5, 0.8)
"""Of the nodes, for each count; see :func:`.trace.thin`."""
SHOWN = (9, 0.5)
"""The count and the draw of the picture."""
NATIVE_QUANTUM = 60
"""Seconds. On all nodes nobody waits, and a cycle looks at thousands of devices."""


@dataclass(frozen=True, slots=True)
class Group:
    """One policy on some clusters, seen together: all tasks of all of them."""

    runs: tuple[Run, ...]

    @property
    def mean_wait(self) -> float:
        return statistics.fmean(run.mean_wait for run in self.runs)

    @property
    def large_wait(self) -> float:
        return statistics.fmean(run.large_wait for run in self.runs)

    def wait(self, percent: float) -> float:
        return percentile([wait for run in self.runs for wait in run.waits.values()], percent)

    @property
    def at_once(self) -> float:
        return statistics.fmean(run.at_once for run in self.runs)

    def part(self, name: str) -> float:
        """Of the devices of all clusters: ``in_use``, ``idle``, ``unfit`` or ``fragments``."""
        devices = sum(run.devices for run in self.runs)
        return sum(getattr(run, name) * run.devices for run in self.runs) / devices

    @property
    def end(self) -> int:
        return max(run.end for run in self.runs)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All runs, by node count and draw, then by policy; under ``None`` those on all nodes."""

    trace: Trace
    tight: dict[tuple[int, float], dict[str, Run]]
    native: dict[str, Run]
    cycles: tuple[float, ...]
    """Seconds that each cycle of the real rules took, on the tight clusters."""
    seconds: float
    """That all of it took."""

    def group(self, policy: str, count: int | None = None) -> Group:
        """The tight clusters of ``count`` nodes; left out: all tight ones."""
        return Group(
            tuple(runs[policy] for key, runs in self.tight.items() if count in (None, key[0]))
        )

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(count for count, _ in self.tight))

    @property
    def shown(self) -> dict[str, Run]:
        return self.tight.get(SHOWN) or next(iter(self.tight.values()))


def compare(
    trace: Trace,
    *,
    quick: bool,
    say: Callable[[str], None],
    settings: Sequence[tuple[int, float]] | None = None,
) -> Comparison:
    """``quick``: one cluster, and not all nodes. ``settings``: other counts and draws."""
    if settings is None:
        settings = (SHOWN,) if quick else [(c, d) for c in COUNTS for d in DRAWS]
    began = time.monotonic()
    cycles: list[float] = []
    tight = {}
    for count, draw in settings:
        nodes = thin(trace.nodes, count, draw)
        say(f"  {count} nodes, draw {draw}: {', '.join(kinds(nodes))}")
        tight[count, draw] = dict(_runs(trace, nodes, 1, POLICIES, cycles))
    native: dict[str, Run] = {}
    if not quick:
        say(f"  all {len(trace.nodes):,} nodes")
        policies = {name: make for name, make in POLICIES.items() if name != ROUNDED}
        native = dict(_runs(trace, trace.nodes, NATIVE_QUANTUM, policies, []))
    return Comparison(trace, tight, native, tuple(cycles), time.monotonic() - began)


def kinds(nodes: Sequence[Node]) -> Iterator[str]:
    """Such as ``4 × 8 G2``."""
    found: dict[tuple[int, str], int] = {}
    for node in nodes:
        found[node.count, node.model] = found.get((node.count, node.model), 0) + 1
    for (count, model), number in sorted(found.items(), reverse=True):
        yield f"{number} × {count} {model}"


def _runs(
    trace: Trace,
    nodes: Sequence[Node],
    quantum: int,
    policies: dict[str, Callable[[Sequence[Node]], Scheduler]],
    cycles: list[float],
) -> Iterator[tuple[str, Run]]:
    for name, make in policies.items():
        scheduler = make(nodes)
        yield (
            name,
            replay(name, nodes, trace.tasks, trace.window, scheduler, quantum=quantum),
        )
        if isinstance(scheduler, Rules):
            cycles.extend(scheduler.seconds)
