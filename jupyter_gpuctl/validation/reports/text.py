"""What reports share: text that can't harm a reader's program, and the words for a result. Pure."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ...core.quantities import format_bytes
from ..model import (
    CellStatus,
    Limits,
    NotebookResult,
    Started,
    Tier,
    Validation,
    Verdict,
    fails_checks,
    gpus_were_not_limited,
)
from ..tracebacks import plain

GOOD = (Verdict.PASSED, Verdict.SKIPPED)
_LINE_ENDS = re.compile("\r\n|[\r\u2028\u2029]")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
# Marks that turn the direction of text around would do so beyond the name they stand in.
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")

CHECKS_FAILED = "checks-failed"
"""The outcome of a notebook that ran, and that a course check or a baseline fails."""
OUTCOMES = (
    *(verdict.value for verdict in (Verdict.PASSED, Verdict.FAILED)),
    CHECKS_FAILED,
    *(verdict.value for verdict in Verdict if verdict not in (Verdict.PASSED, Verdict.FAILED)),
)
_HOW = {
    Verdict.FAILED.value: "failed",
    CHECKS_FAILED: "failed a check",
    Verdict.TIMED_OUT.value: "took too long",
    Verdict.OUT_OF_MEMORY.value: "ran out of memory",
    Verdict.KERNEL_DIED.value: "crashed",
    Verdict.INVALID.value: "could not be run",
}
_CELL_WORDS = {
    CellStatus.OK: "ran",
    CellStatus.ERROR: "failed",
    CellStatus.EXPECTED_ERROR: "raised an error, as its tag says",
    CellStatus.NOT_RUN: "not reached",
}


def clean(text: str) -> str:
    """``text`` without what XML 1.0 can't hold and terminals obey; every line ends in U+000A.

    Colours and characters that control go, a lone surrogate becomes U+FFFD.
    """
    text = _LINE_ENDS.sub("\n", plain(text))
    return _SURROGATES.sub("\ufffd", _DIRECTIONS.sub("", _UNPRINTABLE.sub("", text)))


def one_line(text: str, most: int | None = None) -> str:
    """``text``, cleaned, on one line, with at most ``most`` characters."""
    line = " ".join(clean(text).split())
    return line if most is None or len(line) <= most else line[: most - 1] + "…"


def counted(number: int, thing: str) -> str:
    """``1 notebook``, ``3 notebooks``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def long_duration(seconds: float | None) -> str:
    """``3.1 s``, ``1 min 52 s``, ``2 h 5 min``: every number with its unit; ``–`` for ``None``."""
    if seconds is None:
        return "–"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    parts = [(hours, "h"), (minute, "min"), (0 if hours else second, "s")]
    return " ".join(f"{value} {unit}" for value, unit in parts if value)


def size(number: int | None) -> str:
    """``340 MiB``; ``–`` for ``None``."""
    return "–" if number is None else format_bytes(number)


def headline(validation: Validation) -> str:
    """The answer in one sentence.

    ``2 of 38 notebooks did not pass: 1 failed, 1 took too long.``
    """
    total = len(validation.notebooks)
    if not total:
        return "There was no notebook to validate."
    counts = Counter(outcome(notebook) for notebook in validation.notebooks)
    bad = sum(not is_good(notebook) for notebook in validation.notebooks)
    how = [(counts[one], told) for one, told in _HOW.items() if counts[one]]
    passed = counts[Verdict.PASSED.value]
    if len(how) > 1:
        causes = ", ".join(f"{number} {told}" for number, told in how)
        answer = f"{bad} of {counted(total, 'notebook')} did not pass: {causes}."
    elif how:
        answer = f"{bad} of {counted(total, 'notebook')} {how[0][1]}."
    elif passed == total:
        answer = "The notebook passed." if total == 1 else f"All {total} notebooks passed."
    else:
        answer = f"{passed} of {counted(total, 'notebook')} passed, no other was run."
    return f"Interrupted before the end. {answer}" if validation.interrupted else answer


def is_good(notebook: NotebookResult) -> bool:
    """Whether nothing is wrong with it, as the exit status has it."""
    return notebook.verdict in GOOD and not fails_checks(notebook)


def outcome(notebook: NotebookResult) -> str:
    """One of :data:`OUTCOMES`: the verdict, or that a check failed what ran."""
    failed = notebook.verdict in GOOD and fails_checks(notebook)
    return CHECKS_FAILED if failed else notebook.verdict.value


def outcome_words(told: str) -> str:
    """``out of memory``."""
    return told.replace("-", " ")


def mark(notebook: NotebookResult) -> str:
    """A shape for who doesn't see the colour."""
    if not is_good(notebook):
        return "✗"
    return "✓" if notebook.verdict is Verdict.PASSED else "–"


def told_limits(limits: Limits) -> str:
    """A sentence such as ``Each notebook may take 10 min and hold 2.0 GiB of memory.``."""
    cell = f"{limit(limits.cell_time)} a cell" if limits.cell_time is not None else ""
    time = limit(limits.time) if limits.time is not None else cell
    if limits.time is not None and cell:
        time += f" ({cell})"
    may = [
        *([f"take {time}"] if time else []),
        *([f"hold {size(limits.memory)} of memory"] if limits.memory is not None else []),
        *([f"hold {size(limits.gpu_memory)} of GPU memory"] if limits.gpu_memory else []),
    ]
    told = " and ".join([", ".join(may[:-1]), may[-1]] if len(may) > 1 else may)
    return f"Each notebook may {told}." if may else "No limits were set."


def limit(seconds: float) -> str:
    """``10 min``, ``90 s``: as a person would say a limit."""
    whole = seconds >= 60 and seconds % 60 == 0
    return f"{seconds / 60:g} min" if whole else f"{seconds:g} s"


def provenance(validation: Validation) -> Iterator[str]:
    """What a reader has to know of how this came about, a sentence each."""
    tiers = {one.enforced_by.value: None for one in validation.notebooks if one.enforced_by}
    held = f" The limits were held by {' and '.join(tiers)}." if tiers else ""
    own = sum(one.limits not in (None, validation.limits) for one in validation.notebooks)
    others = f" {counted(own, 'notebook')} had other limits." if own else ""
    yield told_limits(validation.limits) + others + held
    if validation.image:
        name = one_line(validation.image, 80)
        yield f"Kernels ran in containers of {name} ({one_line(validation.image_id, 80)})."
    cached = sum(one.started is Started.CACHED for one in validation.notebooks)
    if cached:
        of = "1 result is" if cached == 1 else f"{cached} results are"
        yield f"{of} of an earlier run: nothing that they rest on has changed."
    if Tier.WATCHER.value in tiers:
        yield (
            "The watcher doesn't see files in /dev/shm that no process maps, nor what a child "
            "process held right before its end: peaks may be higher."
        )
    if gpus_were_not_limited(validation):
        yield "GPU memory was neither measured nor limited: no driver answered."
    if validation.since:
        yield (
            f"{counted(validation.left_out, 'notebook')} left out, not changed since "
            f"{one_line(validation.since, 80)}."
        )


def cell_words(status: CellStatus) -> str:
    """How it went with a cell, as people read it."""
    return _CELL_WORDS.get(status, status.value.replace("-", " "))


def worst_first(notebooks: Iterable[NotebookResult]) -> list[NotebookResult]:
    """Those that did not pass, then the others; each in the order of the course."""
    return sorted(notebooks, key=is_good)


def holders(notebook: NotebookResult) -> Iterator[str]:
    """Who held the memory: ``python3 (the kernel) 120 MiB``."""
    for process in notebook.processes:
        whose = " (the kernel)" if process.kernel else ""
        yield f"{one_line(process.name, 40)}{whose} {format_bytes(process.memory)}"


def common_folder(paths: Sequence[str]) -> str:
    """The folder that all lie in, as far as all are named alike; empty for none."""
    folders = [os.path.dirname(path) for path in paths]
    if len({os.path.isabs(folder) for folder in folders}) != 1:
        return ""
    return os.path.commonpath(folders)


def names(validation: Validation) -> dict[str, str]:
    """Path → the name that it is told by, in one line: what all have in common adds nothing."""
    common = common_folder([notebook.path for notebook in validation.notebooks])
    return {
        notebook.path: one_line(os.path.relpath(notebook.path, common) if common else notebook.path)
        for notebook in validation.notebooks
    }
