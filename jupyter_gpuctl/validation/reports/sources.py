"""The code of cells, and the line of the ``.ipynb`` file on which each line of it stands.

Reports point into the file as it lies there; that can have changed since it was run, so what they
show is compared with what the result says of it.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..model import CellError
from ..tracebacks import first_line

_SPACE = re.compile(r"[ \t\n\r]*")
# As Python counts the lines of a program, not as str.splitlines does.
_LINE = re.compile(r"\r\n|\r|\n")
_WHOLE = 24
"""Lines: a cell this long is shown whole."""
_AROUND = 6
"""Lines before and after, of a longer one."""
_WIDEST = 400
"""Characters of a line that are shown."""


@dataclass(frozen=True, slots=True)
class CellSource:
    """The text of one cell."""

    lines: tuple[str, ...]
    file_lines: tuple[int, ...]
    """For each line, that of the file, from 1."""

    def line_of(self, error: CellError | None) -> int:
        """The line that the error is about, from 0; the first of code where it isn't known."""
        if error is not None and error.line is not None and 0 < error.line <= len(self.lines):
            return error.line - 1
        code = (error.source if error else None) or first_line("\n".join(self.lines))
        stripped = [line.strip() for line in self.lines]
        return stripped.index(code) if code in stripped else 0

    def agrees(self, error: CellError) -> bool:
        """Whether this is still the text that raised the error."""
        return error.source is None or self.lines[self.line_of(error)].strip() == error.source


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A line of code beside its number."""

    number: int
    """From 1."""
    text: str
    failing: bool
    """Whether it is known to be the one."""


def cell_sources(path: str) -> tuple[CellSource, ...]:
    """All cells of a notebook file, text cells too; none where it can't be read."""
    try:
        raw = Path(path).read_bytes()
        return scan(raw.decode(json.detect_encoding(raw)))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return ()


def excerpt(source: CellSource | None, error: CellError) -> tuple[CodeLine, ...]:
    """The code around an error; only the line that the result names where the file has changed."""
    if source is None or not source.agrees(error):
        return (
            (CodeLine(error.line or 1, _cut(error.source), error.line is not None),)
            if error.source
            else ()
        )
    at, whole = source.line_of(error), len(source.lines) <= _WHOLE
    begin, end = (0, len(source.lines)) if whole else (max(0, at - _AROUND), at + _AROUND + 1)
    return tuple(
        CodeLine(number + 1, _cut(text), number == at and error.line is not None)
        for number, text in enumerate(source.lines)
        if begin <= number < end
    )


def _cut(line: str) -> str:
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"


def scan(text: str) -> tuple[CellSource, ...]:
    """The cells of a notebook's JSON (nbformat 3 or 4). Pure.

    Raises:
        ValueError: it is not JSON.
        TypeError, KeyError: it is not a notebook.
    """
    return _Scanner(text).cells()


class _Scanner:
    """Walks the few objects that lead to the code; all else is left to the decoder, which is C."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._decode = json.JSONDecoder(strict=False).raw_decode
        self._ends = [match.start() for match in re.finditer("\n", text)]

    def cells(self) -> tuple[CellSource, ...]:
        top = self._members(self._skip(0))
        if int(self._value(top["nbformat"])) >= 4:
            return tuple(self._cell(at, "source") for at in self._elements(top["cells"]))
        sheets = [self._members(at) for at in self._elements(top["worksheets"])]
        return tuple(
            self._cell(at, "input")
            for sheet in sheets
            if "cells" in sheet
            for at in self._elements(sheet["cells"])
        )

    def _cell(self, at: int, code: str) -> CellSource:
        """``code``: the name of a code cell's text; other cells had ``source`` always."""
        members = self._members(at)
        kind = self._value(members["cell_type"]) if "cell_type" in members else None
        where = members.get(code if kind == "code" else "source")
        if where is None:
            return CellSource(("",), (self._line(at),))
        begins = self._elements(where) if self._text[where] == "[" else [where]
        starts, parts, length = [0], [], 0
        for begin in begins:
            parts.append(self._value(begin))
            length += len(parts[-1])
            starts.append(length)
        joined = "".join(parts)
        offsets = [0, *(match.end() for match in _LINE.finditer(joined))]
        places = [min(bisect_right(starts, one) - 1, len(begins) - 1) for one in offsets]
        return CellSource(
            tuple(_LINE.split(joined)),
            tuple(self._line(begins[place] if begins else where) for place in places),
        )

    def _members(self, at: int) -> dict[str, int]:
        """Name → where its value begins; of a name that is there twice the last, as in json."""
        found: dict[str, int] = {}
        self._expect(at, "{")
        at = self._skip(at + 1)
        while self._text[at : at + 1] != "}":
            name, at = self._decode(self._text, at)
            at = self._skip(at)
            self._expect(at, ":")
            at = found[name] = self._skip(at + 1)
            at = self._after(at)
        return found

    def _elements(self, at: int) -> list[int]:
        found: list[int] = []
        self._expect(at, "[")
        at = self._skip(at + 1)
        while self._text[at : at + 1] != "]":
            found.append(at)
            at = self._after(at)
        return found

    def _after(self, at: int) -> int:
        """Where the next element begins, or the bracket that ends them."""
        _, at = self._decode(self._text, at)
        at = self._skip(at)
        if self._text[at : at + 1] == ",":
            return self._skip(at + 1)
        if self._text[at : at + 1] not in ("}", "]"):
            raise ValueError(f"no comma at {at}")
        return at

    def _expect(self, at: int, character: str) -> None:
        if self._text[at : at + 1] != character:
            raise TypeError(f"no {character} at {at}")

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        return match.end() if match else at

    def _value(self, at: int) -> Any:
        return self._decode(self._text, at)[0]

    def _line(self, at: int) -> int:
        return bisect_right(self._ends, at) + 1
