"""What to configure, in sentences: what is recommended, and limits that were too small. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..model import Validation, Verdict, ran_out_of_gpu_memory
from ..recommended import reasons, sentence
from .text import one_line, size


def advice(validation: Validation, names: Mapping[str, str]) -> Iterator[str]:
    """What to do about limits, the most important first; ``names`` are those of paths."""
    if validation.recommendation is not None:
        yield one_line(f"{sentence(validation.recommendation)}.")
    for notebook in validation.notebooks:
        limits, name = notebook.limits or validation.limits, names[notebook.path]
        if ran_out_of_gpu_memory(notebook):
            most = f"{size(limits.gpu_memory)} of GPU memory"
            yield f"{name} needs more than {most}: raise the limit, or let it hold less."
        elif notebook.verdict is Verdict.OUT_OF_MEMORY and limits.memory is not None:
            most = size(limits.memory)
            yield f"{name} needs more than {most} of memory: raise the limit, or let it hold less."
        elif notebook.verdict is Verdict.TIMED_OUT and notebook.reason:
            yield f"{name} needs more time, or less to do: {one_line(notebook.reason, 200)}."
    for found in validation.found_limits:
        name = names.get(found.path, one_line(found.path))
        less = f", but not in {size(found.fails_at)}" if found.fails_at is not None else ""
        if found.passes_at is not None:
            yield f"{name} passes in {size(found.passes_at)} of memory{less}."


def why(validation: Validation) -> Iterator[str]:
    """How the recommended figures came about."""
    if validation.recommendation is not None:
        yield from map(one_line, reasons(validation.recommendation))
