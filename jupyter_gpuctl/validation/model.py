"""Limits, verdicts, results: frozen values and small pure rules. No I/O, no clock, no Jupyter.

These classes are also the report: a field here is a field of the JSON. What was not measured is
``None``, never 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..core.quantities import format_bytes
from .needs import BASELINE_RULES, Comparison, FoundLimit, Recommendation

SCHEMA = "gpuctl.validation/1"
"""Of the JSON report. The number rises when a reader of the old one would be misled."""

_DOCUMENTED = {"use_attribute_docstrings": True}


class Verdict(StrEnum):
    """How it went with one notebook."""

    PASSED = "passed"
    FAILED = "failed"
    """A cell raised an error that no tag allows."""
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    KERNEL_DIED = "kernel-died"
    """By its own hand or another's, but not for memory that we limited."""
    INVALID = "invalid"
    """It can't be run as it is: not a notebook, or its kernel is not installed."""
    SKIPPED = "skipped"
    """It holds nothing to run, or the validation was interrupted."""


class CellStatus(StrEnum):
    """How it went with one code cell."""

    OK = "ok"
    ERROR = "error"
    EXPECTED_ERROR = "expected-error"
    """It raised, and its tag ``raises-exception`` says so."""
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    KERNEL_DIED = "kernel-died"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"
    """Empty, or tagged ``skip-execution``."""
    NOT_RUN = "not-run"
    """An earlier cell ended the run."""


class Started(StrEnum):
    """How the kernel of a notebook came up."""

    COLD = "cold"
    """It was started for this notebook alone, from nothing."""
    FORKED = "forked"
    """It is a child, not used before, of a process that had imported what notebooks import."""
    CACHED = "cached"
    """It was not run: nothing that its verdict rests on has changed since it last was."""


class Tier(StrEnum):
    """What holds the limits, strongest first."""

    CGROUP_V2 = "cgroup v2"
    CGROUP_V1 = "cgroup v1"
    WATCHER = "watcher"
    """No help from the kernel: the tree is measured many times a second, and killed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one notebook may use. ``None``: no limit."""

    __pydantic_config__ = _DOCUMENTED

    time: float | None = None
    """Seconds for the notebook, from the start of its kernel."""
    cell_time: float | None = None
    """Seconds for each cell; ``metadata.execution.timeout`` of notebook or cell goes before."""
    memory: int | None = None
    """Bytes for the kernel and all that it starts; page cache that can be dropped left out."""
    gpu_memory: int | None = None
    """Bytes on all GPUs together, for the same processes; held only where there is a driver."""


@dataclass(frozen=True, slots=True)
class CellError:
    """What a cell raised, or where it stood when it was ended."""

    __pydantic_config__ = _DOCUMENTED

    name: str
    """The class of the exception; for what is none, the verdict's own word."""
    value: str
    """Its message, at most 2,000 characters."""
    line: int | None
    """In the cell, from 1; ``None`` where it isn't known."""
    source: str | None
    """The text of that line; of the cell's first line of code where ``line`` isn't known."""


@dataclass(frozen=True, slots=True)
class CellResult:
    """One code cell."""

    __pydantic_config__ = _DOCUMENTED

    index: int
    """Position among all cells of the notebook, from 0. (People are told it from 1.)"""
    id: str | None
    status: CellStatus
    duration: float | None
    """Seconds."""
    cpu_seconds: float | None
    """Of the kernel and all that it started, in hundredths."""
    peak_memory: int | None
    """Bytes, as for the notebook."""
    error: CellError | None
    started_at: float | None = None
    """Seconds after the kernel's start began."""
    first_line: str = ""
    """Its first line of code, at most 200 characters: by that people know a cell."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that an author should know, beside the verdict."""

    __pydantic_config__ = _DOCUMENTED

    rule: str
    """Its name, such as ``broken-link``: what a setting switches off."""
    message: str
    """One sentence."""
    hint: str
    """What would mend it; may be empty."""
    cell: int | None = None
    """Position among all cells, from 0; ``None``: the file as a whole."""
    line: int | None = None
    """In the cell, from 1."""
    fails: bool = False
    """Whether the notebook counts as failed for it."""
    detail: str = ""
    """More of it, of several lines: what differs."""


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """A process of the notebook, and what it held."""

    __pydantic_config__ = _DOCUMENTED

    pid: int
    name: str
    memory: int
    """Bytes; pages shared by several divided among them."""
    kernel: bool
    """Whether it is the kernel itself."""


@dataclass(frozen=True, slots=True)
class NotebookResult:
    """One notebook and its verdict."""

    __pydantic_config__ = _DOCUMENTED

    path: str
    verdict: Verdict
    reason: str
    """One sentence; empty for ``passed``."""
    hint: str
    """What would help; may be empty."""
    duration: float | None
    """Seconds from the start of the kernel to the end of the last cell."""
    cpu_seconds: float | None
    """Of the kernel and all that it started."""
    peak_memory: int | None
    """Bytes that the kernel and all that it started held at once, page cache left out."""
    enforced_by: Tier | None
    """What held the limits; ``None`` where nothing was started."""
    started: Started
    cell: int | None
    """Index of the cell that decided the verdict."""
    error: CellError | None
    """Of that cell."""
    processes: tuple[ProcessMemory, ...]
    """Who held the memory shortly before it ran out, the largest first."""
    cells: tuple[CellResult, ...]
    """All code cells, in order."""
    cold_because: str = ""
    """Why its kernel was not forked, where that was wanted."""
    memory: tuple[tuple[float, int], ...] = ()
    """Seconds after the kernel's start began, and bytes held then: at most 400 points, with every
    peak. Empty where it wasn't measured."""
    findings: tuple[Finding, ...] = ()
    """What the course checks found."""
    not_preloaded: tuple[str, ...] = ()
    """Modules that its forked kernel had to import by itself, each with the reason."""
    limits: Limits | None = None
    """Those that held for it."""
    peak_shared: int | None = None
    """Bytes of shared memory that it held at once, such as files in ``/dev/shm``; part of
    ``peak_memory``. ``None``: not measured, as no control group held the limits."""
    peak_gpu_memory: int | None = None
    """Bytes that it held on all GPUs at once, by readings 0.2 s apart. ``None``: not measured, as
    there is no driver."""


@dataclass(frozen=True, slots=True)
class Validation:
    """One run of the validator: the JSON report, ``schema`` first."""

    __pydantic_config__ = _DOCUMENTED

    schema: str
    started_at: datetime
    duration: float
    """Seconds."""
    limits: Limits
    interrupted: bool
    notebooks: tuple[NotebookResult, ...]
    since: str = ""
    """The git revision against which ``left_out`` are unchanged; empty: all were asked for."""
    left_out: int = 0
    """Notebooks that were found, and not run for that."""
    recommendation: Recommendation | None = None
    """What to configure for learners, by these peaks."""
    found_limits: tuple[FoundLimit, ...] = ()
    """The least memory for each, where that was asked for."""
    baseline: Comparison | None = None
    """How it went beside a baseline, where one was named."""
    image: str = ""
    """The image in whose containers the kernels ran, as it was named; empty: in none."""
    image_id: str = ""


def ran_out_of_gpu_memory(notebook: NotebookResult) -> bool:
    """Whether it was the memory of GPUs that it ran out of."""
    limit = notebook.limits.gpu_memory if notebook.limits is not None else None
    out = notebook.verdict is Verdict.OUT_OF_MEMORY and limit is not None
    return out and (notebook.peak_gpu_memory or 0) > (limit or 0)


def gpus_were_not_limited(validation: Validation) -> bool:
    """Whether a limit for the memory of GPUs was to hold where no driver answered."""
    return any(
        one.limits is not None
        and one.limits.gpu_memory is not None
        and one.enforced_by is not None
        and one.peak_gpu_memory is None
        for one in validation.notebooks
    )


def unrun(path: str, verdict: Verdict, reason: str, hint: str = "") -> NotebookResult:
    """The result of a notebook that was never started."""
    return NotebookResult(
        path, verdict, reason, hint, None, None, None, None, Started.COLD, None, None, (), ()
    )


def exit_status(validation: Validation) -> int:
    """0: every notebook passed or holds nothing to run; 130: interrupted; 1: anything else."""
    if validation.interrupted:
        return 130
    good = (Verdict.PASSED, Verdict.SKIPPED)
    passed = all(notebook.verdict in good for notebook in validation.notebooks)
    return 0 if passed and not any(map(fails_checks, validation.notebooks)) else 1


def place(finding: Finding) -> tuple[int, int]:
    """For sorting: the whole file first, then by cell and line."""
    return (-1 if finding.cell is None else finding.cell, finding.line or 0)


def fails_checks(notebook: NotebookResult) -> bool:
    """Whether a course check fails it, whatever its verdict."""
    return any(finding.fails for finding in notebook.findings)


def summary(notebooks: Iterable[NotebookResult], name: Callable[[str], str] = str) -> str:
    """``36 passed, 1 failed, 1 out of memory · peak 1.4 GiB (19-images.ipynb)``.

    ``name`` gives the name by which a path is told.
    """
    notebooks = tuple(notebooks)
    counts = Counter(notebook.verdict for notebook in notebooks)
    told = [f"{counts[verdict]} {words(verdict)}" for verdict in Verdict if counts[verdict]]
    line = ", ".join(told) or "nothing to validate"
    beyond = sum(any(_is_beyond(one) for one in notebook.findings) for notebook in notebooks)
    checked = sum(
        any(one.fails and not _is_beyond(one) for one in notebook.findings)
        for notebook in notebooks
    )
    if checked:
        line += f" · course checks fail {checked}"
    if beyond:
        line += f" · {beyond} beyond the baseline"
    measured = [notebook for notebook in notebooks if notebook.peak_memory is not None]
    if measured:
        largest = max(measured, key=lambda notebook: notebook.peak_memory or 0)
        line += f" · peak {format_bytes(largest.peak_memory)} ({name(largest.path)})"
    return line


def _is_beyond(finding: Finding) -> bool:
    """Whether it takes more than the baseline allows."""
    return finding.fails and finding.rule in BASELINE_RULES.values()


def words(verdict: Verdict) -> str:
    """The verdict as people read it: ``out of memory``."""
    return verdict.value.replace("-", " ")


class PeakMeter:
    """The most memory at once, from readings some ten milliseconds apart.

    Memory that came and went between two readings is found from the kernel's own watermark, where
    there is one. That counts page cache too, so the larger cache of the two readings is taken off.
    """

    def __init__(self) -> None:
        self.total = 0
        """Bytes, since the beginning."""
        self.since_mark = 0
        """Bytes, since the last :meth:`mark`."""
        self._cache = 0
        self._highest = 0
        self._used = 0

    def add(
        self, used: int, cache: int = 0, watermark: int | None = None, *, fresh: bool = False
    ) -> int:
        """One reading in bytes; ``fresh``: the watermark is that of the time since the last.

        Else it is that since it was set back, if ever.

        Returns the most since the reading before.
        """
        peak = used
        if watermark is not None and (fresh or watermark > self._highest):
            peak = max(used, watermark - max(cache, self._cache))
            self._highest = max(self._highest, watermark)
        self._cache, self._used = cache, used
        self.total, self.since_mark = max(self.total, peak), max(self.since_mark, peak)
        return peak

    def mark(self, *, anew: bool = False) -> None:
        """A cell begins here; ``anew``: the watermark was set back to what is used now."""
        self.since_mark = self._used
        if anew:
            self._highest = 0
