"""What a route is: its path, its handler, and what its verbs take and give."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .base import GpuCtlHandler

PREFIX = "gpuctl/api/v1"
_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Query:
    """A query argument."""

    name: str
    kind: type
    description: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Header:
    """A request header that means something to a verb."""

    name: str
    description: str
    max_length: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One verb of one route."""

    method: str
    summary: str
    answer: Any
    """Of a call that went well, with status 200; ``None``: it never answers so."""
    query: tuple[Query, ...] = ()
    errors: tuple[int, ...] = (403, 503)
    body: Any = None
    """What must be sent as JSON; ``None``: nothing is read."""
    headers: tuple[Header, ...] = ()
    created: Any = None
    """The answer where something was made, with status 201."""
    media: tuple[str, ...] = ("application/json",)
    """What the answer of status 200 comes as, one of these."""


@dataclass(frozen=True, slots=True)
class Route:
    """A path under :data:`PREFIX`, who answers it, and what its verbs are."""

    path: str
    """Its parameters in braces: ``leases/{id}``."""
    handler: type[GpuCtlHandler]
    described: tuple[Operation, ...] | Callable[[], tuple[Operation, ...]]
    """What its verbs are; a function where the types that say so are dear to load."""

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What its verbs are. Loads their types: for the document, not for serving."""
        return self.described() if callable(self.described) else self.described

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in the path, in order: keyword arguments of the handler's verbs."""
        return tuple(_PARAMETER.findall(self.path))

    @property
    def pattern(self) -> str:
        """The path as the regular expression that Tornado asks for."""
        parts = _PARAMETER.split(self.path)
        return "".join(
            f"(?P<{part}>[^/]+)" if position % 2 else re.escape(part)
            for position, part in enumerate(parts)
        )
