"""Checks of what running and saving has left in the file. Pure."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator

from ...core.quantities import format_bytes
from ..model import Finding
from ..notebooks import SKIP_TAG
from ..python_cells import parse
from .subject import Cell, Subject

LARGE = 1024**2
"""Characters of output from which on a cell's outputs are large: 1 MiB."""
_RAISES = "raises-exception"


def out_of_order(subject: Subject) -> Iterator[Finding]:
    """Cells last executed in another order than they stand: one finding for all."""
    cells = [cell for cell in subject.code if cell.count is not None]
    late = [
        (above, below)
        for above, below in itertools.pairwise(cells)
        if (below.count or 0) < (above.count or 0)
    ]
    if late:
        above, below = late[0]
        more = f", and so at {len(late) - 1} more places" if len(late) > 1 else ""
        yield below.finding(
            f"it was executed before the cell above it ([{below.count}] below [{above.count}])"
            + more,
            "Restart the kernel, run all cells and save.",
        )


def never_run(subject: Subject) -> Iterator[Finding]:
    """Cells without a count in a notebook where others have one: one finding for all."""
    cells = [cell for cell in subject.code if cell.source.strip() and SKIP_TAG not in cell.tags]
    unrun = [cell for cell in cells if cell.count is None]
    if unrun and len(unrun) < len(cells):
        more = f", nor were {len(unrun) - 1} more" if len(unrun) > 1 else ""
        yield unrun[0].finding(
            f"it was never executed, though others were{more}",
            "Run all cells and save, or clear all outputs.",
        )


def outputs_left(subject: Subject) -> Iterator[Finding]:
    """Outputs in the file: one finding for all."""
    cells = [cell for cell in subject.code if cell.outputs]
    if cells:
        count = "1 cell holds" if len(cells) == 1 else f"{len(cells)} cells hold"
        yield Finding("", f"{count} outputs", "Clear all outputs before saving.", cells[0].index)


def error_left(subject: Subject) -> Iterator[Finding]:
    """Errors among the outputs of cells that aren't meant to raise."""
    for cell in subject.code:
        names = [output.name for output in cell.outputs if output.kind == "error"]
        if names and _RAISES not in cell.tags:
            yield cell.finding(
                f"its saved output is an error: {names[0] or 'unknown'}",
                f"Mend it and run it again, or tag it {_RAISES} if it is meant to.",
            )


def large_output(subject: Subject) -> Iterator[Finding]:
    """Outputs that make the file slow to open, to compare and to store in git."""
    for cell in subject.code:
        size = sum(output.size for output in cell.outputs)
        if size > LARGE:
            yield cell.finding(
                f"its outputs take {format_bytes(size)}",
                "Show less, or clear them before saving.",
            )


def duplicate_id(subject: Subject) -> Iterator[Finding]:
    """Cells with the id of another: nbformat 4.5 wants them to differ."""
    seen: dict[str, Cell] = {}
    for cell in subject.cells:
        if cell.id is None:
            continue
        if cell.id in seen:
            yield cell.finding(
                f"it has the id of cell {seen[cell.id].index + 1}: {cell.id!r}",
                "Open and save it in JupyterLab, which gives it a new one.",
            )
        else:
            seen[cell.id] = cell


def no_kernel(subject: Subject) -> Iterator[Finding]:
    """No kernel named: learners are asked to choose one."""
    if subject.kernel is None:
        yield Finding(
            "", "it names no kernel", "Choose a kernel in JupyterLab and save the notebook."
        )


def unknown_kernel(subject: Subject) -> Iterator[Finding]:
    """A kernel that isn't installed here."""
    if subject.kernel is not None and not subject.installed(subject.kernel):
        yield Finding(
            "",
            f"kernel {subject.kernel!r} is not installed here",
            "Save the notebook with the kernel that learners have, or install it.",
        )


def empty_tail(subject: Subject) -> Iterator[Finding]:
    """Empty code cells at the end. One is what Jupyter itself leaves there."""
    trailing = 0
    for cell in reversed(subject.cells):
        if cell.kind != "code" or cell.source.strip() or cell.outputs:
            break
        trailing += 1
    if trailing > 1:
        first = subject.cells[len(subject.cells) - trailing]
        yield first.finding(f"the last {trailing} cells are empty", "Delete them.")


def asks_input(subject: Subject) -> Iterator[Finding]:
    """``input()`` where nobody answers: such a cell fails in every run of the whole notebook."""
    for cell in subject.code:
        if subject.language != "python" or {SKIP_TAG, _RAISES} & cell.tags:
            continue
        tree = parse(cell.source)
        for call in [] if tree is None else _calls_outside_functions(tree):
            if isinstance(call.func, ast.Name) and call.func.id == "input":
                yield cell.finding(
                    "it asks for input", f"Give it a value, or tag it {SKIP_TAG}.", call.lineno
                )
                break


def _calls_outside_functions(tree: ast.Module) -> Iterator[ast.Call]:
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            todo.extend(ast.iter_child_nodes(node))
