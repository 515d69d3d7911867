"""The student version, as ``otter assign`` makes it. Pure.

Rules are those of otter-grader 7.0.0 for Python: ``assign/solutions.py``, ``blocks.py`` and
``notebook_transformer.py``. What otter adds (cells that set up, check and export), its plug-ins
and its seeds are left out.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from ..python_cells import language_of
from .marked import Changed, broken, without_regions

_BLOCKS = ("question", "prompt", "solution", "tests")
_ASSIGNMENT = re.compile(r"#\s+assignment\s+config\s*", re.IGNORECASE)
_IGNORED = re.compile(r"(##\s*ignore\s*##\s*|#\s*ignore\s*)", re.IGNORECASE)
_BEGIN_IGNORE = re.compile(r"\s*#\s*BEGIN\s*IGNORE\s*", re.IGNORECASE)
_BEGIN_SOLUTION = re.compile(r"(\s*)# BEGIN SOLUTION( NO PROMPT)?")
_ASSIGNED = re.compile(
    r"(\s*(?:[\w.]+(?=[^\w.])(?:\[['\"]?.*['\"]?\])*(?:,\s*)?)+\s*=).* ?# ?SOLUTION"
)
_LINE = re.compile(r"(\s*).* ?# ?SOLUTION")
_TAKEN_OUT = ("# SOLUTION NO PROMPT", "# BEGIN PROMPT", "# END PROMPT", "# SEED")
_INCLUDED = "otter_include"
_LONGEST = 2000
"""Characters of a line up to which its assignment is looked for: the pattern is slow on more."""


def is_marked(notebook: Any) -> bool:
    """Whether the notebook has the raw cells by which otter knows its blocks."""
    return any(
        _boundary(cell) is not None or _ASSIGNMENT.match(_raw(cell) or "")
        for cell in notebook.cells
    )


def changed(notebook: Any) -> list[Changed]:
    """The cells of the student version, in order, one for each of ``notebook``.

    Raises:
        InvalidInput: otter would refuse the notebook; the message names the cell.
    """
    if language_of(notebook.metadata) != "python":
        raise broken(0, "otter's marks are only understood for Python")
    found: list[Changed] = []
    blocks: list[str] = []
    everywhere = any(_strips_everywhere(cell) for cell in notebook.cells)
    for number, cell in enumerate(notebook.cells):
        boundary = _boundary(cell)
        if boundary is not None:
            _enter(blocks, *boundary, number)
            found.append(Changed("", "raw"))
        elif (
            _IGNORED.match(cell.source.split("\n", 1)[0])
            or _ASSIGNMENT.match(_raw(cell) or "")
            or "tests" in blocks
            or ("solution" in blocks and _is_text_solution(cell))
        ):
            found.append(Changed("", "raw"))
        else:
            found.append(_changed(number, cell, blocks, everywhere))
    if blocks:
        raise broken(len(notebook.cells) - 1, f"a {blocks[-1]} block has not ended")
    return found


def _enter(blocks: list[str], block: str, ends: bool, number: int) -> None:
    if ends:
        if not blocks or blocks[-1] != block:
            raise broken(number, f"a {block} block ends that has not begun")
        blocks.pop()
        return
    if (not blocks) != (block == "question"):
        where = "inside another" if blocks else "outside of a question"
        raise broken(number, f"a {block} block begins {where}")
    if len(blocks) > 1:
        raise broken(number, f"a {block} block begins inside a {blocks[-1]} block")
    blocks.append(block)


def _changed(number: int, cell: Any, blocks: list[str], everywhere: bool) -> Changed:
    lines = _without_ignored(cell.source.split("\n"), number)
    is_code = cell.cell_type == "code"
    strips = is_code and ("solution" in blocks or everywhere)
    before = lines
    if strips:
        lines = _without_solutions(lines, number)
    left = is_code and ("prompt" in blocks or "solution" in blocks or lines != before)
    return Changed("\n".join(lines), cell.cell_type, left=left)


def _without_ignored(lines: list[str], number: int) -> list[str]:
    return without_regions(
        [line for line in lines if not _ends(line, "# IGNORE")],
        lambda line: bool(_BEGIN_IGNORE.match(line)),
        lambda line: _ends(line, "# END IGNORE"),
        lambda _: [],
        "IGNORE",
        number,
        by_otter=True,
    )[0]


def _without_solutions(lines: list[str], number: int) -> list[str]:
    def put(line: str) -> list[str]:
        begin = _BEGIN_SOLUTION.match(line)
        return [] if begin is None or begin[2] else [f"{begin[1]}..."]

    lines = [line for line in lines if not line.rstrip().endswith(_TAKEN_OUT)]
    kept, _ = without_regions(
        lines,
        lambda line: bool(_BEGIN_SOLUTION.match(line)),
        lambda line: _ends(line, "# END SOLUTION"),
        put,
        "SOLUTION",
        number,
        by_otter=True,
    )
    return [_prompt(line) for line in kept]


def _prompt(line: str) -> str:
    if "SOLUTION" not in line:
        return line
    assigned = _ASSIGNED.match(line) if len(line) <= _LONGEST else None
    if assigned:
        return assigned[1] + " ..."
    whole = _LINE.match(line)
    return whole[1] + "..." if whole else line


def _is_text_solution(cell: Any) -> bool:
    return cell.cell_type == "markdown" and _INCLUDED not in cell.metadata.get("tags", [])


def _ends(line: str, mark: str) -> bool:
    return line.rstrip().endswith(mark)


def _boundary(cell: Any) -> tuple[str, bool] | None:
    """The kind of block that begins or (``True``) ends here."""
    text = _raw(cell)
    for block in _BLOCKS if text is not None else ():
        for word, ends in (("begin", False), ("end", True)):
            if re.match(rf"#\s+{word}\s+{block}\s*", text or "", re.IGNORECASE):
                return block, ends
    return None


def _raw(cell: Any) -> str | None:
    """The text of a raw cell, or of a text cell that is all one ``otter`` block."""
    if cell.cell_type == "raw":
        return str(cell.source)
    lines = cell.source.strip().split("\n")
    fenced = lines[0].strip() == "```otter" and lines[-1].strip() == "```" and len(lines) > 1
    return "\n".join(lines[1:-1]) if cell.cell_type == "markdown" and fenced else None


def _strips_everywhere(cell: Any) -> bool:
    text = _raw(cell)
    if text is None or not _ASSIGNMENT.match(text):
        return False
    try:
        config = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return False
    return isinstance(config, dict) and config.get("strip_solutions_from_all_cells") is True
