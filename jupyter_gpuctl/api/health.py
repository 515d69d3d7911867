"""``GET health``: what works, what doesn't, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..core.version import __version__
from .base import GpuCtlHandler
from .checks import DOCUMENTED, Check, CheckStatus
from .routes import Operation, Route


@dataclass(frozen=True, slots=True)
class HealthAnswer:
    """``GET health``."""

    __pydantic_config__ = DOCUMENTED

    status: CheckStatus
    """The worst of the parts; a part that is off doesn't count."""
    version: str
    """Of jupyter-gpuctl."""
    config: Check
    """Whether the settings could be read."""
    driver: Check
    monitor: Check
    """The sampling and its own cost: ``cpu_seconds_per_sample``, ``interval``, ``samples``."""
    home: Check
    """The disk of the user's home."""
    engine: Check
    """Where workloads run."""
    store: Check
    """Leases, quotas, telemetry."""
    authority: Check
    """Who decides on leases."""
    limits: Check
    """What holds ``default_limits`` for kernels."""
    guard: Check
    """What is done about processes on GPUs that they don't hold."""


Checks = Callable[[], Mapping[str, Check]]

_NOT_YET = Check(
    CheckStatus.OFF,
    f"Version {__version__} shows and leases GPUs and validates notebooks; it runs no workloads.",
)
_UNKNOWN = Check(CheckStatus.OFF, "Not started.")
_GRAVITY = [CheckStatus.OFF, CheckStatus.OK, CheckStatus.WARNING, CheckStatus.ERROR]


def health(checks: Mapping[str, Check]) -> HealthAnswer:
    """The answer made of what the parts say; parts that say nothing are off."""
    parts = {
        "config": Check(CheckStatus.OK),
        "driver": _UNKNOWN,
        "monitor": _UNKNOWN,
        "home": _UNKNOWN,
        "engine": _NOT_YET,
        "store": _UNKNOWN,
        "authority": _UNKNOWN,
        "limits": _UNKNOWN,
        "guard": _UNKNOWN,
    } | dict(checks)
    worst = max((check.status for check in parts.values()), key=_GRAVITY.index)
    return HealthAnswer(status=worst, version=__version__, **parts)


class HealthHandler(GpuCtlHandler):
    """Health is answered even when the configuration can't be read."""

    def initialize(self, checks: Checks) -> None:
        self._checks = checks

    async def get(self) -> None:
        self.answer(health(self._checks()))


ROUTES = (
    Route(
        "health",
        HealthHandler,
        (
            Operation(
                "GET",
                "What works, what doesn't, and the mend",
                HealthAnswer,
                errors=(403,),
            ),
        ),
    ),
)
