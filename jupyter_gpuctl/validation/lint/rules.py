"""All course checks by name, and which of them fail a notebook. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ...core.errors import InvalidInput
from ..model import Finding, place
from . import data_files, links, private, state
from .subject import Subject


@dataclass(frozen=True, slots=True)
class Rule:
    """One check."""

    name: str
    fails: bool
    """Whether a notebook counts as failed for it, unless a person says otherwise."""
    finds: str
    """What it finds, in a few words."""
    check: Callable[[Subject], Iterable[Finding]]


RULES: tuple[Rule, ...] = (
    Rule("broken-link", True, "a link or picture whose file is not there", links.broken_link),
    Rule("broken-anchor", True, "a link to a heading that is not there", links.broken_anchor),
    Rule("missing-data", True, "a data file that is read and not there", data_files.missing_data),
    Rule("error-left", True, "an error among the saved outputs", state.error_left),
    Rule("secret", True, "a key or token", private.secret),
    Rule("personal-data", True, "a home folder or e-mail address", private.personal),
    Rule("duplicate-id", True, "two cells with one id", state.duplicate_id),
    Rule("unknown-kernel", True, "a kernel that is not installed", state.unknown_kernel),
    Rule("asks-input", True, "input() where nobody answers", state.asks_input),
    Rule("no-kernel", False, "no kernel named", state.no_kernel),
    Rule("out-of-order", False, "cells executed out of order", state.out_of_order),
    Rule("never-run", False, "cells never executed, beside others that were", state.never_run),
    Rule("outputs-left", False, "outputs in the file", state.outputs_left),
    Rule("large-output", False, "outputs of more than 1 MiB in a cell", state.large_output),
    Rule("empty-tail", False, "several empty cells at the end", state.empty_tail),
)
_BY_NAME = {rule.name: rule for rule in RULES}


@dataclass(frozen=True, slots=True)
class Choice:
    """The rules that are on, and those of them that fail a notebook."""

    on: frozenset[str]
    fail: frozenset[str]


def choose(rules: str | None = None, fail: str | None = None) -> Choice:
    """What a person has written: names with commas between.

    ``rules``: only those; where all begin with ``-``: all others. ``fail``: those that fail a
    notebook, or ``all``, or ``none``; without it :attr:`Rule.fails` decides.

    Raises:
        InvalidInput: there is no rule of a name.
    """
    on = frozenset(_BY_NAME)
    names = _names(rules)
    if names:
        off = [name.removeprefix("-") for name in names if name.startswith("-")]
        chosen = [name for name in names if not name.startswith("-")]
        on = _known(chosen or on) - _known(off)
    if fail is None:
        failing = frozenset(rule.name for rule in RULES if rule.fails)
    elif fail.strip().lower() in ("all", "none"):
        failing = on if fail.strip().lower() == "all" else frozenset()
    else:
        failing = _known(_names(fail))
    return Choice(on, on & failing)


def check(subject: Subject, choice: Choice) -> tuple[Finding, ...]:
    """What the chosen rules find, by cell and line; what concerns the whole file comes first."""
    found = [
        replace(finding, rule=rule.name, fails=rule.name in choice.fail)
        for rule in RULES
        if rule.name in choice.on
        for finding in rule.check(subject)
    ]
    return tuple(sorted(found, key=place))


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _known(names: Iterable[str]) -> frozenset[str]:
    for name in names:
        if name not in _BY_NAME:
            raise InvalidInput(
                "validate.lint",
                f"There is no rule {name!r} of --lint.",
                hint=f"The rules are: {', '.join(_BY_NAME)}.",
            )
    return frozenset(names)
