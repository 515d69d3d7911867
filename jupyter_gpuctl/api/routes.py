"""What a route is: its path, its handler, and what its verbs take and give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .base import GpuCtlHandler

PREFIX = "gpuctl/api/v1"


@dataclass(frozen=True, slots=True)
class Query:
    """A query argument."""

    name: str
    kind: type
    description: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One verb of one route."""

    method: str
    summary: str
    answer: Any
    query: tuple[Query, ...] = ()
    errors: tuple[int, ...] = (403, 503)


@dataclass(frozen=True, slots=True)
class Route:
    """A path under :data:`PREFIX`, who answers it, and what its verbs are."""

    path: str
    handler: type[GpuCtlHandler]
    operations: tuple[Operation, ...]
