"""How one part stands: what ``GET health`` and ``jupyter gpuctl doctor`` are made of.

Without Tornado, so that the command line needn't load it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

DOCUMENTED = {"use_attribute_docstrings": True}


class CheckStatus(StrEnum):
    """How one part stands."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    OFF = "off"
    """Not part of this installation, by choice or by version."""


@dataclass(frozen=True, slots=True)
class Check:
    """One part: how it stands, and the mend."""

    __pydantic_config__ = DOCUMENTED

    status: CheckStatus
    message: str = ""
    """One sentence for people."""
    hint: str = ""
    """What to do about it."""
    detail: dict[str, Any] = field(default_factory=dict)
    """Figures."""
