"""What the HTML report says, as texts and numbers: the template only sets them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..model import (
    CellError,
    CellResult,
    CellStatus,
    Finding,
    NotebookResult,
    Started,
    Validation,
    Verdict,
    words,
)
from .plot import Plot, plot
from .sources import CodeLine, cell_sources, excerpt
from .text import (
    GOOD,
    cell_words,
    clean,
    counted,
    headline,
    holders,
    long_duration,
    names,
    one_line,
    provenance,
    size,
    worst_first,
)

_OPEN = 3
"""So many notebooks that did not pass are open from the start."""
_RANKS = {verdict: rank for rank, verdict in enumerate(Verdict)}
_MARKS = {Verdict.PASSED: "✓", Verdict.SKIPPED: "–"}
_FINE = (CellStatus.OK, CellStatus.EXPECTED_ERROR)
_IDLE = (CellStatus.SKIPPED, CellStatus.NOT_RUN)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that a reader looks for first."""

    label: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class Filter:
    """A verdict that is there, and how often."""

    verdict: str
    told: str
    count: int


@dataclass(frozen=True, slots=True)
class ErrorView:
    """What went wrong, beside the code."""

    where: str
    told: str
    code: tuple[CodeLine, ...]


@dataclass(frozen=True, slots=True)
class CellView:
    """A row of the table of cells."""

    number: int
    code: str
    state: str
    kind: str
    """``good``, ``bad`` or ``quiet``."""
    duration: str
    share: float
    """Of the longest cell, in percent."""
    memory: str


@dataclass(frozen=True, slots=True)
class NotebookView:
    """A row of the table of notebooks, and what it opens to."""

    number: int
    """In the order of the course, from 0."""
    name: str
    verdict: str
    told: str
    mark: str
    kind: str
    rank: int
    duration: str
    seconds: float
    memory: str
    bytes: int
    summary: str
    hint: str
    error: ErrorView | None
    holders: str
    findings: tuple[str, ...]
    notes: tuple[str, ...]
    plot: Plot | None
    cells: tuple[CellView, ...]
    open: bool


@dataclass(frozen=True, slots=True)
class View:
    """The report."""

    headline: str
    kind: str
    when: str
    provenance: tuple[str, ...]
    figures: tuple[Figure, ...]
    advice: tuple[str, ...]
    """What to configure, a sentence each."""
    filters: tuple[Filter, ...]
    notebooks: tuple[NotebookView, ...]


def view_of(validation: Validation) -> View:
    """The report of a validation. Reads the notebooks for the code that failed."""
    told = names(validation)
    numbers = {id(one): number for number, one in enumerate(validation.notebooks)}
    ordered = worst_first(validation.notebooks)
    bad = sum(one.verdict not in GOOD for one in ordered)
    return View(
        headline=headline(validation),
        kind="bad" if bad else "quiet" if validation.interrupted or not ordered else "good",
        when=validation.started_at.strftime("%-d %B %Y, %H:%M %Z").strip(),
        provenance=tuple(provenance(validation)),
        figures=tuple(_figures(validation, told)),
        advice=tuple(_advice(validation, told)),
        filters=tuple(
            Filter(verdict.value, words(verdict), count)
            for verdict in Verdict
            if (count := sum(one.verdict is verdict for one in ordered))
        ),
        notebooks=tuple(
            _notebook(validation, one, told[one.path], numbers[id(one)], bad <= _OPEN)
            for one in ordered
        ),
    )


def _figures(validation: Validation, told: dict[str, str]) -> Iterator[Figure]:
    notebooks = validation.notebooks
    passed = sum(one.verdict is Verdict.PASSED for one in notebooks)
    yield Figure("Passed", str(passed), f"of {counted(len(notebooks), 'notebook')}")
    yield Figure("Time for all", long_duration(validation.duration), "")
    slowest = max(notebooks, key=lambda one: one.duration or 0, default=None)
    if slowest is None or slowest.duration is None:
        yield Figure("Longest notebook", "–", "nothing was run")
    else:
        yield Figure("Longest notebook", long_duration(slowest.duration), told[slowest.path])
    hungriest = max(notebooks, key=lambda one: one.peak_memory or 0, default=None)
    if hungriest is None or hungriest.peak_memory is None:
        yield Figure("Most memory", "–", "nothing was measured")
    else:
        yield Figure("Most memory", size(hungriest.peak_memory), told[hungriest.path])


def _advice(validation: Validation, told: dict[str, str]) -> Iterator[str]:
    """Limits that were too small. Learners meet the same ones."""
    for notebook in validation.notebooks:
        limits, name = notebook.limits or validation.limits, told[notebook.path]
        if notebook.verdict is Verdict.OUT_OF_MEMORY and limits.memory is not None:
            yield f"{name} needs more than {size(limits.memory)} of memory, or must ask for less."
        elif notebook.verdict is Verdict.TIMED_OUT and notebook.reason:
            yield f"{name} needs more time, or less to do: {one_line(notebook.reason, 200)}."


def _notebook(
    validation: Validation, notebook: NotebookResult, name: str, number: int, few: bool
) -> NotebookView:
    good = notebook.verdict in GOOD
    passed = notebook.verdict is Verdict.PASSED
    return NotebookView(
        number=number,
        name=name,
        verdict=notebook.verdict.value,
        told=words(notebook.verdict),
        mark=_MARKS.get(notebook.verdict, "✗"),
        kind="good" if passed else "quiet" if good else "bad",
        rank=_RANKS[notebook.verdict],
        duration=long_duration(notebook.duration),
        seconds=-1.0 if notebook.duration is None else notebook.duration,
        memory=size(notebook.peak_memory),
        bytes=-1 if notebook.peak_memory is None else notebook.peak_memory,
        summary=_summary(notebook),
        hint=one_line(notebook.hint),
        error=_error(notebook),
        holders=", ".join(holders(notebook)),
        findings=tuple(_finding(finding) for finding in notebook.findings),
        notes=tuple(_notes(notebook)),
        plot=plot(notebook, validation.limits),
        cells=tuple(_cells(notebook)),
        open=not good and few,
    )


def _summary(notebook: NotebookResult) -> str:
    """What stands where it can be opened."""
    if notebook.reason:
        reason = one_line(notebook.reason, 300)
        return reason[:1].upper() + reason[1:]
    ran = sum(cell.status not in _IDLE for cell in notebook.cells)
    found = f", {counted(len(notebook.findings), 'finding')}" if notebook.findings else ""
    return f"{counted(ran, 'code cell')} ran{found}"


def _error(notebook: NotebookResult) -> ErrorView | None:
    error, index = notebook.error, notebook.cell
    if error is None or index is None:
        return None
    cells = cell_sources(notebook.path)
    code = excerpt(cells[index] if index < len(cells) else None, error)
    line = f", line {error.line}" if error.line is not None else ""
    raised = notebook.verdict is Verdict.FAILED
    return ErrorView(
        where=f"Cell {index + 1}{line}",
        told=clean(f"{error.name}: {error.value}" if error.value else error.name) if raised else "",
        code=tuple(CodeLine(one.number, clean(one.text), one.failing) for one in code),
    )


def _finding(finding: Finding) -> str:
    where = f"Cell {finding.cell + 1}: " if finding.cell is not None else ""
    return one_line(f"{where}{finding.message} {finding.hint}")


def _notes(notebook: NotebookResult) -> Iterator[str]:
    if notebook.started is Started.CACHED:
        yield "This is the result of an earlier run: nothing that it rests on has changed."


def _cells(notebook: NotebookResult) -> Iterator[CellView]:
    longest = max((cell.duration or 0 for cell in notebook.cells), default=0)
    for cell in notebook.cells:
        share = (cell.duration or 0) / longest * 100 if longest else 0
        yield CellView(
            number=cell.index + 1,
            code=one_line(cell.first_line, 120) or "(empty)",
            state=_state(cell),
            kind="good" if cell.status in _FINE else "quiet" if cell.status in _IDLE else "bad",
            duration=long_duration(cell.duration),
            share=round(share, 1),
            memory=size(cell.peak_memory),
        )


def _state(cell: CellResult) -> str:
    error: CellError | None = cell.error
    if cell.status in (CellStatus.ERROR, CellStatus.EXPECTED_ERROR) and error is not None:
        return f"{cell_words(cell.status)} ({one_line(error.name, 60)})"
    return cell_words(cell.status)
