"""What the checks look at: a notebook as it was read, in plain values. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..model import Finding
from ..python_cells import language_of

MOST_TEXT = 2 * 1024**2
"""Characters of one output that are looked through."""
_BASE64 = re.compile(r"base64,[A-Za-z0-9+/=\s]{40,}")
_SCRIPT = re.compile(r"<(script|style)\b(?:(?!<\1\b).)*?</\1\s*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a cell."""

    kind: str
    """``stream``, ``display_data``, ``execute_result`` or ``error``."""
    name: str
    """Of the exception, for an error."""
    texts: tuple[str, ...]
    """What people read in it; scripts and pictures left out."""
    size: int
    """Characters of all that it holds."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell."""

    index: int
    kind: str
    source: str
    tags: frozenset[str]
    id: str | None
    """As it stands in the file."""
    count: int | None
    """The number of its last execution."""
    outputs: tuple[Output, ...]
    attachments: frozenset[str]

    def line_of(self, position: int) -> int:
        """The line, from 1, of a position in the source."""
        return self.source.count("\n", 0, position) + 1

    def finding(self, message: str, hint: str = "", line: int | None = None) -> Finding:
        """Something about this cell; the rule's name and weight are added later."""
        return Finding("", message, hint, self.index, line)


@dataclass(frozen=True, slots=True)
class Subject:
    """A notebook and what lies around it."""

    cells: tuple[Cell, ...]
    language: str
    kernel: str | None
    """The name of the kernel that it asks for."""
    metadata: str
    """All metadata as one text."""
    exists: Callable[[str], bool]
    """Whether a path, from the notebook's folder, is there."""
    installed: Callable[[str], bool]
    """Whether a kernel of this name is."""

    @property
    def code(self) -> Iterator[Cell]:
        """The code cells, in order."""
        return (cell for cell in self.cells if cell.kind == "code")

    @property
    def markdown(self) -> Iterator[Cell]:
        """The text cells, in order."""
        return (cell for cell in self.cells if cell.kind == "markdown")


def subject_of(
    notebook: Any,
    ids: Sequence[str | None],
    exists: Callable[[str], bool],
    installed: Callable[[str], bool] = lambda _: True,
) -> Subject:
    """``notebook`` as nbformat 4; ``ids`` as they stand in its file, which nbformat mends."""
    metadata = notebook.metadata
    kernelspec = metadata.get("kernelspec")
    name = kernelspec.get("name") if isinstance(kernelspec, dict) else None
    named = [*ids, *[None] * len(notebook.cells)]
    return Subject(
        cells=tuple(_cell(index, cell, named[index]) for index, cell in enumerate(notebook.cells)),
        language=language_of(metadata),
        kernel=name if isinstance(name, str) and name else None,
        metadata="\n".join(_texts([metadata, *(cell.metadata for cell in notebook.cells)])),
        exists=exists,
        installed=installed,
    )


def _cell(index: int, cell: Any, name: str | None) -> Cell:
    count, attachments = cell.get("execution_count"), cell.get("attachments")
    return Cell(
        index=index,
        kind=cell.cell_type,
        source=cell.source,
        tags=frozenset(tag for tag in cell.metadata.get("tags", []) if isinstance(tag, str)),
        id=name,
        count=count if isinstance(count, int) else None,
        outputs=tuple(_output(one) for one in cell.get("outputs") or () if isinstance(one, dict)),
        attachments=frozenset(attachments if isinstance(attachments, dict) else ()),
    )


def _output(output: Any) -> Output:
    data = output.get("data")
    data = data if isinstance(data, dict) else {}
    kind, name = str(output.get("output_type")), str(output.get("ename") or "")
    held = [output.get("text"), output.get("evalue"), output.get("traceback")]
    held += [value for mime, value in data.items() if mime.startswith("text/")]
    texts = tuple(_readable(text) for value in held for text in _joined(value))
    return Output(kind, name, texts, sum(map(len, _texts(output))))


def _joined(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    if isinstance(value, str) and value:
        yield value


def _readable(text: str) -> str:
    text = text[:MOST_TEXT]
    if "base64," in text:
        text = _BASE64.sub("base64,", text)
    return _SCRIPT.sub("", text) if "<" in text else text


def _texts(value: Any) -> Iterator[str]:
    """All texts in a JSON value."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            todo.extend(one.values())
        elif isinstance(one, list | tuple):
            todo.extend(one)
