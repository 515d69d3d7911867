"""Limits and kernel of one notebook: those of the request, and what patterns say otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .model import Limits
from .paths import Patterns

LIMITS = ("time", "cell_time", "memory", "gpu_memory")
"""Fields of ``Limits`` that may differ from notebook to notebook; ``kernel`` may too."""


@dataclass(frozen=True, slots=True)
class Override:
    """Other values for the notebooks that some patterns mean."""

    patterns: Patterns
    values: dict[str, Any]
    """``None`` is a value: no limit, or the kernel that the notebook names."""


def options_of(
    path: str, limits: Limits, kernel: str | None, overrides: Sequence[Override]
) -> tuple[Limits, str | None]:
    """Limits and kernel for the notebook at ``path``. What is said later goes before."""
    said: dict[str, Any] = {}
    for override in overrides:
        if override.patterns.match(path):
            said |= override.values
    kernel = said.pop("kernel", kernel)
    return replace(limits, **said), kernel
