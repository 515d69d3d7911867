"""A baseline: what notebooks took when their author was content, and what they take now.

Pure; :mod:`.baseline_file` reads and writes. A notebook has regressed when it takes more than the
allowed times of the baseline *and* more than the noise floor: half a second, 16 MiB.

Time is the notebook's duration. On another model of CPU, with another number of cores, or with
another number of notebooks at a time, CPU seconds are compared instead, which depend less on what
else the machine does. A kernel that was forked does not count its imports, one that was started
does: then no times are compared. Memory is compared always.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ..core.quantities import format_bytes, format_duration
from .model import CellResult, Finding, NotebookResult, Started, Validation, Verdict, fails_checks
from .needs import BASELINE_RULES, Comparison, Regression

SCHEMA = "gpuctl.validation-baseline/1"
TIME_FLOOR = 0.5
"""Seconds: smaller differences are noise."""
MEMORY_FLOOR = 16 * 1024**2
"""Bytes: smaller differences are noise."""
_CELL_SECONDS = 0.5
"""Seconds: cells that take less are not kept."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it ran."""

    cpu: str
    cores: int
    jobs: int
    """Notebooks at a time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one notebook took."""

    seconds: float
    cpu_seconds: float | None
    memory: int | None
    """Bytes at the peak."""
    tier: str | None
    started: str
    cells: Mapping[str, float]
    """Seconds, by id, or by number from 1 where there is none."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """All of it. Notebooks by their paths from the folder of the file, with ``/``."""

    machine: Machine
    notebooks: Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Allowed:
    """Times the baseline that a notebook may take."""

    slowdown: float = 1.5
    growth: float = 1.25


def entry_of(result: NotebookResult) -> Entry | None:
    """What to remember; ``None``: it didn't pass."""
    if result.verdict is not Verdict.PASSED or result.duration is None or fails_checks(result):
        return None
    cells = {
        _cell_key(cell): round(cell.duration, 2)
        for cell in result.cells
        if cell.duration is not None and cell.duration >= _CELL_SECONDS
    }
    cpu = None if result.cpu_seconds is None else round(result.cpu_seconds, 2)
    return Entry(
        round(result.duration, 2),
        cpu,
        result.peak_memory,
        result.enforced_by,
        result.started,
        cells,
    )


def updated(
    before: Baseline | None,
    validation: Validation,
    machine: Machine,
    key: Callable[[str], str],
    is_there: Callable[[str], bool],
) -> Baseline:
    """The baseline with what passed now; what didn't, or wasn't run, stays as it was.

    ``key`` turns a path of a result into one of the file; notebooks that no more are there go.
    Notebooks of another machine go too, since one file tells of one machine.
    """
    kept = before.notebooks if before is not None and before.machine == machine else {}
    notebooks = {path: entry for path, entry in kept.items() if is_there(path)}
    for result in validation.notebooks:
        entry = entry_of(result)
        if entry is not None:
            notebooks[key(result.path)] = entry
    return Baseline(machine, dict(sorted(notebooks.items())))


def compare(
    baseline: Baseline,
    validation: Validation,
    machine: Machine,
    allowed: Allowed,
    file: str,
    key: Callable[[str], str],
    is_there: Callable[[str], bool],
) -> Validation:
    """The validation with the comparison, and with findings that fail what has regressed."""
    same = machine == baseline.machine
    warnings: list[str] = []
    if not same:
        was = baseline.machine
        warnings.append(
            f"the baseline is of another machine ({_words(was)}; here {_words(machine)}): "
            "CPU seconds are compared, not time"
        )
    regressions: list[Regression] = []
    new: list[str] = []
    results: list[NotebookResult] = []
    others, tiers, compared = [], [], 0
    for result in validation.notebooks:
        now, before = entry_of(result), baseline.notebooks.get(key(result.path))
        found: list[Regression] = []
        if now is not None and before is None:
            new.append(result.path)
        elif now is not None and before is not None:
            compared += 1
            alike = Started.CACHED in (now.started, before.started) or now.started == before.started
            if not alike:
                others.append(result.path)
            if now.tier != before.tier:
                tiers.append(result.path)
            found = regressions_of(result.path, now, before, allowed, same=same, times=alike)
            cells = _grown(result, before)
            findings = tuple(_finding(one, file, cells) for one in found)
            result = replace(result, findings=(*result.findings, *findings))
        regressions += found
        results.append(result)
    if others:
        warnings.append(
            f"times aren't compared of what was forked then or now only: {_few(others)}"
        )
    if tiers:
        warnings.append(f"memory was measured in another way then: {_few(tiers)}")
    vanished = tuple(path for path in sorted(baseline.notebooks) if not is_there(path))
    told = Comparison(file, compared, tuple(regressions), tuple(new), vanished, tuple(warnings))
    return replace(validation, notebooks=tuple(results), baseline=told)


def regressions_of(
    path: str, now: Entry, before: Entry, allowed: Allowed, *, same: bool, times: bool
) -> list[Regression]:
    """What it takes too much of. ``same``: on the same machine; ``times``: they are comparable."""
    measures: list[tuple[str, float | None, float | None, float, float]] = []
    if times and same:
        measures.append(("seconds", now.seconds, before.seconds, allowed.slowdown, TIME_FLOOR))
    elif times:
        cpu = (now.cpu_seconds, before.cpu_seconds)
        measures.append(("cpu_seconds", *cpu, allowed.slowdown, TIME_FLOOR))
    measures.append(("memory", now.memory, before.memory, allowed.growth, MEMORY_FLOOR))
    return [
        Regression(path, measure, new, old, most)
        for measure, new, old, most, floor in measures
        if new is not None and old is not None and new > old * most and new - old > floor
    ]


def regression_words(one: Regression) -> str:
    """``6.1 s, 2.0 times the 3.0 s of the baseline (at most 1.5)``."""
    tell = format_bytes if one.measure == "memory" else format_duration
    kind = " of CPU time" if one.measure == "cpu_seconds" else ""
    many = f"{one.now / one.before:.2g} times the" if one.before else "more than the"
    return (
        f"{tell(one.now)}{kind}, {many} {tell(one.before)} of the baseline (at most {one.most:g})"
    )


def _finding(one: Regression, file: str, grown: tuple[CellResult, float] | None) -> Finding:
    message = regression_words(one)
    cell = None
    if one.measure != "memory" and grown is not None:
        cell = grown[0].index
        told = f"{format_duration(grown[0].duration)}, before {format_duration(grown[1])}"
        message += f"; most of it in cell {cell + 1}: {told}"
    hint = f"If that is meant to be, save a new one: --save-baseline {file}."
    return Finding(BASELINE_RULES[one.measure], message, hint, cell, fails=True)


def _grown(result: NotebookResult, before: Entry) -> tuple[CellResult, float] | None:
    """The cell that makes out at least half of what the notebook takes longer, if one does."""
    known = [
        (cell, before.cells[_cell_key(cell)])
        for cell in result.cells
        if cell.duration is not None and _cell_key(cell) in before.cells
    ]
    if not known or result.duration is None:
        return None
    cell, old = max(known, key=lambda pair: (pair[0].duration or 0.0) - pair[1])
    more = (cell.duration or 0.0) - old
    return (cell, old) if more * 2 >= result.duration - before.seconds > 0 else None


def _cell_key(cell: CellResult) -> str:
    return cell.id or str(cell.index + 1)


def _words(machine: Machine) -> str:
    return f"{machine.cpu}, {machine.cores} cores, {machine.jobs} at a time"


def _few(paths: list[str]) -> str:
    names = ", ".join(os.path.basename(path) for path in paths[:3])
    return names + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
