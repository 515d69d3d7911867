"""Options of ``validate`` for how kernels are started: forked from a warm process, or anew."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import InvalidInput

if TYPE_CHECKING:
    from ..validation.runner import WorkerRunner


@dataclass(frozen=True, slots=True)
class StartOptions:
    """What was asked for."""

    cold: bool
    preload: tuple[str, ...] | None
    """Modules to import before forking; ``None``: those that the notebooks share."""
    tier: str

    def runner(self) -> WorkerRunner:
        """Runs notebooks as asked.

        Raises:
            InvalidInput: there is no module of a name in ``--preload``.
            Unavailable: a control group is wanted and can't be had.
        """
        from ..gpus.memory import GpuMemory
        from ..gpus.nvml import NvmlProbe
        from ..host.cgroups import Cgroups
        from ..host.procfs import ProcFs
        from ..validation.imports import is_importable
        from ..validation.runner import WorkerRunner

        for name in self.preload or ():
            if not is_importable(name):
                raise InvalidInput(
                    "validate.preload",
                    f"--preload: there is no module {name!r} in this Python.",
                    hint="Name modules as after import, such as numpy,matplotlib.pyplot.",
                )
        gpus = GpuMemory(NvmlProbe(), ProcFs(Cgroups().container_id))
        return WorkerRunner(self.tier, cold=self.cold, preload=self.preload, gpus=gpus)


def start_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options, and gives the command one argument ``start`` for all of them."""

    @click.option(
        "--cold",
        is_flag=True,
        help="Start each kernel anew, instead of forking it from a process that has imported what "
        "the notebooks share.",
    )
    @click.option(
        "--preload",
        metavar="MODULES",
        default=None,
        help="Import these before forking, such as numpy,pandas, for all notebooks; not those "
        "that are found in their code.",
    )
    @click.option(
        "--limit-tier",
        type=click.Choice(["auto", "cgroup", "watcher"]),
        default="auto",
        hidden=True,
    )
    @functools.wraps(function)
    def with_start(
        *args: Any, cold: bool, preload: str | None, limit_tier: str, **rest: Any
    ) -> Any:
        names = None
        if preload is not None:
            parts = (part.strip() for part in preload.split(","))
            names = tuple(dict.fromkeys(part for part in parts if part))
        return function(*args, start=StartOptions(cold, names, limit_tier), **rest)

    return with_start
