"""GitHub-flavoured Markdown for the summary of a job: what did not pass first, then all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from ..model import CellError, Finding, NotebookResult, Validation, words
from .advice import advice
from .sources import CodeLine, cell_sources, excerpt
from .text import (
    GOOD,
    clean,
    counted,
    headline,
    holders,
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

LARGEST = 1_000_000
"""Bytes. GitHub takes 1 MiB from a step, and nothing of it if it is more; a step may add its own.

docs.github.com, "Workflow commands": "isolation and limits of job summaries"."""
_ROOM = 2_000
"""Bytes kept for what is said about what was cut."""
_MOST_ADVICE = 10
_PUNCTUATION = re.compile(r"[!#$&*+<>@\[\\\]^_`{|}~]|:(?=\S)|^[-=]|(?<=^\d)[.)]|(?<=^\d\d)[.)]")
"""What begins a structure of Markdown, a formula, an emoji or a mention."""
_WWW = re.compile("www", re.IGNORECASE)


def render(validation: Validation) -> str:
    """The report as Markdown, at most :data:`LARGEST` bytes of UTF-8."""
    told = names(validation)
    ordered = worst_first(validation.notebooks)
    troubled = [one for one in ordered if one.verdict not in GOOD or one.findings]
    opening = [*islice(advice(validation, told), _MOST_ADVICE), *provenance(validation)]
    head = "\n\n".join([f"## {_text(headline(validation))}", *map(_text, opening)])
    budget = _Budget(LARGEST - _ROOM - _bytes(head))
    # The table of all goes before the end of long lists of trouble, but not before their start.
    table, untold = _table(ordered, told, budget.share(0.4))
    budget.take(table)
    sections, unshown = budget.fit(troubled, lambda one: _section(one, told[one.path]))
    if unshown:
        sections.append(f"…and {counted(unshown, 'notebook')} more, cut for length.\n")
    if untold:
        table += f"\n…and {counted(untold, 'notebook')} more, cut for length.\n"
    return "\n\n".join([head, *sections, table]) + "\n"


class _Budget:
    """Bytes that are left."""

    def __init__(self, left: int) -> None:
        self._left = left

    def share(self, part: float) -> _Budget:
        return _Budget(int(self._left * part))

    def take(self, text: str) -> None:
        self._left -= _bytes(text) + 2

    def fit(
        self, notebooks: Iterable[NotebookResult], write: Callable[[NotebookResult], str]
    ) -> tuple[list[str], int]:
        """Texts as long as there is room, and how many were left out."""
        written: list[str] = []
        left_out = 0
        for notebook in notebooks:
            text = "" if left_out else write(notebook)
            if left_out or _bytes(text) + 2 > self._left:
                left_out += 1
            else:
                self.take(text)
                written.append(text)
        return written, left_out


def _table(
    notebooks: list[NotebookResult], told: dict[str, str], budget: _Budget
) -> tuple[str, int]:
    head = "| verdict | notebook | time | most memory |\n| --- | --- | ---: | ---: |"
    rows, left_out = budget.fit(notebooks, lambda one: _row(one, told[one.path]))
    return "\n".join([head, *rows]) + "\n", left_out


def _row(notebook: NotebookResult, name: str) -> str:
    duration, peak = long_duration(notebook.duration), size(notebook.peak_memory)
    if notebook.peak_gpu_memory:
        peak += f", GPU {size(notebook.peak_gpu_memory)}"
    how = f"{mark(notebook)} {outcome_words(outcome(notebook))}"
    return f"| {how} | {_text(name)} | {duration} | {peak} |"


def _section(notebook: NotebookResult, name: str) -> str:
    return "\n\n".join([f"### {mark(notebook)} {_text(name)}", *_told(notebook)])


def _told(notebook: NotebookResult) -> Iterator[str]:
    if notebook.verdict not in GOOD:
        yield f"**{words(notebook.verdict)}** · {_text(one_line(notebook.reason, 1000))}"
        if notebook.error is not None and notebook.cell is not None:
            yield from _error(notebook, notebook.cell, notebook.error)
        held = ", ".join(holders(notebook))
        if held:
            yield _text(f"Memory was held by {held}.")
        if notebook.hint:
            yield _text(notebook.hint)
    if notebook.findings:
        yield from _findings(notebook)


def _error(notebook: NotebookResult, index: int, error: CellError) -> Iterator[str]:
    cells = cell_sources(notebook.path)
    code = excerpt(cells[index] if index < len(cells) else None, error)
    lines = [_code(line) for line in code]
    if "\n" in error.value.strip():
        # The reason has its first line.
        lines += ["", *clean(f"{error.name}: {error.value}").splitlines()]
    if lines:
        yield _fence(lines)


def _code(line: CodeLine) -> str:
    return f"{'>' if line.failing else ' '}{line.number:4} {clean(line.text)}"


def _findings(notebook: NotebookResult) -> Iterator[str]:
    yield "\n".join(f"- {_finding(finding)}" for finding in notebook.findings)
    for finding in notebook.findings:
        if finding.detail:
            yield _fence(clean(finding.detail).split("\n"))


def _finding(finding: Finding) -> str:
    where = f"cell {finding.cell + 1}: " if finding.cell is not None else ""
    told = f"{where}{finding.message} {finding.hint}".strip()
    fails = "**fails it** · " if finding.fails else ""
    return f"{fails}{_text(told)} ({_text(finding.rule)})"


def _fence(lines: Iterable[str]) -> str:
    """A block that its content can't end: its fence is longer than any in it (CommonMark 4.5)."""
    text = "\n".join(lines)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _text(text: str) -> str:
    """Text that is text: punctuation as references, which never structure (CommonMark 6.2, 2.5).

    A word joiner keeps a name from calling people, and an address from becoming a link.
    """
    escaped = _PUNCTUATION.sub(lambda match: f"&#{ord(match[0])};", one_line(text))
    return _WWW.sub(lambda match: f"{match[0]}&#8288;", escaped.replace("&#64;", "&#64;&#8288;"))


def _bytes(text: str) -> int:
    return len(text.encode())
