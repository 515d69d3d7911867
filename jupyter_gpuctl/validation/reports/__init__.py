"""Reports of a validation, one module a format, each with ``render``. Outputs are in none."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from ..model import Validation

FORMATS = ("json", "junit", "html", "markdown", "github")


def renderer(name: str) -> Callable[[Validation], str]:
    """What writes the format ``name`` of :data:`FORMATS`; it is loaded when it is asked for."""
    module = import_module(f".{name}", __name__)
    return cast(Callable[[Validation], str], module.render)
