"""The learners' version as a notebook to run, and which of its cells may raise. Pure."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..python_cells import language_of, names_bound, names_imported, names_used
from . import nbgrader, otter
from .marked import Changed

SUFFIX = " (learner)"
"""Follows the path in the result of a learners' version."""
_MAY_RAISE = "raises-exception"


@dataclass(frozen=True, slots=True)
class LearnerVersion:
    """What learners get of a notebook."""

    notebook: Any
    """As nbformat 4, without outputs; as many cells as the source has. Cells that may raise are
    tagged so."""
    left: frozenset[int]
    """Cells, from 0, where learners are to write something."""
    tests: frozenset[int]
    """Cells that test that."""
    dependent: frozenset[int]
    """Cells that use names which learners are to give a meaning, themselves or by others."""


def learner_version(notebook: Any) -> LearnerVersion | None:
    """The learners' version of ``notebook``; ``None``: no cell is marked, all get the same.

    Raises:
        InvalidInput: the marks are broken; the message names the cell.
    """
    if otter.is_marked(notebook):
        cells = otter.changed(notebook)
    elif nbgrader.is_marked(notebook):
        cells = nbgrader.changed(notebook)
    else:
        return None
    left = frozenset(number for number, cell in enumerate(cells) if cell.left)
    tests = frozenset(number for number, cell in enumerate(cells) if cell.tests)
    dependent: frozenset[int] = frozenset()
    if language_of(notebook.metadata) == "python":
        dependent = _dependent([cell.source for cell in notebook.cells], cells)
    made = copy.deepcopy(notebook)
    for number, (cell, after) in enumerate(zip(made.cells, cells, strict=True)):
        cell.source = after.source
        if after.kind == "raw" and cell.cell_type != "raw":
            cell.cell_type = "raw"
            for name in ("outputs", "execution_count", "attachments"):
                cell.pop(name, None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if number in left | tests | dependent:
                cell.metadata["tags"] = [*cell.metadata.get("tags", []), _MAY_RAISE]
    return LearnerVersion(made, left, tests, dependent)


def _dependent(sources: Sequence[str], cells: Sequence[Changed]) -> frozenset[int]:
    missing: set[str] = set()
    found = set()
    for number, (source, cell) in enumerate(zip(sources, cells, strict=True)):
        if cell.kind != "code":
            continue
        if cell.left:
            missing |= names_bound(source)
            missing |= names_imported(source) - names_imported(cell.source)
        elif not cell.tests and missing & names_used(cell.source):
            found.add(number)
            missing |= names_bound(cell.source)
        else:
            # What a cell of the author's gives a meaning anew has one again.
            missing -= names_bound(cell.source)
    return frozenset(found)
