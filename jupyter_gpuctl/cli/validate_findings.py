"""What a person sees of the course checks, on standard error."""

from __future__ import annotations

from collections.abc import Iterable

from ..validation.model import NotebookResult, Validation, Verdict, fails_checks

_MOST_FINDINGS = 8
"""Of one notebook; all are in the report."""


def checking(count: int) -> str:
    """``Checking 38 notebooks, not running them``."""
    return f"Checking {'1 notebook' if count == 1 else f'{count} notebooks'}, not running them"


def checked_words(validation: Validation) -> str:
    """``38 checked, 2 fail``."""
    good = (Verdict.PASSED, Verdict.SKIPPED)
    fail = sum(one.verdict not in good or fails_checks(one) for one in validation.notebooks)
    return f"{len(validation.notebooks)} checked, {fail or 'none'} fail"


def finding_lines(result: NotebookResult) -> Iterable[tuple[str, bool]]:
    """Under a notebook, what the course checks found, and whether that fails it."""
    ordered = sorted(result.findings, key=lambda finding: not finding.fails)
    for finding in ordered[:_MOST_FINDINGS]:
        where = "" if finding.cell is None else f"cell {finding.cell + 1}"
        where += "" if finding.line is None else f", line {finding.line}"
        yield f"{where}{': ' if where else ''}{finding.message} ({finding.rule})", finding.fails
        for line in finding.detail.splitlines():
            yield f"{'':8}{line}", False
    if len(ordered) > _MOST_FINDINGS:
        yield f"and {len(ordered) - _MOST_FINDINGS} more (--json tells them)", False
