"""What one cycle of the lease rules costs: time, decisions a second, memory, and how it grows."""

from __future__ import annotations

import gc
import itertools
import math
import statistics
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass

from jupyter_gpuctl.leases.rules.scheduler import decide

from .crowd import NOW, snapshot
from .measure import MIB
from .report import Figure

SIZES = ((10, 6), (100, 60), (1_000, 600), (10_000, 6_000))
"""Leases and devices."""
TARGET = 0.1
"""Seconds, for the largest."""


@dataclass(frozen=True, slots=True)
class Cycles:
    """Of one size, in seconds."""

    leases: int
    devices: int
    decided: float
    """The median until it is decided: what a write to the store waits for."""
    median: float
    """With the position, the estimated start and the reason of all who wait."""
    worst: float
    answers: int
    """Decisions and standings of the median cycle."""


def measure(leases: int, devices: int, rounds: int) -> Cycles:
    """Each round decides on a snapshot of its own, so that no round warms another's up."""
    took: list[tuple[float, int]] = []
    decided: list[float] = []
    for seed in range(rounds):
        one = snapshot(leases, devices, seed)
        gc.collect()
        began = time.perf_counter()
        outlook = decide(one, NOW)
        decided.append(time.perf_counter() - began)
        standings = dict(outlook.standings)  # only now are they worked out
        seconds = time.perf_counter() - began
        took.append((seconds, len(outlook.decisions) + len(standings)))
    middle = statistics.median_low(took)
    return Cycles(
        leases, devices, statistics.median_low(decided), middle[0], max(took)[0], middle[1]
    )


def memory(leases: int, devices: int) -> tuple[int, int]:
    """Bytes: of the snapshot, and the most that deciding on it needs beside."""
    tracemalloc.start()
    try:
        one = snapshot(leases, devices, 0)
        gc.collect()
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        dict(decide(one, NOW).standings)
        return held, tracemalloc.get_traced_memory()[1] - held
    finally:
        tracemalloc.stop()


def growth(small: Cycles, large: Cycles) -> float:
    """The exponent e in time ~ leases**e between two sizes."""
    return math.log(large.median / small.median) / math.log(large.leases / small.leases)


def n_log_n(small: Cycles, large: Cycles) -> float:
    """What the exponent would be of n log n between the same sizes."""
    ratio = large.leases * math.log(large.leases) / (small.leases * math.log(small.leases))
    return math.log(ratio) / math.log(large.leases / small.leases)


def figures(rounds: int) -> Iterator[Figure]:
    """``rounds`` of the largest size; more of the smaller ones, which take less."""
    found = []
    for leases, devices in SIZES:
        many = rounds * max(1, min(20, SIZES[-1][0] // leases))
        cycles = measure(leases, devices, many)
        found.append(cycles)
        largest = leases == SIZES[-1][0]
        what = f"one cycle of the rules, {leases:,} leases on {devices:,} devices"
        yield Figure(
            f"{what}, with the standing of all who wait, median of {many}",
            *("ms", cycles.median * 1e3),
        )
        yield Figure(f"{what}, worst of {many}", "ms", cycles.worst * 1e3)
        yield Figure(
            f"of it until it is decided, {leases:,} leases on {devices:,} devices, median",
            *("ms", cycles.decided * 1e3),
            target=f"< {TARGET * 1e3:.0f} ms" if largest else "",
            met=cycles.decided < TARGET if largest else None,
        )
        yield Figure(
            f"answers a second, {leases:,} leases on {devices:,} devices",
            *("1/s", cycles.answers / cycles.median),
        )
    for small, large in itertools.pairwise(found[1:]):
        yield Figure(
            f"growth of a cycle from {small.leases:,} to {large.leases:,} leases: "
            "exponent of the number of leases",
            *("", growth(small, large), "n log n between the same", n_log_n(small, large)),
            target="no worse than n log n",
            met=growth(small, large) <= n_log_n(small, large),
        )
    held, peak = memory(*SIZES[-1])
    what = f"{SIZES[-1][0]:,} leases on {SIZES[-1][1]:,} devices"
    yield Figure(f"memory of a snapshot of {what}", "MiB", held / MIB)
    yield Figure(f"memory that one cycle needs beside, {what}, at most", "MiB", peak / MIB)
