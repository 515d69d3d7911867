"""The release version, as ``nbgrader generate_assignment`` makes it. Pure.

Rules and texts are those of nbgrader 0.9.6 with its defaults: ``preprocessors/clearsolutions.py``,
``clearhiddentests.py``, ``clearmarkingscheme.py``, in the order of
``converters/generate_assignment.py``. Headers, checksums and generated tests are left out.
"""

from __future__ import annotations

from typing import Any

from ..python_cells import language_of
from .marked import Changed, broken, indent_of, without_regions

CODE_STUBS = {
    "python": "# YOUR CODE HERE\nraise NotImplementedError()",
    "r": "# YOUR CODE HERE\nfail()",
    "matlab": "% YOUR CODE HERE\nerror('No Answer Given!')",
    "octave": "% YOUR CODE HERE\nerror('No Answer Given!')",
    "sas": "/* YOUR CODE HERE */\n %notImplemented;",
    "java": "// YOUR CODE HERE",
}
TEXT_STUB = "YOUR ANSWER HERE"
_SOLUTION, _TESTS, _MARKING = "SOLUTION", "HIDDEN TESTS", "MARK SCHEME"


def is_marked(notebook: Any) -> bool:
    """Whether any cell bears a mark of nbgrader."""
    return any(
        isinstance(cell.metadata.get("nbgrader"), dict)
        or any(f"BEGIN {what}" in cell.source for what in (_SOLUTION, _TESTS, _MARKING))
        for cell in notebook.cells
        if cell.cell_type in ("code", "markdown")
    )


def changed(notebook: Any) -> list[Changed]:
    """The cells of the release version, in order, one for each of ``notebook``.

    Raises:
        InvalidInput: nbgrader would refuse the notebook; the message names the cell.
    """
    language = language_of(notebook.metadata)
    if language not in CODE_STUBS:
        raise broken(0, f"nbgrader has no stub for code in {language!r}")
    # Marks alone, without metadata, are what ``ClearSolutions.enforce_metadata = False`` allows.
    strict = any(isinstance(cell.metadata.get("nbgrader"), dict) for cell in notebook.cells)
    return [_changed(number, cell, language, strict) for number, cell in enumerate(notebook.cells)]


def _changed(number: int, cell: Any, language: str, strict: bool) -> Changed:
    is_code = cell.cell_type == "code"
    stub = CODE_STUBS[language] if is_code else TEXT_STUB
    lines, replaced = without_regions(
        cell.source.split("\n"),
        lambda line: f"BEGIN {_SOLUTION}" in line,
        lambda line: f"END {_SOLUTION}" in line,
        lambda line: [indent_of(line) + part for part in stub.split("\n")],
        _SOLUTION,
        number,
    )
    if replaced and strict and not _is(cell, "solution"):
        raise broken(number, "a solution stands in a cell that is not marked as a solution cell")
    if _is(cell, "solution") and not replaced:
        lines = stub.split("\n")
    for what, flag in ((_TESTS, "grade"), (_MARKING, "task")):
        lines, removed = _without(lines, what, number)
        if removed and strict and not _is(cell, flag):
            raise broken(number, f"{what.lower()} stand in a cell that is not marked for them")
    return Changed(
        source="\n".join(lines),
        kind=cell.cell_type,
        left=is_code and (replaced or _is(cell, "solution")),
        tests=is_code and _is(cell, "grade"),
    )


def _without(lines: list[str], what: str, number: int) -> tuple[list[str], bool]:
    return without_regions(
        lines,
        lambda line: f"BEGIN {what}" in line,
        lambda line: f"END {what}" in line,
        lambda _: [],
        what,
        number,
    )


def _is(cell: Any, flag: str) -> bool:
    marks = cell.metadata.get("nbgrader")
    return isinstance(marks, dict) and bool(marks.get(flag, False))
