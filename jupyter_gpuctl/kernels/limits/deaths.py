"""Why a kernel has ended, in words that name its notebook, its limit and its cell. Pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import PurePosixPath

from ...core.quantities import format_bytes
from ..model import Death, DeathReason

KILLED = -int(signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Over:
    """A limit that was reached."""

    reason: DeathReason
    limit: int | None = None
    """Bytes, or processes and threads."""
    peak: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """What is known of the cell that ran."""

    execution_count: int
    running: bool
    """It had not ended, as far as was seen."""


def death(
    time: float,
    exit_code: int | None,
    *,
    notebook: str | None,
    over: Over | None = None,
    stopped: str | None = None,
    cell: Cell | None = None,
) -> Death:
    """How a kernel ended that was not asked to. ``stopped``: why the guard did it, as a sentence.

    A limit that was reached goes before the guard, and that before what the exit code says.
    """
    if over is None and stopped is not None:
        over = Over(DeathReason.STOPPED_BY_GUARD)
    over = over or Over(DeathReason.UNKNOWN)
    return Death(
        time=time,
        reason=over.reason,
        limit=over.limit,
        peak=over.peak,
        execution_count=cell.execution_count if cell and cell.running else None,
        exit_code=exit_code,
        message=_message(over, exit_code, _name(notebook), _where(cell), stopped),
    )


def refused(limit: int, *, notebook: str | None, cell: Cell | None = None) -> str:
    """That a kernel could not start another process, and lives on."""
    return (
        f"{_name(notebook)} reached its limit of {limit} processes and threads{_where(cell)}: "
        "it can't start more."
    )


def _message(over: Over, exit_code: int | None, name: str, where: str, stopped: str | None) -> str:
    match over.reason:
        case DeathReason.OUT_OF_MEMORY:
            return f"{name} ran out of memory: {_figures(over)}{where}."
        case DeathReason.MACHINE_OUT_OF_MEMORY:
            return (
                f"{name} was killed{where}, most likely because the machine, or the container of "
                "this server, had no memory left."
            )
        case DeathReason.TOO_MANY_PROCESSES:
            return f"{name} reached its limit of {over.limit} processes and threads{where}."
        case DeathReason.STOPPED_BY_GUARD:
            return f"{name} was stopped{where}. {stopped}"
        case DeathReason.UNKNOWN:
            return f"{name} ended by itself{where}: {_exit(exit_code)}."


def _figures(over: Over) -> str:
    limit = "not known" if over.limit is None else format_bytes(over.limit)
    peak = "" if over.peak is None else f", peak {format_bytes(over.peak)}"
    return f"limit {limit}{peak}"


def _exit(code: int | None) -> str:
    if code is None:
        return "how is not known"
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def _name(notebook: str | None) -> str:
    return PurePosixPath(notebook).name if notebook else "A kernel"


def _where(cell: Cell | None) -> str:
    if cell is None:
        return ""
    return f", {'' if cell.running else 'after '}cell [{cell.execution_count}]"
