"""What the validations' routes take and give."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from .model import CellError, Finding, Limits, ProcessMemory, Started

VerdictName = Literal[
    "passed", "failed", "timed-out", "out-of-memory", "kernel-died", "invalid", "skipped"
]
"""The values of ``model.Verdict``: leases have a type of that name in the same document."""
_DOCUMENTED = {"use_attribute_docstrings": True}


class RunStatus(StrEnum):
    """How far a validation is."""

    QUEUED = "queued"
    """Others run; it is its turn when they have ended."""
    RUNNING = "running"
    DONE = "done"
    """Every notebook has its verdict."""
    CANCELLED = "cancelled"
    """Somebody stopped it; what was done by then is kept."""
    FAILED = "failed"
    """It could not be done at all: ``problem`` says why."""


class ReportFormat(StrEnum):
    """What a report can be had as."""

    HTML = "html"
    JSON = "json"
    JUNIT = "junit"
    MARKDOWN = "markdown"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a validation failed."""

    __pydantic_config__ = _DOCUMENTED

    code: str
    """Stable, for programs."""
    message: str
    """With the mend."""


@dataclass(frozen=True, slots=True)
class RunningNotebook:
    """A notebook that runs now."""

    __pydantic_config__ = _DOCUMENTED

    path: str
    """Below the root of the server's contents."""
    cell: int | None
    """Position of the running cell among all cells, from 0; ``None``: its kernel comes up."""
    number: int
    """Of that cell among those that will run, from 1; 0: none has begun."""
    cells: int | None
    """How many will run; ``None``: the notebook isn't read yet."""
    first_line: str
    """Of the cell's code."""


@dataclass(frozen=True, slots=True)
class CheckedNotebook:
    """A notebook that has its verdict; cells and memory over time are in the report."""

    __pydantic_config__ = _DOCUMENTED

    path: str
    """Below the root of the server's contents."""
    verdict: VerdictName
    reason: str
    """One sentence; empty for ``passed``."""
    hint: str
    """What would help; may be empty."""
    duration: float | None
    """Seconds."""
    peak_memory: int | None
    """Bytes."""
    started: Started
    cell: int | None
    """Position of the cell that decided, among all cells, from 0."""
    first_line: str
    """Of that cell's code."""
    error: CellError | None
    """Of that cell."""
    processes: tuple[ProcessMemory, ...]
    """Who held the memory shortly before it ran out."""
    findings: tuple[Finding, ...]
    """What the course checks found."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Notebooks, counted."""

    __pydantic_config__ = _DOCUMENTED

    done: int
    total: int | None
    """``None``: they are not found yet."""
    running: tuple[RunningNotebook, ...]


@dataclass(frozen=True, slots=True)
class ValidationSummary:
    """One validation, without its notebooks."""

    __pydantic_config__ = _DOCUMENTED

    id: str
    status: RunStatus
    cancelling: bool
    """It was told to stop, and ends what runs."""
    user: str
    """Who asked for it."""
    paths: tuple[str, ...]
    """As asked for, below the root of the server's contents; empty text: the root itself."""
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    position: int | None
    """In the queue, from 1; ``None``: it doesn't wait."""
    limits: Limits | None
    """For each notebook of which the course's settings say nothing else; ``None``: not read yet."""
    progress: Progress
    summary: str
    """``36 passed, 1 failed``; empty until there is a verdict."""
    problem: Problem | None
    """Of one that failed."""
    reports: tuple[ReportFormat, ...]
    """Those that ``GET validations/{id}/report`` has."""


@dataclass(frozen=True, slots=True)
class ValidationAnswer(ValidationSummary):
    """One validation, with what is known of each notebook so far."""

    notebooks: tuple[CheckedNotebook, ...]
    """In the order in which they ended; in that of their paths when all have."""


@dataclass(frozen=True, slots=True)
class ValidationsAnswer:
    """``GET validations``: the newest first."""

    __pydantic_config__ = _DOCUMENTED

    items: tuple[ValidationSummary, ...]
    next: str | None
    """Always ``null``: few are remembered, and all are here."""
    max_validations: int
    """How many run at a time."""


@dataclass(frozen=True, slots=True)
class ValidationBody:
    """``POST validations``. What is left out is as the course's settings say."""

    __pydantic_config__ = _DOCUMENTED

    paths: tuple[str, ...]
    """Notebooks and folders below the root of the server's contents; empty text: the root."""
    time_limit: str | float | None = None
    """For each notebook: seconds, or such as ``10m``; ``none``: no limit."""
    cell_time_limit: str | float | None = None
    """For each cell, as ``time_limit``."""
    memory_limit: str | int | None = None
    """For each notebook with all that it starts: bytes, or such as ``2GiB``; ``none``: no limit."""
    gpu_memory_limit: str | int | None = None
    """For each notebook, on all GPUs together, as ``memory_limit``."""
    kernel: str | None = None
    """Instead of the kernels that the notebooks name."""
    cold: bool | None = None
    """Start each kernel from nothing."""
    cache: bool | None = None
    """``false``: run also what has passed and has not changed since."""
