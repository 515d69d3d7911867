"""Believable GPU load as a pure function of seed, place and time. No state, no randomness.

Each place (a GPU or a MIG instance) has a timetable: stretches of six minutes in which it trains,
serves requests in bursts, or idles. Everything else follows from that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from .model import DeviceProcess

GIB = 1024**3
FIRST_PID = 4_194_304
"""Linux gives out no pid as high as this (PID_MAX_LIMIT): simulated ones collide with none."""

_STRETCH = 360.0
_WARM_UP = 12.0
_DIP = 4.0
_MASK = (1 << 64) - 1


def chance(*parts: int) -> float:
    """A number in [0, 1) that depends on ``parts`` alone (splitmix64, Steele et al. 2014)."""
    state = 0
    for part in parts:
        state = (state + (part & _MASK) + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return (state >> 11) / (1 << 53)


@dataclass(frozen=True, slots=True)
class Job:
    """What a place does in one stretch."""

    kind: str
    """``train``, ``serve`` or ``idle``."""
    start: float
    """Seconds after the beginning of the stretch."""
    end: float
    level: float
    """Highest load, 0 to 1."""
    period: float
    """Seconds: of an epoch, or from burst to burst."""
    memory: float
    """Fraction of the device's memory, once all is loaded."""
    pids: tuple[int, ...]


_IDLE = Job("idle", 0, 0, 0, 1, 0, ())


@lru_cache(maxsize=4096)
def _job(seed: int, place: int, stretch: int) -> Job:
    def draw(what: int, low: float, high: float) -> float:
        return low + (high - low) * chance(seed, place, stretch, what)

    kind = draw(0, 0, 1)
    # Never twice in a row: a demonstration is to show something.
    if kind > 0.6 and (stretch + place) % 2:
        return _IDLE
    start, end = draw(1, 2, 12), _STRETCH - draw(2, 2, 12)
    # Of its own for each place, and not seen again for weeks.
    pid = FIRST_PID + (place * 4096 + stretch % 4096) * 4
    if kind < 0.65:
        pids = tuple(pid + n for n in range(1 + int(draw(3, 0, 2.5))))
        return Job(
            "train", start, end, draw(4, 0.8, 0.98), draw(5, 25, 60), draw(6, 0.35, 0.7), pids
        )
    return Job("serve", start, end, draw(4, 0.3, 0.7), draw(5, 9, 20), draw(6, 0.1, 0.3), (pid,))


def _at(seed: int, place: int, time: float) -> tuple[Job, float]:
    """The job of this moment, and the seconds since it began (negative: not yet)."""
    time += _STRETCH * chance(seed, place)
    stretch = math.floor(time / _STRETCH)
    job = _job(seed, place, stretch)
    age = time - stretch * _STRETCH - job.start
    return (job, age) if age < job.end - job.start else (_IDLE, -1.0)


def load(seed: int, place: int, time: float) -> float:
    """How busy a place is, 0 to 1, without the noise of a single second."""
    job, age = _at(seed, place, time)
    if age < 0 or job.kind == "idle":
        return 0.0
    if job.kind == "serve":
        phase = age % job.period / job.period
        return job.level * math.sin(math.pi * phase / 0.45) if phase < 0.45 else 0.01
    if age < _WARM_UP:
        return 0.05
    waiting_for_data = (age - _WARM_UP) % job.period > job.period - _DIP
    return job.level * (0.2 if waiting_for_data else 1.0)


def utilization(seed: int, place: int, time: float) -> float:
    """Whole percent, 0 to 100, as drivers give it."""
    level = load(seed, place, time)
    if level == 0:
        return 0.0
    noise = 4 * chance(seed, place, math.floor(time)) - 2
    return float(min(100, max(0, round(100 * level + noise))))


def lagged(seed: int, place: int, time: float, *, lag: float, step: float) -> float:
    """Load as something with inertia feels it: weighted by age with time constant ``lag`` (s)."""
    total = weight_sum = 0.0
    for n in range(1 + int(3 * lag / step)):
        weight = math.exp(-n * step / lag)
        total += weight * load(seed, place, time - n * step)
        weight_sum += weight
    return total / weight_sum


def processes(seed: int, place: int, time: float, memory_total: int) -> tuple[DeviceProcess, ...]:
    """The processes of this moment. Memory grows in steps: weights, optimizer, activations."""
    job, age = _at(seed, place, time)
    if age < 0 or not job.pids:
        return ()
    loaded = 1.0
    for until, fraction in ((2.0, 0.05), (5.0, 0.3), (9.0, 0.6), (_WARM_UP, 0.85)):
        if age < until:
            loaded = fraction
            break
    # Caching allocators creep up a little with each epoch.
    creep = min(0.1, 0.01 * math.floor(age / job.period))
    memory = int(memory_total * job.memory * loaded * (1 + creep))
    first = memory if len(job.pids) == 1 else memory * 2 // (len(job.pids) + 1)
    rest = (memory - first) // max(1, len(job.pids) - 1)
    return tuple(DeviceProcess(pid, first if n == 0 else rest) for n, pid in enumerate(job.pids))
