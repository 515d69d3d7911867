"""Why a kernel has ended, in words."""

from __future__ import annotations

import pytest

from jupyter_gpuctl.kernels.limits.check import limits_check
from jupyter_gpuctl.kernels.limits.deaths import KILLED, Cell, Over, death, refused
from jupyter_gpuctl.kernels.model import DeathReason, KernelLimits

GIB = 1024**3
MEMORY = Over(DeathReason.OUT_OF_MEMORY, 4 * GIB, 4 * GIB)


def said(exit_code=KILLED, **about) -> str:
    return death(0.0, exit_code, **{"notebook": "lessons/train.ipynb"} | about).message


def test_limit_peak_and_cell_are_named():
    found = death(1.0, KILLED, notebook="lessons/train.ipynb", over=MEMORY, cell=Cell(7, True))
    assert found.message == "train.ipynb ran out of memory: limit 4.0 GiB, peak 4.0 GiB, cell [7]."
    assert (found.limit, found.peak, found.execution_count) == (4 * GIB, 4 * GIB, 7)
    assert (found.time, found.exit_code, found.reason) == (1.0, KILLED, DeathReason.OUT_OF_MEMORY)


def test_a_cell_that_has_ended_is_not_blamed():
    found = death(1.0, KILLED, notebook=None, over=MEMORY, cell=Cell(7, False))
    assert found.message.startswith("A kernel ran out of memory")
    assert found.message.endswith(", after cell [7].")
    assert found.execution_count is None


def test_too_many_processes_are_told_by_their_limit():
    over = Over(DeathReason.TOO_MANY_PROCESSES, 500, 500)
    assert said(over=over) == "train.ipynb reached its limit of 500 processes and threads."


def test_the_guards_reason_is_given():
    found = said(stopped="The guard stopped it because it used GPU 0.", cell=Cell(2, True))
    assert found == "train.ipynb was stopped, cell [2]. The guard stopped it because it used GPU 0."


def test_a_limit_goes_before_the_guard():
    assert "ran out of memory" in said(over=MEMORY, stopped="The guard stopped it.")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (3, "exit code 3"),
        (-11, "signal SIGSEGV"),
        (-250, "signal 250"),
        (None, "how is not known"),
    ],
)
def test_what_has_no_other_reason_says_how_it_ended(code, words):
    assert said(code) == f"train.ipynb ended by itself: {words}."


def test_a_machine_without_memory_is_said_to_be_likely_only():
    found = said(over=Over(DeathReason.MACHINE_OUT_OF_MEMORY))
    assert "most likely because the machine" in found


def test_a_refused_process_is_no_death():
    found = refused(500, notebook="train.ipynb", cell=Cell(7, True))
    assert found.startswith("train.ipynb reached its limit of 500 processes and threads, cell [7]:")


def test_health_says_what_holds_the_limits():
    limits = KernelLimits(4 * GIB, 500, 2.0)
    assert limits_check(KernelLimits(), None, "", done=True).status == "off"
    assert limits_check(limits, None, "", done=False).status == "ok"
    assert limits_check(limits, None, "", done=True).status == "warning"
    watched = limits_check(limits, "watcher", "no controller", done=True)
    assert watched.status == "warning"
    assert "no controller" in watched.hint
    held = limits_check(limits, "cgroup v2", "", done=True)
    assert (held.status, held.detail["enforced_by"]) == ("ok", "cgroup v2")
    assert "4.0 GiB of memory, 500 processes and threads, 2 cores" in held.message
