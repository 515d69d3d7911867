"""Workflow commands of GitHub Actions: each trouble at its line of the ``.ipynb`` file.

Escapes as in ``packages/core/src/command.ts`` of github.com/actions/toolkit. GitHub shows ten
errors and ten warnings of a step (docs.github.com, "Limits for annotations"): the rest is told in a
notice.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..model import CellError, NotebookResult, Validation, words
from .sources import CellSource, cell_sources
from .text import GOOD, clean, counted, headline, holders, one_line

SHOWN = 10
_LONGEST = 4000
"""Characters of a message: GitHub cuts at some 4 KiB."""
_MOST_NAMES = 20


@dataclass(frozen=True, slots=True)
class _Annotation:
    kind: str
    path: str
    line: int
    title: str
    message: str


def render(validation: Validation, workspace: str | None = None) -> str:
    """Commands, one a line; nothing where there is nothing to tell.

    ``workspace`` is the folder of the checkout, from which GitHub counts paths; without it that of
    ``GITHUB_WORKSPACE``, else the current one.
    """
    top = workspace or os.environ.get("GITHUB_WORKSPACE") or "."
    annotations = [each for one in validation.notebooks for each in _annotations(one, top)]
    errors = [each for each in annotations if each.kind == "error"]
    warnings = [each for each in annotations if each.kind == "warning"]
    lines = [_command(each) for each in (*errors[:SHOWN], *warnings[:SHOWN])]
    for left, thing in ((errors[SHOWN:], "error"), (warnings[SHOWN:], "warning")):
        if left:
            lines.append(_rest(left, thing, headline(validation)))
    return "".join(f"{line}\n" for line in lines)


def _annotations(notebook: NotebookResult, top: str) -> Iterator[_Annotation]:
    failing = notebook.verdict not in GOOD
    if not failing and not notebook.findings:
        return
    cells, path = cell_sources(notebook.path), _relative(notebook.path, top)
    if failing:
        where = f" in cell {notebook.cell + 1}" if notebook.cell is not None else ""
        title = f"{os.path.basename(path)}: {words(notebook.verdict)}{where}"
        line = _line(cells, notebook.cell, notebook.error)
        yield _Annotation("error", path, line, title, _message(notebook))
    for finding in notebook.findings:
        kind = "error" if finding.fails else "warning"
        title = f"{os.path.basename(path)}: {finding.rule}"
        at = CellError("", "", finding.line, None)
        message = "\n".join(text for text in (finding.message, finding.hint) if text)
        yield _Annotation(kind, path, _line(cells, finding.cell, at), title, message)


def _message(notebook: NotebookResult) -> str:
    told = [notebook.reason or words(notebook.verdict)]
    error = notebook.error
    if error is not None and error.source and error.line is not None:
        told.append(f"    {error.source}")
    held = ", ".join(holders(notebook))
    if held:
        told.append(f"Memory was held by {held}.")
    if notebook.hint:
        told.append(notebook.hint)
    return "\n".join(told)


def _line(cells: tuple[CellSource, ...], index: int | None, error: CellError | None) -> int:
    if index is None or index >= len(cells):
        return 1
    return cells[index].file_lines[cells[index].line_of(error)]


def _relative(path: str, top: str) -> str:
    """As GitHub names files: from the top of the checkout."""
    relative = os.path.relpath(os.path.abspath(path), os.path.abspath(top))
    return path if relative.startswith("../") else relative


def _rest(left: Iterable[_Annotation], thing: str, told: str) -> str:
    left = list(left)
    names = [one_line(name, 120) for name in dict.fromkeys(each.path for each in left)]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    message = f"{told} Not shown: {counted(len(left), thing)} in {', '.join(names[:_MOST_NAMES])}"
    title = f"{len(left)} more {thing}{'s' if len(left) > 1 else ''}"
    return f"::notice title={_property(title)}::{_data(message + more + '.')}"


def _command(each: _Annotation) -> str:
    properties = f"file={_property(each.path)},line={each.line},title={_property(each.title)}"
    return f"::{each.kind} {properties}::{_data(each.message)}"


def _data(text: str) -> str:
    text = clean(text)
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
