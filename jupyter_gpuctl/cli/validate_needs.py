"""Options of ``validate`` for what notebooks need: what to configure, least limits, a baseline."""

from __future__ import annotations

import functools
import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import InvalidInput
from ..core.quantities import format_bytes, parse_bytes
from ..validation.model import Validation, Verdict
from ..validation.needs import HEADROOM, OPEN_NOTEBOOKS, SERVER_MEMORY, Rule

if TYPE_CHECKING:
    from ..validation.baseline import Baseline
    from ..validation.ports import NotebookRunner
    from ..validation.searching import LimitFinder

_STDOUT = "-"
_FORMATS = ("z2jh", "docker", "json")


class _Times(click.FloatRange):
    """A factor; ``nan`` is none, though it lies outside of no range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


@dataclass(frozen=True, slots=True)
class NeedsOptions:
    """What was asked for."""

    recommend: tuple[str, ...]
    rule: Rule
    find_limit: bool
    baseline: str | None
    save_baseline: str | None
    max_slowdown: float
    max_growth: float

    def prepared(self, jobs: int, *, stdout_taken: bool) -> Needs:
        """What can be wrong is found before anything runs.

        Raises:
            InvalidInput: a format is not known, a file can't be read, understood or written.
        """
        from ..validation.baseline_file import load

        targets = [_target(text, stdout_taken=stdout_taken) for text in self.recommend]
        if sum(file == _STDOUT for _, file in targets) > 1:
            raise InvalidInput(
                "validate.recommend",
                "Two recommendations can't go to standard output.",
                hint="Give one a file: --recommend json=FILE.",
            )
        before = load(self.baseline) if self.baseline is not None else None
        saved = None
        if self.save_baseline is not None:
            _require_writable("--save-baseline", self.save_baseline)
            saved = load(self.save_baseline, missing_ok=True)
        return Needs(self, targets, jobs, before, saved)


class Needs:
    """Does what :class:`NeedsOptions` ask for, once the notebooks have run."""

    def __init__(
        self,
        options: NeedsOptions,
        targets: list[tuple[str, str]],
        jobs: int,
        before: Baseline | None,
        saved: Baseline | None,
    ) -> None:
        self._options, self._targets, self._jobs = options, targets, jobs
        self._before, self._saved = before, saved
        self._finder: LimitFinder | None = None
        self._stopped = False

    def stop(self) -> None:
        """Try no more limits. Safe in a signal handler."""
        self._stopped = True
        if self._finder is not None:
            self._finder.stop()

    def judged(
        self,
        validation: Validation,
        runner: NotebookRunner,
        kernel_of: Callable[[str], str | None],
        room: Callable[[], int | None],
    ) -> Validation:
        """The validation with what is recommended, found and compared."""
        from ..validation import sizing

        found = sizing.recommend(
            validation.notebooks, self._options.rule, interrupted=validation.interrupted
        )
        validation = self._compared(replace(validation, recommendation=found))
        if self._options.find_limit and not self._stopped:
            from ..validation.searching import LimitFinder

            self._finder = LimitFinder(runner, _say_try)
            # A learner's version is no file that could be run again as it lies.
            passed = [
                one
                for one in validation.notebooks
                if one.verdict is Verdict.PASSED and os.path.isfile(one.path)
            ]
            limits = self._finder.find(passed, kernel_of, self._jobs, room())
            validation = replace(validation, found_limits=tuple(limits))
        interrupted = validation.interrupted or self._stopped
        return replace(validation, interrupted=interrupted)

    def _compared(self, validation: Validation) -> Validation:
        options = self._options
        if options.baseline is None or self._before is None:
            return validation
        from ..validation import baseline, baseline_file

        file = options.baseline
        return baseline.compare(
            self._before,
            validation,
            baseline_file.this_machine(self._jobs),
            baseline.Allowed(options.max_slowdown, options.max_growth),
            file,
            functools.partial(baseline_file.key_of, file),
            functools.partial(baseline_file.is_there, file),
        )

    def write(self, validation: Validation) -> None:
        """Recommendations and the new baseline.

        Raises:
            InvalidInput: one can't be written.
        """
        for name, file in self._targets:
            self._recommend(validation, name, file)
        saved = self._options.save_baseline
        if saved is not None and not validation.interrupted:
            from ..validation import baseline, baseline_file

            new = baseline.updated(
                self._saved,
                validation,
                baseline_file.this_machine(self._jobs),
                functools.partial(baseline_file.key_of, saved),
                functools.partial(baseline_file.is_there, saved),
            )
            baseline_file.save(new, saved)

    def _recommend(self, validation: Validation, name: str, file: str) -> None:
        from ..validation.recommended import render

        if validation.recommendation is None:
            click.echo("  Nothing was run that a recommendation could go by.", err=True)
            return
        text = render(validation.recommendation, name)
        if file == _STDOUT:
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        try:
            with open(file, "w", encoding="utf-8") as opened:
                opened.write(text)
        except OSError as error:
            raise _unwritable("--recommend", file, error.strerror or "") from None

    def lines(self, validation: Validation) -> Iterator[str]:
        """What a person is told below the summary."""
        from ..validation.recommended import sentence

        for found in validation.found_limits:
            yield found_words(found.path, found.passes_at, found.fails_at, found.complete)
        if validation.baseline is not None:
            yield from baseline_lines(validation)
        file = self._options.save_baseline
        if file is not None and validation.interrupted:
            yield f"interrupted: {_plain(file)} is as it was"
        elif file is not None:
            yield f"baseline saved to {_plain(file)}"
        if validation.recommendation is not None:
            hint = "" if self._targets else " (--recommend z2jh)"
            yield sentence(validation.recommendation) + hint
            left_out = validation.recommendation.left_out
            if left_out and validation.recommendation.memory_limit is not None:
                names = ", ".join(_plain(os.path.basename(one.path)) for one in left_out[:3])
                more = f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""
                yield f"without {names}{more}: not run to the end, they may need more"


def found_words(path: str, passes: int | None, fails: int | None, complete: bool) -> str:
    """``01-intro.ipynb passes in 96.0 MiB, not in 80.0 MiB``."""
    told = f"{_plain(os.path.basename(path))} "
    if passes is None and fails is None:
        return told + "was not run again (interrupted)"
    told += f"passes in {format_bytes(passes)}" if passes is not None else "did not pass again"
    if fails is not None:
        told += f", not in {format_bytes(fails)}"
    return told if complete else f"{told} (interrupted)"


def baseline_lines(validation: Validation) -> Iterator[str]:
    """How it went beside the baseline."""
    from ..validation.baseline import regression_words

    compared = validation.baseline
    assert compared is not None
    for one in compared.regressions:
        yield f"{_plain(os.path.basename(one.path))}: {regression_words(one)}"
    for warning in compared.warnings:
        yield f"baseline: {_plain(warning)}"
    for paths, what in ((compared.new, "not in the baseline"), (compared.vanished, "gone since")):
        if paths:
            names = ", ".join(_plain(os.path.basename(path)) for path in paths[:3])
            more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
            yield f"{what}: {names}{more}"
    count = len({one.path for one in compared.regressions})
    if count:
        yield f"{count} of {compared.compared} take more than the baseline allows; if that is meant"
        yield f"to be, save a new one: --save-baseline {_plain(compared.file)}"
    else:
        yield f"{compared.compared} compared with {_plain(compared.file)}: none takes more"


def _say_try(path: str, limit: int) -> None:
    click.echo(f"  {_plain(os.path.basename(path))}: in {format_bytes(limit)}?", err=True)


def _plain(text: str) -> str:
    from ..validation.recommended import plain

    return plain(text)


def _target(text: str, *, stdout_taken: bool) -> tuple[str, str]:
    name, _, file = text.partition("=")
    if name not in _FORMATS:
        raise InvalidInput(
            "validate.recommend",
            f"--recommend {text!r}: there is no format {name!r}.",
            hint=f"Available: {', '.join(_FORMATS)}.",
        )
    if file in ("", _STDOUT):
        if stdout_taken:
            raise InvalidInput(
                "validate.recommend",
                f"--recommend {text!r}: standard output is where a report goes.",
                hint=f"Give it a file: --recommend {name}=FILE.",
            )
        return name, _STDOUT
    _require_writable("--recommend", file)
    return name, file


def _require_writable(option: str, file: str) -> None:
    folder = os.path.dirname(os.path.abspath(file))
    existing = file if os.path.exists(file) else folder
    if os.path.isdir(file) or not os.path.isdir(folder) or not os.access(existing, os.W_OK):
        raise _unwritable(option, file, "")


def _unwritable(option: str, file: str, why: str) -> InvalidInput:
    return InvalidInput(
        "validate.needs",
        f"{option} {file!r} can't be written{': ' + why if why else ''}.",
        hint="Name a file in a folder that is there and yours.",
    )


def needs_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options, and gives the command one argument ``needs`` for all of them."""

    @click.option(
        "--recommend",
        metavar="FORMAT[=FILE]",
        multiple=True,
        help="What to configure for learners, by these peaks: z2jh (Zero to JupyterHub), docker or "
        "json. Without FILE on standard output.",
    )
    @click.option(
        "--open-notebooks",
        type=click.IntRange(1, 100),
        default=OPEN_NOTEBOOKS,
        show_default=True,
        help="For --recommend: notebooks that a learner has open at once.",
    )
    @click.option(
        "--headroom",
        type=_Times(1, 10),
        default=HEADROOM,
        show_default=True,
        help="For --recommend: times the peaks.",
    )
    @click.option(
        "--server-memory",
        metavar="SIZE",
        default=f"{SERVER_MEMORY // 1024**2}MiB",
        show_default=True,
        help="For --recommend: what a learner's server holds beside its kernels.",
    )
    @click.option(
        "--find-limit",
        is_flag=True,
        help="Find the least memory limit under which each notebook passes, by running it again.",
    )
    @click.option(
        "--baseline",
        metavar="FILE",
        default=None,
        help="Fail what takes more time or memory than FILE says it did.",
    )
    @click.option(
        "--save-baseline",
        metavar="FILE",
        default=None,
        help="Write what the notebooks that passed took to FILE.",
    )
    @click.option(
        "--max-slowdown",
        type=_Times(1, 1000),
        default=1.5,
        show_default=True,
        help="With --baseline: times the time; half a second more is never too much.",
    )
    @click.option(
        "--max-growth",
        type=_Times(1, 1000),
        default=1.25,
        show_default=True,
        help="With --baseline: times the memory; 16 MiB more are never too much.",
    )
    @functools.wraps(function)
    def wrapped(
        *arguments: Any,
        recommend: tuple[str, ...],
        open_notebooks: int,
        headroom: float,
        server_memory: str,
        find_limit: bool,
        baseline: str | None,
        save_baseline: str | None,
        max_slowdown: float,
        max_growth: float,
        **options: Any,
    ) -> Any:
        rule = Rule(open_notebooks, headroom, parse_bytes(server_memory, name="--server-memory"))
        needs = NeedsOptions(
            recommend, rule, find_limit, baseline, save_baseline, max_slowdown, max_growth
        )
        return function(*arguments, needs=needs, **options)

    return wrapped
