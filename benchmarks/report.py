"""Figures, and the table that is made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: what it costs us, and what it costs the one beside us."""

    what: str
    unit: str
    ours: float
    peer: str = ""
    """Who or what stands beside us; empty where there is nothing to compare with."""
    theirs: float | None = None
    target: str = ""
    """As it was asked for; empty where the figure only informs."""
    met: bool | None = None

    @property
    def ratio(self) -> str:
        """The peer's figure in units of ours: above 1, we need less."""
        if self.theirs is None:
            return ""
        return f"{self.theirs / self.ours:.1f}×" if self.ours > 0 else "∞"

    @property
    def verdict(self) -> str:
        return {None: "", True: "met", False: "**missed**"}[self.met]


def number(value: float | None) -> str:
    """Three significant digits, no exponent."""
    if value is None:
        return ""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


HEAD = ("what", "unit", "ours", "beside", "theirs", "theirs / ours", "target", "")


def cells(figure: Figure) -> tuple[str, ...]:
    return (
        figure.what,
        figure.unit,
        number(figure.ours),
        figure.peer,
        number(figure.theirs),
        figure.ratio,
        figure.target,
        figure.verdict,
    )


def markdown(figures: Iterable[Figure]) -> str:
    rows = [HEAD, ("---", "---", "---:", "---", "---:", "---:", "---", "---"), *map(cells, figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def text(figures: Sequence[Figure]) -> str:
    """The same for a terminal."""
    rows = [HEAD, *(tuple(cell.replace("*", "") for cell in cells(each)) for each in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if HEAD[column] in ("ours", "theirs", "theirs / ours") else
            cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )  # fmt: skip


def write(page: Path, figures: Iterable[Figure], circumstances: str) -> None:
    """Put the table between the marks of ``page``."""
    body = f"{BEGIN}\n\n{circumstances}\n\n{markdown(figures)}\n\n{END}"
    old = page.read_text()
    new, count = re.subn(f"{BEGIN}.*?{END}", lambda _: body, old, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{page} has no place for the figures: {BEGIN} … {END}")
    page.write_text(new)
