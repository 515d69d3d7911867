"""What notebooks need, as a report tells it: recommendations, limits found, a baseline compared.

Frozen values; the rules are in ``sizing``, ``searching`` and ``baseline``.
"""

from __future__ import annotations

from dataclasses import dataclass

_DOCUMENTED = {"use_attribute_docstrings": True}
BASELINE_RULES = {"seconds": "slower", "cpu_seconds": "slower", "memory": "larger"}
"""What is measured → the rule of the finding when it takes more than the baseline allows."""

SERVER_MEMORY = 128 * 1024**2
"""Bytes that a single-user server holds beside its kernels.

Measured: 94 MiB resident (76 MiB anonymous) for JupyterLab 4.6.6 with jupyter_server 2.21.1 and
Python 3.11 on Linux, after the page's first requests, without other extensions; rounded up.
"""
HEADROOM = 1.2
"""Learners try things, libraries grow, and a peak differs a little from run to run."""
OPEN_NOTEBOOKS = 2
"""Kernels stay when a tab is closed: the notebook before this one often still holds its memory."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The parts of the rule that may be set."""

    __pydantic_config__ = _DOCUMENTED

    open_notebooks: int = OPEN_NOTEBOOKS
    """At least 1."""
    headroom: float = HEADROOM
    """Times the peaks; at least 1."""
    server_memory: int = SERVER_MEMORY
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Peak:
    """A notebook and what it held."""

    __pydantic_config__ = _DOCUMENTED

    path: str
    memory: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """A notebook that the figures leave out, for it did not run to its end."""

    __pydantic_config__ = _DOCUMENTED

    path: str
    verdict: str
    more_than: int | None
    """Bytes: it needs more, where it ran out of them. ``None``: nothing is known."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to configure for a learner's single-user server. ``None``: it is not known."""

    __pydantic_config__ = _DOCUMENTED

    memory_limit: int | None
    """Bytes."""
    memory_guarantee: int | None
    """Bytes."""
    cpu_limit: float | None
    """Cores."""
    shm_size: int | None
    """Bytes of ``/dev/shm``; ``None``: 64 MiB are enough, or it was not measured."""
    lower_bound: bool
    """Whether there are notebooks whose needs are not known: more may be wanted."""
    rule: Rule
    largest: tuple[Peak, ...]
    """The peaks that decided the limit, the largest first."""
    left_out: tuple[Unmeasured, ...]
    gpu_memory: int | None = None
    """Bytes of GPU memory; ``None``: nothing used a GPU, or it was not measured."""


@dataclass(frozen=True, slots=True)
class FoundLimit:
    """The least memory in which a notebook passes, as far as it was tried."""

    __pydantic_config__ = _DOCUMENTED

    path: str
    peak_memory: int | None
    """Bytes, in the run that had more."""
    passes_at: int | None
    """Bytes: the smallest limit under which it passed; ``None``: under none that was tried."""
    fails_at: int | None
    """Bytes: the largest limit under which it did not; ``None``: there is none."""
    runs: int
    """How often it was run for that."""
    complete: bool
    """Whether the two are as near as they should be; else it was interrupted."""


@dataclass(frozen=True, slots=True)
class Regression:
    """A notebook that takes more than the baseline allows."""

    __pydantic_config__ = _DOCUMENTED

    path: str
    measure: str
    """``seconds``, ``cpu_seconds`` or ``memory``."""
    now: float
    """Seconds or bytes."""
    before: float
    most: float
    """Times ``before`` that it may be."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a run went beside the baseline."""

    __pydantic_config__ = _DOCUMENTED

    file: str
    compared: int
    """Notebooks."""
    regressions: tuple[Regression, ...]
    new: tuple[str, ...]
    """Notebooks that passed and that the baseline doesn't know."""
    vanished: tuple[str, ...]
    """Notebooks of the baseline that are there no more."""
    warnings: tuple[str, ...]
    """What makes the figures less comparable."""
