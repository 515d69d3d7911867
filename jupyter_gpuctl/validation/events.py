"""What the processes of a validation tell each other: one event a line, as JSON.

    engine (nbconvert) → worker (limits) → validator

Times (``at``) are those of the machine's monotonic clock, which all processes share.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from ..core.encoding import to_json
from .containers.model import Container
from .model import CellError, CellStatus, Finding, Limits, ProcessMemory, Started, Tier
from .outputs import OutputChecks

GPU_WORD = b"gpu-memory\n"
"""What the validator says to the worker of a notebook that holds too much of the GPUs' memory."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the validator asks of a worker, and the worker of the engine."""

    path: str
    limits: Limits
    kernel: str | None
    """Instead of the one that the notebook names."""
    tier: Tier
    group: str
    """The name for the control group of this notebook."""
    scratch: str
    """A folder for its connection files; the worker removes it."""
    entrances: tuple[str, ...] = ()
    """Files by which the kernel enters its control group; the worker fills them in."""
    seed: tuple[int, int] | None = None
    """The process that waits to become the kernel, and the engine's descriptor to tell it by; the
    worker fills it in. ``None``: the kernel is to be started."""
    source: str | None = None
    """A notebook that is run in the place of the one at ``path``."""
    check_outputs: OutputChecks | None = None
    """Compare the outputs with those stored, in this way."""
    container: Container | None = None
    """In which the kernel is to run."""


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A code cell before it runs."""

    index: int
    id: str | None
    runs: bool
    first_line: str | None
    """Its first line of code."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """How the kernel is going to be started: the validator's word, before the worker's first."""

    started: Started
    cold_because: str = ""
    left_out: tuple[str, ...] = ()
    """Modules that the kernel imports by itself although it was forked, and why."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The notebook was read; these are its code cells."""

    cells: tuple[PlannedCell, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The notebook can't be run as it is."""

    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class KernelStarting:
    """The notebook's time begins."""

    at: float


@dataclass(frozen=True, slots=True)
class KernelWanted:
    """The engine asks the worker to start the kernel in its container.

    The answer is one line of JSON: its ``pid``, or the ``error``. The validator doesn't hear it.
    """

    command: tuple[str, ...]
    environment: dict[str, str]
    folder: str


@dataclass(frozen=True, slots=True)
class KernelReady:
    """The kernel answers."""

    at: float
    pid: int | None


@dataclass(frozen=True, slots=True)
class CellStarted:
    """A cell was sent to the kernel."""

    index: int
    at: float
    deadline: float | None
    """When the worker kills what the engine could not interrupt."""
    limit: float | None
    """The seconds that decide: of the cell, or of the notebook if ``whole``."""
    whole: bool = False


@dataclass(frozen=True, slots=True)
class CellEnded:
    """The kernel has answered for a cell. The worker adds what it measured."""

    index: int
    at: float
    status: CellStatus
    error: CellError | None = None
    cpu_seconds: float | None = None
    peak_memory: int | None = None


@dataclass(frozen=True, slots=True)
class Differs:
    """The outputs of a cell are not the stored ones. Comes before :class:`CellEnded`."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class KernelDied:
    """The kernel is gone, or never came."""

    at: float
    exit_code: int | None
    """Negative: the signal that killed it."""
    message: str


@dataclass(frozen=True, slots=True)
class Finished:
    """All that was to run has run."""

    at: float


@dataclass(frozen=True, slots=True)
class Broken:
    """The engine or the worker itself failed: a defect, or a broken installation."""

    message: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event of every run, from the worker: nothing of it runs any more."""

    at: float
    cause: str | None
    """Why the worker ended it: ``memory`` ``machine`` ``gpu-memory`` ``time`` ``outputs``
    ``stopped`` ``start`` ``shutdown``."""
    engine_status: int | None
    """Of the engine's process; negative: a signal. ``None``: not known."""
    cpu_seconds: float | None
    peak_memory: int | None
    cell_cpu_seconds: float | None
    """Of the cell that was running, if one was."""
    cell_peak_memory: int | None
    enforced_by: Tier | None
    processes: tuple[ProcessMemory, ...]
    output: str
    """The end of what the kernel's process wrote past Jupyter: crash reports, start errors."""
    memory: tuple[tuple[float, int], ...] = ()
    """Times and bytes, as :class:`~jupyter_gpuctl.validation.model.Curve` keeps them."""
    peak_shared: int | None = None
    """Bytes of shared memory; ``None``: not told apart."""
    peak_gpu_memory: int | None = None
    """Bytes on all GPUs, which the validator adds; ``None``: not measured."""


Event = (
    Chosen
    | Planned
    | Refused
    | KernelStarting
    | KernelWanted
    | KernelReady
    | CellStarted
    | CellEnded
    | Differs
    | KernelDied
    | Finished
    | Broken
    | Ended
)

_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        Job,
        Chosen,
        Planned,
        Refused,
        KernelStarting,
        KernelWanted,
        KernelReady,
        CellStarted,
        CellEnded,
        Differs,
        KernelDied,
        Finished,
        Broken,
        Ended,
    )
}

_READ: dict[str, Any] = {
    "limits": lambda value: Limits(**value),
    "tier": Tier,
    "entrances": tuple,
    "seed": tuple,
    "command": tuple,
    "container": lambda value: Container(**value),
    "check_outputs": lambda value: OutputChecks(tuple(value.pop("ignore")), **value),
    "finding": lambda value: Finding(**value),
    "started": Started,
    "left_out": tuple,
    "memory": lambda value: tuple((at, used) for at, used in value),
    "cells": lambda value: tuple(PlannedCell(**cell) for cell in value),
    "status": CellStatus,
    "error": lambda value: CellError(**value),
    "enforced_by": Tier,
    "processes": lambda value: tuple(ProcessMemory(**process) for process in value),
}


def to_line(event: Event | Job) -> bytes:
    """One line of JSON. Names that are not UTF-8 survive."""
    return json.dumps({"kind": type(event).__name__, **to_json(event)}).encode() + b"\n"


def from_line(line: bytes | str) -> Any:
    """The event, or the :class:`Job`, that :func:`to_line` wrote.

    Raises:
        ValueError: the line holds no such thing.
    """
    try:
        values = json.loads(line)
        kind = _KINDS[values.pop("kind")]
        for name, read in _READ.items():
            if values.get(name) is not None:
                values[name] = read(values[name])
        return kind(**values)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not an event: {line[:200]!r}") from error


def stopped(at: float) -> Ended:
    """The end of a run that was stopped before it began."""
    return Ended(at, "stopped", None, None, None, None, None, None, (), "")


def with_measures(event: CellEnded, cpu_seconds: float, peak_memory: int) -> CellEnded:
    """``event`` with what the worker measured."""
    return dataclasses.replace(event, cpu_seconds=cpu_seconds, peak_memory=peak_memory)
