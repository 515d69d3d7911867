"""What a notebook of a course is checked for, and as what it is run: itself, or as learners get it.

Reads notebooks; the rules lie in ``lint``, ``versions`` and ``outputs``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum

from ..core.errors import InvalidInput
from .lint.reading import lint_file
from .lint.rules import Choice
from .model import Finding, NotebookResult, Verdict, unrun
from .notebooks import read_notebook
from .outputs import OutputChecks
from .versions.learner import SUFFIX, LearnerVersion, learner_version


class Variant(StrEnum):
    """Which versions of notebooks with solutions are run."""

    SOLUTION = "solution"
    """The notebooks as they are."""
    LEARNER = "learner"
    """As learners get them: without solutions."""
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class CourseChecks:
    """What is asked for beside running every notebook."""

    lint: Choice | None = None
    """The rules by which files are checked; ``None``: they are not."""
    run: bool = True
    """Whether anything is run."""
    variant: Variant = Variant.SOLUTION
    outputs: OutputChecks | None = None
    """How stored outputs are compared with new ones; ``None``: they are not."""


@dataclass(frozen=True, slots=True)
class Version:
    """A notebook in one of its versions."""

    path: str
    """Of the file."""
    learner: LearnerVersion | None = None
    """``None``: as it is."""
    problem: NotebookResult | None = None
    """Its result where it can't be made."""

    @property
    def name(self) -> str:
        """The path in its result."""
        return self.path if self.learner is None else self.path + SUFFIX

    def instead(self) -> bytes | None:
        """What is run in the place of the file."""
        return None if self.learner is None else json.dumps(self.learner.notebook).encode()


def versions_of(path: str, variant: Variant) -> list[Version]:
    """The versions of the notebook at ``path`` that are to be run.

    A notebook without marks has one version only, whichever is asked for; so has one that can't
    be read: running it tells why.
    """
    itself = [] if variant is Variant.LEARNER else [Version(path)]
    if variant is Variant.SOLUTION:
        return itself
    try:
        notebook = read_notebook(path)
    except InvalidInput:
        return [Version(path)]
    try:
        learner = learner_version(notebook)
    except InvalidInput as error:
        told = f"no learners' version can be made: {error.message}"
        problem = unrun(path + SUFFIX, Verdict.INVALID, told, error.hint)
        return [*itself, Version(path, problem=problem)]
    return [Version(path)] if learner is None else [*itself, Version(path, learner)]


def findings_of(version: Version, checks: CourseChecks, kernel: str | None) -> tuple[Finding, ...]:
    """What the chosen rules find in a file; ``kernel`` is given instead of its own.

    Of one that is run too the verdict says whether its kernel is there.
    """
    again = version.learner is not None or version.problem is not None
    if checks.lint is None or (again and checks.variant is Variant.BOTH):
        return ()
    try:
        return lint_file(version.path, checks.lint, kernels=kernel is None and not checks.run)
    except InvalidInput:
        return ()


def only_checked(path: str) -> NotebookResult:
    """The result of a notebook that isn't to be run."""
    try:
        read_notebook(path)
    except InvalidInput as error:
        return unrun(path, Verdict.INVALID, error.message, error.hint)
    return unrun(path, Verdict.SKIPPED, "checked, not run")


def explained(result: NotebookResult, version: Version) -> NotebookResult:
    """``result``, with the rule by which a learners' version fails."""
    learner, cell = version.learner, result.cell
    if learner is None or result.verdict is not Verdict.FAILED or result.hint or cell is None:
        return result
    hint = (
        "In the learners' version only cells with a solution taken out, their tests, and cells "
        "that use what learners write may raise."
    )
    return replace(result, hint=hint)
