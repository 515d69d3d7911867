"""What nbgrader and otter have in common: lines between marks, and cells after them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Changed:
    """A cell as learners get it."""

    source: str
    kind: str
    """``raw`` for a cell that the tool takes out: its place is kept, so that numbers stay."""
    left: bool = False
    """Whether learners are to write something here."""
    tests: bool = False
    """Whether it tests what they write."""


def without_regions(
    lines: Sequence[str],
    begins: Callable[[str], bool],
    ends: Callable[[str], bool],
    put: Callable[[str], list[str]],
    what: str,
    cell: int,
    *,
    by_otter: bool = False,
) -> tuple[list[str], bool]:
    """``lines`` with ``put(first line)`` for each region; and whether there was one.

    ``what`` names the mark and ``cell``, from 0, the cell where one is missing. ``by_otter``: what
    begins inside a region is part of it, but nothing ends that has not begun; nbgrader refuses the
    one and allows the other.

    Raises:
        InvalidInput: the marks don't match.
    """
    kept: list[str] = []
    inside = found = False
    for line in lines:
        if begins(line) and not (inside and by_otter):
            if inside:
                raise broken(cell, f"BEGIN {what} stands inside another")
            inside = found = True
            kept += put(line)
        elif ends(line):
            if by_otter and not inside:
                raise broken(cell, f"END {what} has no BEGIN {what}")
            inside = False
        elif not inside:
            kept.append(line)
    if inside:
        raise broken(cell, f"BEGIN {what} has no END {what}")
    return kept, found


def indent_of(line: str) -> str:
    """The blanks at the beginning of a line."""
    found = re.match(r"\s*", line)
    return found[0] if found else ""


def broken(cell: int, why: str) -> InvalidInput:
    """Marks from which no learners' version can be made. Cells are told from 1."""
    return InvalidInput(
        "validation.marks", f"in cell {cell + 1} {why}", hint="Put the marks right there."
    )
