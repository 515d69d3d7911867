"""From what was seen of a run to its verdict: one pure function."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from ..core.quantities import format_bytes, format_duration
from .events import (
    Broken,
    CellEnded,
    CellStarted,
    Chosen,
    Differs,
    Ended,
    Event,
    Finished,
    KernelDied,
    KernelReady,
    KernelStarting,
    Planned,
    PlannedCell,
    Refused,
)
from .limits import OVER_TASKS, TASKS
from .model import CellError, CellResult, CellStatus, Limits, NotebookResult, Started, Verdict

_STATUS_OF = {
    Verdict.TIMED_OUT: CellStatus.TIMED_OUT,
    Verdict.OUT_OF_MEMORY: CellStatus.OUT_OF_MEMORY,
    Verdict.KERNEL_DIED: CellStatus.KERNEL_DIED,
    Verdict.SKIPPED: CellStatus.INTERRUPTED,
    Verdict.FAILED: CellStatus.ERROR,
}
_E = TypeVar("_E")
_ASKED = "StdinNotImplementedError"
_LONGEST_LINE = 200
"""Characters of a cell's first line that a result keeps."""


class _Log:
    """The events of one run, sorted by what they are."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.started = {event.index: event for event in events if isinstance(event, CellStarted)}
        self.ended = {event.index: event for event in events if isinstance(event, CellEnded)}
        self._events = events
        planned = self._last(Planned)
        self.planned = planned.cells if planned else ()
        self.refused = self._last(Refused)
        self.starting = self._last(KernelStarting)
        self.ready = self._last(KernelReady) is not None
        self.died = self._last(KernelDied)
        self.finished = self._last(Finished)
        self.broken = self._last(Broken)
        self.end = self._last(Ended)
        self.chosen = self._last(Chosen) or Chosen(Started.COLD)

    def _last(self, kind: type[_E]) -> _E | None:
        return next((event for event in reversed(self._events) if isinstance(event, kind)), None)

    @property
    def running(self) -> CellStarted | None:
        """The cell that had begun and not ended."""
        open_cells = [event for index, event in self.started.items() if index not in self.ended]
        return open_cells[-1] if open_cells else None

    @property
    def last(self) -> int | None:
        """The cell that was running, else the one that ended last."""
        if self.running is not None:
            return self.running.index
        return max(self.ended, key=lambda index: self.ended[index].at, default=None)

    def where(self, otherwise: str = "the kernel, while it started,") -> str:
        return otherwise if self.last is None else f"cell {self.last + 1}"


def judge(path: str, limits: Limits, events: Sequence[Event]) -> NotebookResult:
    """The result of a run that is over.

    What the worker saw goes before what the engine says of it: a notebook that reached its memory
    limit may well report a broken process pool, and one that was interrupted an odd exception.

    Raises:
        ValueError: the last event is not :class:`Ended`.
    """
    log = _Log(events)
    if log.end is None:
        raise ValueError(f"the run of {path} has not ended")
    verdict, reason, hint, cell = _verdict(log, limits)
    error = _error(log, verdict, reason, cell)
    begun = log.starting.at if log.starting else None
    over = log.finished or log.died or (log.ended.get(cell) if cell is not None else None)
    ran = begun is not None
    return NotebookResult(
        path=path,
        verdict=verdict,
        reason=reason,
        hint=hint,
        duration=round((over or log.end).at - begun, 3) if begun is not None else None,
        cpu_seconds=log.end.cpu_seconds if ran else None,
        peak_memory=log.end.peak_memory if ran else None,
        enforced_by=log.end.enforced_by if ran else None,
        started=log.chosen.started,
        cell=cell,
        error=error,
        processes=log.end.processes if verdict is Verdict.OUT_OF_MEMORY else (),
        cells=tuple(_cell(log, planned, verdict, error) for planned in log.planned),
        cold_because=log.chosen.cold_because,
        memory=tuple((round(at - begun, 3), used) for at, used in log.end.memory if at >= begun)
        if begun is not None
        else (),
        findings=tuple(event.finding for event in events if isinstance(event, Differs)),
        not_preloaded=log.chosen.left_out,
        peak_shared=log.end.peak_shared if ran else None,
        peak_gpu_memory=log.end.peak_gpu_memory if ran else None,
    )


def _verdict(log: _Log, limits: Limits) -> tuple[Verdict, str, str, int | None]:
    """Verdict, reason, hint, and the index of the cell that decided."""
    assert log.end is not None
    return _ended_by_worker(log, log.end, limits) or _as_the_engine_says(log, log.end)


def _ended_by_worker(
    log: _Log, end: Ended, limits: Limits
) -> tuple[Verdict, str, str, int | None] | None:
    failed = [event for event in log.ended.values() if event.status is CellStatus.ERROR]
    late = [event for event in log.ended.values() if event.status is CellStatus.TIMED_OUT]
    if end.cause == "stopped" and not (failed or late or log.finished):
        where = f" in cell {log.running.index + 1}" if log.running else ""
        return Verdict.SKIPPED, f"interrupted{where}", "", log.last
    if log.refused:
        return Verdict.INVALID, log.refused.reason, log.refused.hint, None
    if end.cause == "memory":
        after = _since(log, end.at)
        reason = f"{log.where()} reached {format_bytes(limits.memory)} after {after}"
        return Verdict.OUT_OF_MEMORY, reason, "", log.last
    if end.cause == "gpu-memory":
        allowed = format_bytes(limits.gpu_memory)
        reason = f"{log.where()} held more than {allowed} of GPU memory after {_since(log, end.at)}"
        hint = "Some libraries set memory aside ahead: let TensorFlow or JAX take it as needed."
        return Verdict.OUT_OF_MEMORY, reason, hint, log.last
    if end.cause == "machine":
        reason = f"the machine, or our container, ran out of memory in {log.where('the kernel')}"
        return Verdict.OUT_OF_MEMORY, reason, "Give --memory-limit, or fewer --jobs.", log.last
    if end.cause == OVER_TASKS:
        reason = f"{log.where()} had more than {TASKS} processes and threads at once"
        hint = "Start fewer at once; a pool needs no more of them than there are cores."
        return Verdict.KERNEL_DIED, reason, hint, log.last
    if end.cause == "outputs":
        reason = f"the outputs of {log.where('the kernel')} filled the validator's own memory"
        return Verdict.OUT_OF_MEMORY, reason, "Print less, or write it to a file.", log.last
    if late or end.cause == "time":
        return _timed_out(log, limits, late)
    return None


def _as_the_engine_says(log: _Log, end: Ended) -> tuple[Verdict, str, str, int | None]:
    failed = [event for event in log.ended.values() if event.status is CellStatus.ERROR]
    if log.died:
        return _died(log, log.died.exit_code, log.died.message)
    if failed:
        return _failed(failed[0])
    if log.broken:
        reason = f"the validator could not run it: {log.broken.message}"
        return Verdict.FAILED, reason, "See what `jupyter gpuctl doctor` says.", log.last
    if log.finished and not log.started:
        return Verdict.SKIPPED, "it has no code cell to run", "", None
    if log.finished:
        return Verdict.PASSED, "", "", None
    return _died(log, end.engine_status, "the process that runs the notebook ended")


def _timed_out(
    log: _Log, limits: Limits, late: list[CellEnded]
) -> tuple[Verdict, str, str, int | None]:
    index = late[0].index if late else log.last
    started = log.started.get(index) if index is not None else None
    if started is None or started.whole or started.limit is None:
        while_ = f" in cell {index + 1}" if index is not None else " while the kernel started"
        reason = f"the notebook reached {format_duration(limits.time)}{while_}"
    else:
        reason = f"cell {started.index + 1} ran longer than {format_duration(started.limit)}"
    return Verdict.TIMED_OUT, reason, "", index


def _died(log: _Log, exit_code: int | None, message: str) -> tuple[Verdict, str, str, int | None]:
    if not log.ready:
        told = [line for line in log.end.output.splitlines() if line.strip()] if log.end else []
        reason = f"the kernel did not start: {told[-1].strip()[:200] if told else message}"
        return Verdict.KERNEL_DIED, reason, "Start it by hand to see why.", None
    if exit_code is None:
        how = "the kernel died"
    elif exit_code < 0:
        how = f"the kernel was killed by {_signal_name(-exit_code)}"
    else:
        how = f"the kernel ended with exit status {exit_code}"
    reason = f"{how} in {log.where('its first moments')}"
    hint = ""
    if exit_code == -signal.SIGKILL:
        hint = "If the notebook didn't do it, the machine ran out of memory: see dmesg."
    return Verdict.KERNEL_DIED, reason, hint, log.last


def _failed(event: CellEnded) -> tuple[Verdict, str, str, int | None]:
    error = event.error or CellError("error", "", None, None)
    told = error.value.strip().splitlines()
    reason = f"cell {event.index + 1}: {error.name}" + (f": {told[0]}" if told else "")
    hint = ""
    if error.name == _ASKED:
        reason = f"cell {event.index + 1} asks for input"
        hint = "Nobody answers here: give the cell a value, or tag it skip-execution."
    return Verdict.FAILED, reason, hint, event.index


def _error(log: _Log, verdict: Verdict, reason: str, cell: int | None) -> CellError | None:
    if verdict in (Verdict.PASSED, Verdict.INVALID, Verdict.SKIPPED) or cell is None:
        return None
    told = log.ended[cell].error if cell in log.ended else None
    if verdict is Verdict.FAILED or (verdict is Verdict.TIMED_OUT and told):
        return told
    first = next((planned.first_line for planned in log.planned if planned.index == cell), None)
    return CellError(verdict.value, reason, None, first)


def _cell(log: _Log, planned: PlannedCell, verdict: Verdict, error: CellError | None) -> CellResult:
    index = planned.index
    known = (planned.first_line or "")[:_LONGEST_LINE]
    blank = CellResult(
        index, planned.id, CellStatus.SKIPPED, None, None, None, None, first_line=known
    )
    if not planned.runs:
        return blank
    started, ended, end = log.started.get(index), log.ended.get(index), log.end
    if started is None or end is None:
        return replace(blank, status=CellStatus.NOT_RUN)
    if ended is not None:
        return CellResult(
            index,
            planned.id,
            ended.status,
            round(ended.at - started.at, 3),
            ended.cpu_seconds,
            ended.peak_memory,
            ended.error,
            _after(log, started),
            known,
        )
    return CellResult(
        index,
        planned.id,
        _STATUS_OF.get(verdict, CellStatus.INTERRUPTED),
        round(end.at - started.at, 3),
        end.cell_cpu_seconds,
        end.cell_peak_memory,
        error,
        _after(log, started),
        known,
    )


def _after(log: _Log, started: CellStarted) -> float | None:
    """Seconds since the kernel's start began."""
    return None if log.starting is None else round(started.at - log.starting.at, 3)


def _since(log: _Log, at: float) -> str:
    begun = log.running.at if log.running else log.starting.at if log.starting else at
    return format_duration(at - begun)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
