"""What is wrong with a request, in the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from ..core.errors import GpuCtlError
from .words import local_times

_OPTIONS = {
    "gpus": "--gpus",
    "duration": "--duration",
    "extend": "DURATION",
    "gpu_model": "--model",
    "gpu_memory": "--memory",
    "group": "--group",
    "note": "--note",
    "reason": "--reason",
    "limit": "--limit",
}
"""The option or argument for each field of the REST interface."""
_NAMES = "|".join(_OPTIONS)
_IN_JSON = re.compile(rf'"({_NAMES})": "?([^"\s]+?)"?(?=[.,\s]|$)')
_FIELD = re.compile(rf"(?:^|(?<=: ))({_NAMES})(?==| (?:is|has) )")
_ELSEWHERE = {
    "Look at the list of leases; those that have ended are in the history.": (
        "See: jupyter gpuctl lease list"
    ),
    "Ask for less at once, and go on with cursor.": "Ask for less at once.",
}
"""Mends that the command line has other words for."""


@contextmanager
def in_words_of_the_terminal() -> Iterator[None]:
    """Options instead of fields, and local times instead of UTC, in the errors of what is within.

    Raises:
        GpuCtlError: the same, in other words.
    """
    try:
        yield
    except GpuCtlError as error:
        now = datetime.now(UTC)
        error.message = local_times(_FIELD.sub(_option, error.message), now)
        hint = _ELSEWHERE.get(error.hint, error.hint)
        error.hint = local_times(_IN_JSON.sub(_written, hint), now)
        raise


def _option(found: re.Match[str]) -> str:
    return _OPTIONS[found[1]]


def _written(found: re.Match[str]) -> str:
    return f"{_OPTIONS[found[1]]} {found[2]}"
