"""What a person sees of a validation, on standard error: one line a notebook, a bar below them.

Only a terminal gets colours and movement; a log gets the same lines.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from ..core.quantities import format_bytes, format_duration
from ..validation.events import CellStarted, Event, KernelReady, Planned
from ..validation.model import (
    Limits,
    NotebookResult,
    Started,
    Tier,
    Validation,
    Verdict,
    fails_checks,
    gpus_were_not_limited,
    summary,
    words,
)
from ..validation.reports.text import common_folder
from .validate_findings import checked_words, checking, finding_lines

_STYLES = {Verdict.PASSED: "green", Verdict.SKIPPED: "dim"}
_MARKS = {Verdict.PASSED: "✓", Verdict.SKIPPED: "-"}
_PLAIN_MARKS = {Verdict.PASSED: "+", Verdict.SKIPPED: "-"}
_WIDEST_NAME = 40
_INDENT = 6


class Screen:
    """The :class:`~jupyter_gpuctl.validation.ports.Listener` of a terminal or a log.

    ``runs``: whether notebooks are run, and not only checked.
    """

    def __init__(self, console: Console | None = None, *, runs: bool = True) -> None:
        self._runs = runs
        self._console = console or Console(stderr=True, highlight=False, emoji=False)
        self._bars = _Bars(self._console) if self._console.is_terminal else None
        self._running: dict[str, TaskID] = {}
        self._cells: dict[str, dict[int, int]] = {}
        self._name_width = 0
        self._common = ""
        self._limits = Limits()

    def __enter__(self) -> Screen:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def planned(self, paths: Sequence[str], limits: Limits, jobs: int, tier: Tier) -> None:
        self._common = common_folder(paths)
        self._limits = limits
        longest = max((len(self._name(path)) for path in paths), default=0)
        self._name_width = min(_WIDEST_NAME, longest)
        told = header(len(paths), limits, jobs, tier) if self._runs else checking(len(paths))
        self._print(Text(told), indent=0)
        self._print(Text(""))
        if self._bars is not None:
            self._bars.begin(len(paths))

    def started(self, path: str) -> None:
        if self._bars is not None:
            self._running[path] = self._bars.add(shorten(self._name(path), self._name_width))

    def event(self, path: str, event: Event) -> None:
        if self._bars is None:
            return
        if isinstance(event, Planned):
            runs = [cell.index for cell in event.cells if cell.runs]
            self._cells[path] = {index: number for number, index in enumerate(runs, start=1)}
        elif isinstance(event, KernelReady):
            self._bars.say(self._running[path], "kernel ready")
        elif isinstance(event, CellStarted):
            numbers = self._cells.get(path, {})
            told = f"code cell {numbers.get(event.index, '?')} of {len(numbers)}"
            self._bars.say(self._running[path], told)

    def finished(self, result: NotebookResult) -> None:
        if self._bars is not None:
            self._bars.end(self._running.pop(result.path, None))
        for line, indent in self._lines(result):
            self._print(line, indent)
        for told, fails in finding_lines(result):
            self._print(Text(printable(told), style="" if fails else "dim"), _INDENT)

    def stopping(self) -> None:
        """Said at once when a person interrupts: ending takes a moment."""
        self._print(Text("Interrupted: ending what runs.", style="yellow"), indent=2)

    def summarise(self, validation: Validation) -> None:
        """The last line."""
        self._print(Text(""))
        told = summary(validation.notebooks, self._name)
        if not self._runs:
            told = checked_words(validation)
        self._print(Text(f"{told} · {format_duration(validation.duration)}"), indent=2)
        for line in provenance(validation):
            self._print(Text(line), indent=2)

    def say_unkept(self, validation: Validation, unkept: Mapping[str, str]) -> None:
        """Which notebooks passed and will run again all the same. ``unkept``: path → why."""
        for line in unkept_lines(validation, unkept, self._name):
            self._print(Text(line, style="dim"), indent=2)

    def _name(self, path: str) -> str:
        """The path as it is told: what all have in common adds nothing."""
        return printable(os.path.relpath(path, self._common) if self._common else path)

    def _lines(self, result: NotebookResult) -> Iterable[tuple[Text, int]]:
        utf8 = self._console.encoding.lower().startswith("utf")
        marks, otherwise = (_MARKS, "✗") if utf8 else (_PLAIN_MARKS, "x")
        only_checked = not self._runs and result.verdict is Verdict.SKIPPED
        style = _STYLES.get(result.verdict, "red")
        mark = marks.get(result.verdict, otherwise)
        if only_checked or result.verdict is Verdict.PASSED:
            verdict = Verdict.FAILED if fails_checks(result) else Verdict.PASSED
            mark, style = marks.get(verdict, otherwise), _STYLES.get(verdict, "red")
        name = shorten(self._name(result.path), self._name_width).ljust(self._name_width)
        line = Text("  ").append(mark, style=style).append(f" {name}  ")
        if only_checked:
            yield line, _INDENT
            return
        if result.verdict is Verdict.PASSED:
            duration, peak = format_duration(result.duration), format_bytes(result.peak_memory)
            line.append(f"{duration:>8}  {peak:>8}")
            if result.peak_gpu_memory:
                line.append(f"  GPU {format_bytes(result.peak_gpu_memory)}")
            if result.started is Started.CACHED:
                line.append("  cached", style="dim")
            yield line, _INDENT
            return
        line.append(words(result.verdict), style=style)
        room = max(13, len(words(result.verdict)))
        reason = printable(result.reason)
        padded = line.copy().append(" " * (room - len(words(result.verdict)) + 2) + reason)
        if not self._console.is_terminal or padded.cell_len <= self._console.width:
            yield padded, _INDENT
        else:
            yield line, _INDENT
            yield Text(reason), _INDENT
        for detail in details(result):
            yield Text(printable(detail), style="dim"), _INDENT
        if result.limits not in (None, self._limits):
            yield Text(f"its own: {limits_words(result.limits)}", style="dim"), _INDENT

    def _print(self, line: Text, indent: int = 0) -> None:
        """One line; on a terminal folded at its width, in a log never."""
        width = self._console.width
        if self._console.is_terminal and line.cell_len > width - indent:
            folded = textwrap.wrap(line.plain, width - indent) or [""]
            lines = [Text(" " * indent + part, style=line.style) for part in folded]
        elif line.plain.startswith("  "):
            lines = [line]
        else:
            lines = [Text(" " * indent).append_text(line)]
        for part in lines:
            self._console.print(part, soft_wrap=True)


class _Bars(Progress):
    """A line for each notebook that runs, and below them the bar of all."""

    def __init__(self, console: Console) -> None:
        self._one = (
            SpinnerColumn(style="none"),
            TextColumn("{task.description}"),
            TextColumn("{task.fields[told]}", style="dim"),
            TimeElapsedColumn(),
        )
        self._all = (BarColumn(38), MofNCompleteColumn(), TimeElapsedColumn())
        self._total: TaskID | None = None
        super().__init__(console=console, transient=True, refresh_per_second=5)

    def get_renderables(self) -> Iterable[RenderableType]:
        for columns, tasks in (
            (self._one, [task for task in self.tasks if task.id != self._total]),
            (self._all, [task for task in self.tasks if task.id == self._total]),
        ):
            if tasks:
                self.columns = columns
                yield self.make_tasks_table(tasks)

    def begin(self, total: int) -> None:
        self._total = self.add_task("", total=total, told="")
        self.start()

    def add(self, name: str) -> TaskID:
        return self.add_task(Text(name).markup, total=None, told="kernel starts")

    def say(self, task: TaskID, told: str) -> None:
        self.update(task, told=told)

    def end(self, task: TaskID | None) -> None:
        if task is not None:
            self.remove_task(task)
        if self._total is not None:
            self.advance(self._total)


def header(count: int, limits: Limits, jobs: int, tier: Tier) -> str:
    """``Validating 38 notebooks, 2 at a time, limits 10 min and 2.0 GiB (enforced by …)``."""
    notebooks = "1 notebook" if count == 1 else f"{count} notebooks"
    if count > 1:
        notebooks += f", {jobs} at a time"
    return f"Validating {notebooks}, {limits_words(limits)} (enforced by {tier})"


def limits_words(limits: Limits) -> str:
    """``limits 10 min, 3 s a cell and 2.0 GiB``; ``no limits``."""
    told = [
        *([limit_words(limits.time)] if limits.time is not None else []),
        *([f"{limit_words(limits.cell_time)} a cell"] if limits.cell_time is not None else []),
        *([format_bytes(limits.memory)] if limits.memory is not None else []),
        *([f"{format_bytes(limits.gpu_memory)} of GPU memory"] if limits.gpu_memory else []),
    ]
    joined = " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)
    return f"limits {joined}" if len(told) > 1 else f"limit {joined}" if told else "no limits"


def provenance(validation: Validation) -> Iterable[str]:
    """What was not run now: results of earlier runs, notebooks that did not change."""
    cached = sum(result.started is Started.CACHED for result in validation.notebooks)
    if cached:
        told = "1 result is" if cached == 1 else f"{cached} results are"
        yield f"{told} of an earlier run: nothing has changed since (--no-cache runs all)"
    if gpus_were_not_limited(validation):
        yield "GPU memory was neither measured nor limited: no driver answered"
    if validation.since:
        count = validation.left_out
        told = "1 notebook" if count == 1 else f"{count or 'no'} notebooks"
        yield f"{told} left out: not changed since {printable(validation.since)}"


def unkept_lines(
    validation: Validation, unkept: Mapping[str, str], name: Callable[[str], str]
) -> Iterable[str]:
    """A line for each reason, the commonest first, and at most three of them."""
    reasons: dict[str, list[str]] = {}
    for result in validation.notebooks:
        if result.verdict is Verdict.PASSED and result.path in unkept:
            reasons.setdefault(unkept[result.path], []).append(name(result.path))
    for reason, names in sorted(reasons.items(), key=lambda pair: -len(pair[1]))[:3]:
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        yield f"not remembered: {', '.join(names[:2])}{more} ({printable(reason)})"


def limit_words(seconds: float) -> str:
    """``10 min``, ``90 s``: as a person would say a limit."""
    if seconds >= 60 and seconds % 60 == 0:
        return f"{seconds / 60:g} min"
    return f"{seconds:g} s"


def details(result: NotebookResult) -> Iterable[str]:
    """Under a notebook that did not pass: the line, who held the memory, what would help."""
    if result.error is not None and result.error.source:
        line = f"line {result.error.line}: " if result.error.line is not None else ""
        yield line + result.error.source
    others = [process for process in result.processes if not process.kernel]
    held = sum(process.memory for process in others)
    if others and held * 10 >= sum(process.memory for process in result.processes):
        count = "1 worker process" if len(others) == 1 else f"{len(others)} worker processes"
        yield f"{count} held {format_bytes(held)} of it"
    if result.hint:
        yield result.hint


def printable(text: str) -> str:
    """``text`` with everything escaped that a terminal might obey or can't show."""
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def shorten(name: str, width: int) -> str:
    """The end of a long path says more than its beginning."""
    return name if len(name) <= width else "…" + name[-(width - 1) :]
