"""What the HTML report says, as texts and numbers: the template only sets them."""

from __future__ import annotations

from collections import Counter
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
)
from .advice import advice, why
from .plot import Plot, plot
from .sources import CodeLine, cell_sources, excerpt
from .text import (
    OUTCOMES,
    cell_words,
    clean,
    counted,
    headline,
    holders,
    is_good,
    long_duration,
    mark,
    names,
    one_line,
    outcome,
    outcome_words,
    provenance,
    size,
    worst_first,
)

_OPEN = 3
"""So many notebooks that did not pass are open from the start."""
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
class FindingView:
    """What a check found."""

    told: str
    fails: bool
    detail: str


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
    findings: tuple[FindingView, ...]
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
    reasons: tuple[str, ...]
    """Why, a sentence each."""
    filters: tuple[Filter, ...]
    notebooks: tuple[NotebookView, ...]


def view_of(validation: Validation) -> View:
    """The report of a validation. Reads the notebooks for the code that failed."""
    told = names(validation)
    numbers = {id(one): number for number, one in enumerate(validation.notebooks)}
    ordered = worst_first(validation.notebooks)
    counts = Counter(outcome(one) for one in ordered)
    bad = sum(not is_good(one) for one in ordered)
    return View(
        headline=headline(validation),
        kind="bad" if bad else "quiet" if validation.interrupted or not ordered else "good",
        when=validation.started_at.strftime("%-d %B %Y, %H:%M %Z").strip(),
        provenance=tuple(provenance(validation)),
        figures=tuple(_figures(validation, told)),
        advice=tuple(advice(validation, told)),
        reasons=tuple(why(validation)),
        filters=tuple(
            Filter(each, outcome_words(each), counts[each]) for each in OUTCOMES if counts[each]
        ),
        notebooks=tuple(
            _notebook(validation, one, told[one.path], numbers[id(one)], bad <= _OPEN)
            for one in ordered
        ),
    )


def _figures(validation: Validation, told: dict[str, str]) -> Iterator[Figure]:
    notebooks = validation.notebooks
    passed = sum(outcome(one) == Verdict.PASSED.value for one in notebooks)
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


def _notebook(
    validation: Validation, notebook: NotebookResult, name: str, number: int, few: bool
) -> NotebookView:
    good, how = is_good(notebook), outcome(notebook)
    return NotebookView(
        number=number,
        name=name,
        verdict=how,
        told=outcome_words(how),
        mark=mark(notebook),
        kind="bad" if not good else "good" if notebook.verdict is Verdict.PASSED else "quiet",
        rank=OUTCOMES.index(how),
        duration=long_duration(notebook.duration),
        seconds=-1.0 if notebook.duration is None else notebook.duration,
        memory=size(notebook.peak_memory),
        bytes=-1 if notebook.peak_memory is None else notebook.peak_memory,
        summary=_summary(notebook),
        hint=one_line(notebook.hint),
        error=_error(notebook),
        holders=", ".join(holders(notebook)),
        findings=tuple(map(_finding, notebook.findings)),
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
    found = f", the checks found {len(notebook.findings)}" if notebook.findings else ""
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


def _finding(finding: Finding) -> FindingView:
    where = f"Cell {finding.cell + 1}: " if finding.cell is not None else ""
    told = one_line(f"{where}{finding.message} {finding.hint}")
    return FindingView(told, finding.fails, clean(finding.detail))


def _notes(notebook: NotebookResult) -> Iterator[str]:
    if notebook.peak_gpu_memory:
        yield f"It held {size(notebook.peak_gpu_memory)} of GPU memory at most."
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
