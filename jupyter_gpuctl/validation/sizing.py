"""What to configure for learners: from measured peaks to the limits of a single-user server.

Pure. The rule, with ``MiB`` as 1024² bytes:

- **memory limit**: the single-user server's own share, and the largest peaks of as many notebooks
  as a learner has open at once, times a headroom; rounded up to 128 MiB, above 2 GiB to 256 MiB;
- **memory guarantee**: the server's share and the middle one of the peaks (of two the larger),
  rounded alike;
- **shared memory**: a container has 64 MiB in ``/dev/shm`` by default (Docker's ``--shm-size``,
  containerd for Kubernetes): more is recommended where the same notebooks with headroom want more.
  It counts as memory too, and is in the peaks already;
- **GPU memory**: where any was used, the largest peaks of as many notebooks as are open at once,
  times the headroom, rounded as memory; neither Kubernetes nor Docker can limit it;
- **CPU limit**: the most cores that a notebook kept busy, or a cell, of a second or more; with
  headroom, rounded up to halves, at least 1. There is no CPU guarantee: it depends on how much
  of their time learners run something, which a validation can't know.

Only notebooks that passed have a peak to go by. If there are others, the figures are lower bounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .model import NotebookResult, Verdict, ran_out_of_gpu_memory
from .needs import Peak, Recommendation, Rule, Unmeasured

_MIB = 1024**2
_GIB = 1024**3
SHM_DEFAULT = 64 * _MIB
"""Bytes of ``/dev/shm`` in a container that asks for no more."""
_RULE = Rule()
_LEAST_SECONDS = 1.0
"""Shorter ones say too little: CPU time comes in hundredths."""


def recommend(
    notebooks: Iterable[NotebookResult], rule: Rule = _RULE, *, interrupted: bool = False
) -> Recommendation | None:
    """By the rule above; ``None``: nothing was run that it could go by, or that is left out."""
    notebooks = tuple(notebooks)
    passed = [one for one in notebooks if one.verdict is Verdict.PASSED]
    peaks = sorted(
        (Peak(one.path, one.peak_memory) for one in passed if one.peak_memory is not None),
        key=lambda peak: (-peak.memory, peak.path),
    )
    left_out = tuple(_unmeasured(one) for one in notebooks if _is_unmeasured(one, interrupted))
    if not peaks and not left_out:
        return None
    largest = tuple(peaks[: rule.open_notebooks])
    limit = guarantee = None
    if peaks:
        limit = memory_limit([peak.memory for peak in peaks], rule)
        middle = peaks[(len(peaks) - 1) // 2].memory
        guarantee = min(limit, rounded(rule.server_memory + middle))
    return Recommendation(
        memory_limit=limit,
        memory_guarantee=guarantee,
        cpu_limit=cpu_limit(passed, rule),
        shm_size=shm_size([one.peak_shared for one in passed if one.peak_shared is not None], rule),
        lower_bound=bool(left_out),
        rule=rule,
        largest=largest,
        left_out=left_out,
        gpu_memory=gpu_memory([one.peak_gpu_memory or 0 for one in passed], rule),
    )


def memory_limit(peaks: Sequence[int], rule: Rule) -> int:
    """Bytes, for notebooks with these peaks."""
    together = sum(sorted(peaks, reverse=True)[: rule.open_notebooks])
    return rounded(rule.server_memory + math.ceil(together * rule.headroom))


def shm_size(peaks: Sequence[int], rule: Rule) -> int | None:
    """Bytes of ``/dev/shm``, for notebooks with these peaks of shared memory, each in bytes."""
    together = sum(sorted(peaks, reverse=True)[: rule.open_notebooks])
    wanted = math.ceil(together * rule.headroom)
    return rounded(wanted) if wanted > SHM_DEFAULT else None


def gpu_memory(peaks: Sequence[int], rule: Rule) -> int | None:
    """Bytes on GPUs, for notebooks with these peaks of them."""
    together = sum(sorted(peaks, reverse=True)[: rule.open_notebooks])
    return rounded(math.ceil(together * rule.headroom)) if together else None


def cpu_limit(notebooks: Iterable[NotebookResult], rule: Rule) -> float | None:
    """Cores, at least 1, in halves; ``None``: nothing ran long enough to tell."""
    busy = [
        seconds / duration
        for notebook in notebooks
        for seconds, duration in (
            (notebook.cpu_seconds, notebook.duration),
            *((cell.cpu_seconds, cell.duration) for cell in notebook.cells),
        )
        if seconds is not None and duration is not None and duration >= _LEAST_SECONDS
    ]
    return max(1.0, math.ceil(max(busy) * rule.headroom * 2) / 2) if busy else None


def rounded(size: int) -> int:
    """Up to a multiple of 128 MiB; above 2 GiB of 256 MiB."""
    step = 128 * _MIB if size <= 2 * _GIB else 256 * _MIB
    return -(-size // step) * step


def _is_unmeasured(notebook: NotebookResult, interrupted: bool) -> bool:
    if notebook.verdict is Verdict.SKIPPED:
        return interrupted
    return notebook.verdict is not Verdict.PASSED or notebook.peak_memory is None


def _unmeasured(notebook: NotebookResult) -> Unmeasured:
    more_than = None
    if notebook.verdict is Verdict.OUT_OF_MEMORY and not ran_out_of_gpu_memory(notebook):
        limit = notebook.limits.memory if notebook.limits is not None else None
        known = [size for size in (limit, notebook.peak_memory) if size is not None]
        # The machine may have run out before the limit was reached.
        more_than = min(known) if known else None
    return Unmeasured(notebook.path, notebook.verdict, more_than)
