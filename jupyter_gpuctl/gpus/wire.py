"""The answers of the GPU routes, around the values of ``model``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .model import Device, Driver, Sample

_DOCUMENTED = {"use_attribute_docstrings": True}


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that will hurt soon if nobody acts."""

    __pydantic_config__ = _DOCUMENTED

    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class GpusAnswer:
    """``GET gpus``."""

    __pydantic_config__ = _DOCUMENTED

    seq: int
    """Of the newest sample; 0 before the first."""
    time: datetime
    """The server's clock when it answered: the age of a sample is ``time - sample.time``."""
    interval: float
    """Seconds between samples at present: longer while nobody looks."""
    driver: Driver
    warnings: tuple[Notice, ...]
    devices: tuple[Device, ...]
    samples: tuple[Sample, ...]
    """Without ``since``: the newest. With it: those newer than ``since``, oldest first."""
