"""Options of ``validate`` for course checks: lint, versions, outputs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..validation.course import CourseChecks


@dataclass(frozen=True, slots=True)
class CourseOptions:
    """What was asked for."""

    lint: bool
    lint_rules: str | None
    lint_fails: str | None
    lint_only: bool
    variant: str
    check_outputs: bool
    ignore_output: tuple[str, ...]
    check_images: bool

    def checks(self) -> CourseChecks:
        """The checks.

        Raises:
            InvalidInput: there is no rule of a name, or a regular expression is not one.
        """
        from ..validation.course import CourseChecks, Variant
        from ..validation.lint.rules import choose
        from ..validation.outputs import OutputChecks, checked

        outputs = checked(OutputChecks(self.ignore_output, self.check_images))
        choice = choose(self.lint_rules, self.lint_fails)
        return CourseChecks(
            lint=choice if self.lint or self.lint_only else None,
            run=not self.lint_only,
            variant=Variant(self.variant),
            outputs=outputs if self.check_outputs else None,
        )


def course_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options, and gives the command one argument ``course`` for all of them."""

    @click.option(
        "--lint",
        is_flag=True,
        help="Check the files too: broken links, missing data, keys and personal data, errors and "
        "outputs left in them, and more.",
    )
    @click.option("--lint-only", is_flag=True, help="Check the files and run nothing.")
    @click.option(
        "--lint-rules",
        metavar="RULES",
        default=None,
        help="With --lint: only these, such as broken-link,secret; or all but some, such as "
        "-outputs-left.",
    )
    @click.option(
        "--lint-fails",
        metavar="RULES",
        default=None,
        help="With --lint: the rules that fail a notebook, all or none.",
    )
    @click.option(
        "--variant",
        type=click.Choice(["solution", "learner", "both"]),
        default="solution",
        help="Of notebooks with solutions, marked for nbgrader or otter: run them as they are, as "
        "learners get them, or both.",
    )
    @click.option(
        "--check-outputs",
        is_flag=True,
        help="Compare the outputs with those in the file.",
    )
    @click.option(
        "--ignore-output",
        metavar="REGEX",
        multiple=True,
        help="With --check-outputs: what this matches counts as alike.",
    )
    @click.option(
        "--check-images",
        is_flag=True,
        help="With --check-outputs: pictures must be the same to the byte.",
    )
    @functools.wraps(function)
    def wrapped(
        *arguments: Any,
        lint: bool,
        lint_only: bool,
        lint_rules: str | None,
        lint_fails: str | None,
        variant: str,
        check_outputs: bool,
        ignore_output: tuple[str, ...],
        check_images: bool,
        **options: Any,
    ) -> Any:
        course = CourseOptions(
            lint,
            lint_rules,
            lint_fails,
            lint_only,
            variant,
            check_outputs,
            ignore_output,
            check_images,
        )
        return function(*arguments, course=course, **options)

    return wrapped
