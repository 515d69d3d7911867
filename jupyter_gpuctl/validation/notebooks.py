"""Reading notebooks, whatever lies under their names. The only reader of ``.ipynb`` files."""

from __future__ import annotations

import json
import logging
import math
import warnings
from pathlib import Path
from typing import Any

from ..core.errors import InvalidInput
from .events import PlannedCell
from .tracebacks import first_line

SKIP_TAG = "skip-execution"


def get_ready() -> None:
    """Load what reading a notebook takes: a good part of a second."""
    _upgraded(
        {"nbformat": 4},
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}',
    )


def read_notebook(path: str) -> Any:
    """The notebook as nbformat 4, older ones upgraded. Never written back.

    Raises:
        InvalidInput: it can't be read or is no notebook; the message doesn't repeat the path.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise _invalid(
            f"it can't be read: {error.strerror}", "Check the path and its mode."
        ) from None
    if not raw.strip():
        raise _invalid(f"it is empty ({len(raw)} bytes)", "Restore it or delete it.")
    try:
        parsed = json.loads(raw)
    except UnicodeDecodeError:
        raise _invalid("it is not UTF-8 text", "Save it again from Jupyter.") from None
    except json.JSONDecodeError as error:
        conflict = b"<<<<<<<" in raw
        hint = "Resolve the merge conflict." if conflict else "Restore it, or save it again."
        where = f"line {error.lineno}, column {error.colno}"
        raise _invalid(f"it is not JSON: {error.msg} at {where}", hint) from None
    except RecursionError:
        raise _invalid("its JSON is nested too deeply", "Save it again from Jupyter.") from None
    return _upgraded(parsed, raw)


def _upgraded(parsed: Any, raw: bytes) -> Any:
    # It loads the grammar of JSON schema: a second that nobody need wait for who runs nothing.
    import nbformat

    major = parsed.get("nbformat") if isinstance(parsed, dict) else None
    if not isinstance(major, int):
        raise _invalid(
            "it is JSON, but not a notebook: nbformat is missing", "Is it the right file?"
        )
    if major > nbformat.current_nbformat:
        hint = "Update nbformat, or save the notebook in an older format."
        raise _invalid(f"nbformat {major} is newer than what is understood here", hint)
    # What nbformat finds fault with but nbconvert can run is run: that is the question here.
    logging.getLogger("traitlets").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            notebook = nbformat.reads(raw.decode(), as_version=4)  # type: ignore[no-untyped-call]
        for cell in notebook.cells:
            if not isinstance(cell.source, str) or not isinstance(cell.cell_type, str):
                raise TypeError("a cell without text")
            if not isinstance(cell.metadata, dict):
                raise TypeError("a cell without metadata")
            if not isinstance(cell.metadata.get("tags", []), list):
                # nbclient stumbles over tags that are null.
                cell.metadata["tags"] = []
    except Exception as error:
        told = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise _invalid(
            f"it is not a valid notebook: {told}", "Save it again from Jupyter."
        ) from None
    return notebook


def planned_cells(notebook: Any) -> tuple[PlannedCell, ...]:
    """The code cells, and which of them run."""
    return tuple(
        PlannedCell(
            index=index,
            id=cell.get("id"),
            runs=bool(cell.source.strip()) and SKIP_TAG not in cell.metadata.get("tags", []),
            first_line=first_line(cell.source),
        )
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "code"
    )


def cell_limits(notebook: Any, default: float | None) -> dict[int, float | None]:
    """Seconds for each code cell: its own ``metadata.execution.timeout``, else the notebook's,
    else ``default``. As in nbclient, ``null``, 0 and negative numbers mean no limit.

    Raises:
        InvalidInput: a timeout is not a number.
    """
    whole = _timeout(notebook.metadata, default, "the notebook")
    return {
        index: _timeout(cell.metadata, whole, f"cell {index + 1}")
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "code"
    }


def _timeout(metadata: Any, otherwise: float | None, whose: str) -> float | None:
    execution = metadata.get("execution")
    if not isinstance(execution, dict) or "timeout" not in execution:
        return otherwise
    value = execution["timeout"]
    if value is None:
        return None
    try:
        # Text too: nbformat's schema allows nothing else in a cell's metadata.execution.
        seconds = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        seconds = float("nan")
    if math.isnan(seconds):
        reason = f"metadata.execution.timeout={value!r} of {whose} is not a number"
        raise _invalid(reason, "Write seconds, such as 120.")
    return seconds if 0 < seconds < math.inf else None


def _invalid(reason: str, hint: str) -> InvalidInput:
    return InvalidInput("validation.notebook", reason, hint=hint)
