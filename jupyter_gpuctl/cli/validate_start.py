"""Options of ``validate`` for how and where kernels are started: forked from a warm process, anew,
or in containers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
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
    engine: str
    image: str | None
    pull: bool
    network: str

    def also(self, runner: WorkerRunner) -> str:
        """What results rest on beside code, files and limits.

        Who asks for cold kernels is not answered with what passed in a forked one.
        """
        if runner.image is not None:
            return f"docker {runner.image.id} {self.network}"
        return "cold" if self.cold else ""

    def runner(self, tops: Sequence[str], cores: float) -> WorkerRunner:
        """Runs notebooks as asked. ``tops``: folders of courses; ``cores``: that we may use.

        Raises:
            InvalidInput: there is no module of a name in ``--preload``, no image, or none is named.
            Unavailable: a control group is wanted and can't be had; the engine is away.
        """
        if self.engine == "docker":
            return self._in_containers(tops, cores)
        if self.image is not None:
            raise InvalidInput(
                "validate.image",
                f"--image {self.image} is for kernels in containers.",
                hint="Give --engine docker too.",
            )
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

    def _in_containers(self, tops: Sequence[str], cores: float) -> WorkerRunner:
        if self.image is None:
            raise InvalidInput(
                "validate.image",
                "--engine docker needs an image in which the kernels run.",
                hint="Give --image, such as quay.io/jupyter/scipy-notebook.",
            )
        if self.preload is not None:
            raise InvalidInput(
                "validate.preload",
                "--preload is for forked kernels; those in containers start anew.",
                hint="Leave it out.",
            )
        from ..validation.containers.containers import Containers
        from ..validation.runner import WorkerRunner

        def told(step: str) -> None:
            click.echo(f"  {step}", err=True)

        containers = Containers(
            self.image,
            network=self.network,
            pulled=told if self.pull else None,
            tops=tops,
            cpus=cores,
        )
        return WorkerRunner(containers=containers)


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
        "--engine",
        type=click.Choice(["process", "docker"]),
        default="process",
        show_default=True,
        help="Where kernels run: as processes here, or each in a container of --image.",
    )
    @click.option(
        "--image",
        metavar="IMAGE",
        default=None,
        help="The image for --engine docker. It needs the kernels of the notebooks, nothing of us.",
    )
    @click.option(
        "--pull", is_flag=True, help="Get the newest IMAGE first; else it must be here already."
    )
    @click.option(
        "--network",
        metavar="NAME",
        default="none",
        show_default=True,
        help="The Docker network of the containers, such as bridge.",
    )
    @click.option(
        "--limit-tier",
        type=click.Choice(["auto", "cgroup", "watcher"]),
        default="auto",
        hidden=True,
    )
    @functools.wraps(function)
    def with_start(
        *args: Any,
        cold: bool,
        preload: str | None,
        limit_tier: str,
        engine: str,
        image: str | None,
        pull: bool,
        network: str,
        **rest: Any,
    ) -> Any:
        names = None
        if preload is not None:
            parts = (part.strip() for part in preload.split(","))
            names = tuple(dict.fromkeys(part for part in parts if part))
        start = StartOptions(cold, names, limit_tier, engine, image, pull, network)
        return function(*args, start=start, **rest)

    return with_start
