"""Checks a notebook file: reads it and looks around it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ...core.errors import InvalidInput
from ..model import Finding
from ..notebooks import read_notebook
from ..past.environments import is_installed
from .rules import Choice, check
from .subject import subject_of


def lint_file(path: str, choice: Choice, *, kernels: bool = True) -> tuple[Finding, ...]:
    """What the chosen rules find in the notebook at ``path``; ``kernels``: look for its own.

    Raises:
        InvalidInput: it can't be read or is no notebook; the message doesn't repeat the path.
    """
    notebook = read_notebook(path)
    folder = os.path.dirname(os.path.realpath(path))

    def exists(name: str) -> bool:
        try:
            return os.path.exists(os.path.join(folder, name))
        except ValueError:
            return False

    subject = subject_of(
        notebook, cell_ids(path), exists, is_installed if kernels else lambda _: True
    )
    return check(subject, choice)


def cell_ids(path: str) -> list[str | None]:
    """The ids of the cells as they stand in the file; nbformat mends what it reads."""
    try:
        parsed: Any = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput("validation.notebook", "it can't be read again") from error
    cells = parsed.get("cells") if isinstance(parsed, dict) else None
    found = [cell.get("id") if isinstance(cell, dict) else None for cell in cells or []]
    return [name if isinstance(name, str) else None for name in found]
