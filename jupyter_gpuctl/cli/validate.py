"""``jupyter gpuctl validate``: every notebook, under the limits that learners get."""

from __future__ import annotations

import contextlib
import math
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import click
from click.core import ParameterSource

from ..core.errors import InvalidInput
from ..core.quantities import parse_bytes, parse_duration
from ..host.cgroups import Cgroups
from ..validation.model import Limits, exit_status
from ..validation.reports import FORMATS
from .validate_course import CourseOptions, course_options
from .validate_needs import NeedsOptions, needs_options
from .validate_past import PastOptions, past_options
from .validate_reports import targets_of, write_reports
from .validate_settings import settings_of, settings_option
from .validate_start import StartOptions, start_options

_LEAST_MEMORY = 16 * 1024**2
"""Bytes: no kernel of any language starts in less."""


class _Quantity(click.ParamType):  # type: ignore[type-arg]
    """A size or a duration as people write it; ``none`` for no limit."""

    def __init__(self, name: str, parse: Callable[[str], float], least: float) -> None:
        self.name = name
        self._parse, self._least = parse, least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value is None or not isinstance(value, str):
            return value
        if value.strip().lower() == "none":
            return None
        option = param.opts[0] if param else self.name
        quantity = self._parse(value, name=option)  # type: ignore[call-arg]
        if quantity < self._least or quantity <= 0:
            raise InvalidInput(
                "quantity.too-small",
                f"{option}={value!r} leaves nothing to run in.",
                hint="Give more, or none for no limit.",
                detail={"name": option, "value": value},
            )
        return quantity


class _Jobs(click.ParamType):  # type: ignore[type-arg]
    """A number of notebooks at a time, or ``auto``."""

    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if str(value).strip().lower() == "auto":
            return jobs_for(_cores())
        number: int = click.IntRange(1, 1024).convert(value, param, ctx)
        return number


def _cores() -> int:
    """Those that we may use, by affinity and by the control group that we are in."""
    limits, cores = Cgroups().limits(), len(os.sched_getaffinity(0))
    if limits is None or limits.cpu_limit is None:
        return cores
    return min(cores, math.ceil(limits.cpu_limit))


def jobs_for(cores: int) -> int:
    """Half as many notebooks as cores, since many use several; all of two, and eight at most."""
    return max(1, min(cores, max(2, cores // 2), 8))


_DURATION = _Quantity("DURATION", parse_duration, 0)
_SIZE = _Quantity("SIZE", parse_bytes, _LEAST_MEMORY)


@click.command(no_args_is_help=False)
@click.argument("paths", metavar="PATH...", nargs=-1)
@click.option(
    "--time-limit",
    type=_DURATION,
    default="10m",
    show_default=True,
    help="For each notebook, such as 90s or 10m; none for no limit.",
)
@click.option(
    "--cell-time-limit",
    type=_DURATION,
    default=None,
    help="For each cell. metadata.execution.timeout of a notebook or a cell goes before.",
)
@click.option(
    "--memory-limit",
    type=_SIZE,
    default=None,
    help="For each notebook, its kernel and all that it starts, such as 2GiB.",
)
@click.option(
    "--gpu-memory-limit",
    type=_SIZE,
    default=None,
    help="For each notebook, on all GPUs together, such as 4GiB. Held where there is a driver.",
)
@click.option(
    "--jobs",
    "-j",
    type=_Jobs(),
    default="auto",
    help="Notebooks at a time, if there is the memory; auto: half as many as cores, but 2 if there "
    "are 2.",
)
@click.option(
    "--kernel",
    metavar="NAME",
    default=None,
    help="Run all with this kernel, instead of those that the notebooks name.",
)
@click.option(
    "--ignore",
    metavar="PATTERN",
    multiple=True,
    help="Leave out what matches, as a line of a .gitignore would.",
)
@click.option(
    "--report",
    "reports",
    metavar="FORMAT[=FILE]",
    multiple=True,
    help=f"Write a report: {', '.join(FORMATS[:-1])} or {FORMATS[-1]}; give it again for more of "
    "them. Without FILE, or to -, on standard output.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --report json.")
@course_options
@needs_options
@past_options
@start_options
@settings_option
@click.option("--tell", is_flag=True, hidden=True, help="Tell a server, in lines of JSON.")
@click.option("--below", metavar="FOLDER", hidden=True, help="Follow no link out of this folder.")
@click.pass_context
def validate(
    ctx: click.Context,
    paths: tuple[str, ...],
    time_limit: float | None,
    cell_time_limit: float | None,
    memory_limit: int | None,
    gpu_memory_limit: int | None,
    jobs: int,
    kernel: str | None,
    ignore: tuple[str, ...],
    reports: tuple[str, ...],
    as_json: bool,
    course: CourseOptions,
    needs: NeedsOptions,
    past: PastOptions,
    start: StartOptions,
    tell: bool,
    below: str | None,
) -> int:
    """Run notebooks and say of each whether it passed.

    PATH is a notebook, a folder (with all below it, but what git ignores) or a glob. Each notebook
    runs from top to bottom in a kernel of its own, in its own folder; the file isn't changed.

    Exit status: 0 all passed, 1 some did not or fail a check, 2 wrong usage, 3 the container engine
    is away, 130 interrupted.
    """
    if not paths:
        raise click.UsageError("Missing argument 'PATH...'.", ctx)
    if start.engine == "docker" and gpu_memory_limit is not None:
        raise InvalidInput(
            "validate.gpu",
            "--gpu-memory-limit can't be held with --engine docker: its containers get no GPU.",
            hint="Leave it out, or the engine.",
        )
    targets = targets_of([*reports, *(["json"] if as_json else [])]) if not tell else []
    wanted = needs.prepared(jobs, stdout_taken=tell or any(one.file == "-" for one in targets))
    # What starts nothing is said before what takes time to load.
    from ..validation.options import Override, options_of
    from ..validation.paths import Patterns
    from ..validation.room import memory_room
    from ..validation.service import Request, Validator
    from .validate_told import screen_of

    settings = settings_of(ctx)
    folder = settings.folder or "."
    request = Request(
        paths=paths,
        limits=Limits(time_limit, cell_time_limit, memory_limit, gpu_memory_limit),
        jobs=jobs,
        kernel=kernel,
        overrides=tuple(
            Override(Patterns(patterns, folder), values)
            for patterns, values in settings.by_notebook(ctx)
        ),
        ignore=Patterns(ignore, _home_of("ignore", ctx, folder)) if ignore else None,
        since=past.since,
        checks=course.checks(),
        below=below,
    )
    tops = (settings.folder,) if settings.folder else ()
    runner = start.runner(tops, _cores())
    runs = past.runs(tops, also=start.also(runner))
    validator = Validator(runner, past=runs, room=memory_room)
    with (
        contextlib.closing(runner),
        screen_of(tell, validator.stop, wanted.stop, runs=request.checks.run) as screen,
        _stopped_by_signals(validator.stop, wanted.stop, screen.stopping),
    ):
        validation = validator.validate(request, screen)
        validation = wanted.judged(
            validation,
            runner,
            lambda path: options_of(path, request.limits, kernel, request.overrides)[1],
            memory_room,
        )
    if runner.image is not None:
        validation = replace(validation, image=runner.image.reference, image_id=runner.image.id)
    try:
        write_reports(targets, validation)
        wanted.write(validation)
    finally:
        screen.summarise(validation)
    for line in wanted.lines(validation) if not tell else ():
        click.echo(f"  {line}", err=True)
    screen.say_unkept(validation, runs.unkept)
    return exit_status(validation)


def _home_of(name: str, ctx: click.Context, folder: str) -> str:
    """Where the patterns of a parameter begin: here, or where the settings lie."""
    given = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    return "." if given else folder


@contextlib.contextmanager
def _stopped_by_signals(*stops: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM, or a lost terminal) stops; more of them change nothing."""
    stopping = False

    def on_signal(*_: object) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            for stop in stops:
                stop()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
