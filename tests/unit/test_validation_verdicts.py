"""From what was seen of a run to its verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.validation.events import (
    Broken,
    CellEnded,
    CellStarted,
    Chosen,
    Ended,
    Event,
    Finished,
    Job,
    KernelDied,
    KernelReady,
    KernelStarting,
    Planned,
    PlannedCell,
    Refused,
    from_line,
    to_line,
)
from jupyter_gpuctl.validation.limits import TASKS
from jupyter_gpuctl.validation.model import (
    CellError,
    CellStatus,
    Limits,
    NotebookResult,
    ProcessMemory,
    Started,
    Tier,
    Verdict,
)
from jupyter_gpuctl.validation.verdicts import judge

GIB = 1024**3
LIMITS = Limits(time=600, cell_time=60, memory=2 * GIB)
CELLS = (
    PlannedCell(0, "a", True, "import x"),
    PlannedCell(2, "b", True, "model.fit()"),
    PlannedCell(3, "c", False, None),
    PlannedCell(5, "d", True, "last()"),
)
BEGUN: list[Event] = [
    Planned(CELLS),
    KernelStarting(10.0),
    KernelReady(11.0, 77),
    CellStarted(0, 11.0, None, None),
    CellEnded(0, 12.0, CellStatus.OK, None, 0.5, 1000),
    CellStarted(2, 12.0, 73.0, 60.0),
]
ENDED = Ended(
    at=53.0,
    cause=None,
    engine_status=0,
    cpu_seconds=4.5,
    peak_memory=GIB,
    cell_cpu_seconds=3.0,
    cell_peak_memory=GIB,
    enforced_by=Tier.CGROUP_V2,
    processes=(ProcessMemory(78, "python", GIB, False),),
    output="",
)


def verdict(events: list[Event], **ended: Any) -> NotebookResult:
    return judge("n.ipynb", LIMITS, [*events, replace(ENDED, **ended)])


def statuses(result: NotebookResult) -> list[CellStatus]:
    return [cell.status for cell in result.cells]


def test_a_notebook_whose_cells_all_ran_has_passed() -> None:
    rest = [
        CellEnded(2, 13.0, CellStatus.EXPECTED_ERROR, CellError("E", "", 1, "x"), 0.1, 5),
        CellStarted(5, 13.0, None, None),
        CellEnded(5, 14.0, CellStatus.OK, None, 0.2, 6),
        Finished(14.0),
    ]
    result = verdict([*BEGUN, *rest])
    assert result.verdict is Verdict.PASSED
    assert (result.reason, result.error, result.processes) == ("", None, ())
    assert (result.duration, result.cpu_seconds, result.peak_memory) == (4.0, 4.5, GIB)
    assert (result.started, result.enforced_by) == ("cold", Tier.CGROUP_V2)
    assert statuses(result) == ["ok", "expected-error", "skipped", "ok"]


def test_an_error_names_the_cell_as_people_count_and_the_line() -> None:
    error = CellError("NameError", "name 'df' is not defined\nmore", 4, "df.head()")
    result = verdict([*BEGUN, CellEnded(2, 13.0, CellStatus.ERROR, error)])
    assert result.verdict is Verdict.FAILED
    assert result.reason == "cell 3: NameError: name 'df' is not defined"
    assert (result.cell, result.error) == (2, error)
    assert statuses(result) == ["ok", "error", "skipped", "not-run"]
    assert result.duration == 3.0


def test_memory_goes_before_the_error_that_its_killing_brings() -> None:
    error = CellError("BrokenProcessPool", "a process was terminated abruptly", 1, "pool.map()")
    result = verdict([*BEGUN, CellEnded(2, 13.0, CellStatus.ERROR, error)], cause="memory")
    assert result.verdict is Verdict.OUT_OF_MEMORY


def test_out_of_memory_tells_cell_limit_time_and_holders() -> None:
    result = verdict(BEGUN, cause="memory")
    assert result.verdict is Verdict.OUT_OF_MEMORY
    assert result.reason == "cell 3 reached 2.0 GiB after 41.0 s"
    assert result.error == CellError("out-of-memory", result.reason, None, "model.fit()")
    assert result.processes == ENDED.processes
    cell = result.cells[1]
    assert (cell.status, cell.cpu_seconds, cell.peak_memory) == ("out-of-memory", 3.0, GIB)


def test_the_machine_s_own_lack_of_memory_is_told_apart() -> None:
    result = verdict(BEGUN, cause="machine")
    assert result.verdict is Verdict.OUT_OF_MEMORY
    assert result.reason == "the machine, or our container, ran out of memory in cell 3"


def test_a_cell_killed_at_its_limit_has_timed_out() -> None:
    result = verdict(BEGUN, cause="time")
    assert (result.verdict, result.cell) == (Verdict.TIMED_OUT, 2)
    assert result.reason == "cell 3 ran longer than 1:00"
    assert statuses(result) == ["ok", "timed-out", "skipped", "not-run"]


def test_an_interrupted_cell_tells_the_line_where_it_stood() -> None:
    error = CellError("KeyboardInterrupt", "", 2, "time.sleep(99)")
    result = verdict([*BEGUN, CellEnded(2, 72.0, CellStatus.TIMED_OUT, error)])
    assert (result.verdict, result.error) == (Verdict.TIMED_OUT, error)


def test_the_notebook_s_limit_is_told_apart_from_the_cell_s() -> None:
    whole = CellStarted(2, 12.0, 611.0, 600.0, whole=True)
    result = verdict([*BEGUN[:-1], whole], cause="time")
    assert result.reason == "the notebook reached 10:00 in cell 3"


def test_a_kernel_that_hangs_while_it_starts_has_timed_out() -> None:
    result = verdict(BEGUN[:2], cause="time")
    assert result.reason == "the notebook reached 10:00 while the kernel started"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (3, "the kernel ended with exit status 3 in cell 3"),
        (-11, "the kernel was killed by SIGSEGV in cell 3"),
        (-250, "the kernel was killed by signal 250 in cell 3"),
        (None, "the kernel died in cell 3"),
    ],
)
def test_a_dead_kernel_tells_how_it_died(code: int | None, told: str) -> None:
    result = verdict([*BEGUN, KernelDied(13.0, code, "it died")])
    assert (result.verdict, result.reason) == (Verdict.KERNEL_DIED, told)
    assert statuses(result) == ["ok", "kernel-died", "skipped", "not-run"]


def test_a_kernel_that_does_not_start_tells_its_last_words() -> None:
    result = verdict([*BEGUN[:2], KernelDied(13.0, 1, "x")], output="a\nNo module named z\n\n")
    assert result.reason == "the kernel did not start: No module named z"
    assert statuses(result) == ["not-run", "not-run", "skipped", "not-run"]


def test_an_engine_that_was_killed_counts_as_a_death() -> None:
    result = verdict(BEGUN, engine_status=-9)
    assert result.verdict is Verdict.KERNEL_DIED
    assert "SIGKILL" in result.reason


def test_a_cell_that_asks_for_input_is_told_so() -> None:
    error = CellError("StdinNotImplementedError", "raw_input was called", 1, "input()")
    result = verdict([*BEGUN, CellEnded(2, 13.0, CellStatus.ERROR, error)])
    assert (result.verdict, result.reason) == (Verdict.FAILED, "cell 3 asks for input")


def test_a_notebook_that_can_t_be_run_is_invalid_with_the_mend() -> None:
    result = verdict([Refused("it is empty (0 bytes)", "Restore it.")], cpu_seconds=0.0)
    assert (result.verdict, result.hint) == (Verdict.INVALID, "Restore it.")
    assert (result.duration, result.cpu_seconds, result.enforced_by) == (None, None, None)


def test_a_notebook_with_nothing_to_run_is_skipped() -> None:
    nothing = tuple(replace(cell, runs=False) for cell in CELLS)
    result = verdict([Planned(nothing), Finished(10.0)])
    assert result.verdict is Verdict.SKIPPED
    assert set(statuses(result)) == {CellStatus.SKIPPED}


def test_a_crowd_of_processes_is_named_as_what_ended_it() -> None:
    result = verdict(BEGUN, cause="tasks")
    assert result.verdict is Verdict.KERNEL_DIED
    assert result.reason == f"cell 3 had more than {TASKS} processes and threads at once"
    assert statuses(result) == ["ok", "kernel-died", "skipped", "not-run"]


def test_a_stopped_notebook_is_skipped_and_says_where() -> None:
    result = verdict(BEGUN, cause="stopped")
    assert (result.verdict, result.reason) == (Verdict.SKIPPED, "interrupted in cell 3")
    assert statuses(result) == ["ok", "interrupted", "skipped", "not-run"]


def test_a_notebook_that_failed_before_it_was_stopped_has_failed() -> None:
    error = CellError("E", "x", 1, "x")
    result = verdict([*BEGUN, CellEnded(2, 13.0, CellStatus.ERROR, error)], cause="stopped")
    assert result.verdict is Verdict.FAILED


def test_a_defect_of_the_validator_is_no_pass() -> None:
    result = verdict([*BEGUN, Broken("KeyError: 'x'")], engine_status=1)
    assert (result.verdict, result.reason) == (
        Verdict.FAILED,
        "the validator could not run it: KeyError: 'x'",
    )


def test_a_run_without_an_end_has_no_verdict() -> None:
    with pytest.raises(ValueError, match="has not ended"):
        judge("n.ipynb", LIMITS, BEGUN)


CAUSES = st.sampled_from(
    [None, "memory", "machine", "tasks", "time", "outputs", "stopped", "start"]
)
EVENTS = st.sampled_from(
    [
        *BEGUN,
        CellEnded(2, 13.0, CellStatus.ERROR, None),
        CellEnded(2, 13.0, CellStatus.TIMED_OUT, None),
        KernelDied(13.0, -9, "x"),
        Finished(14.0),
        Broken("x"),
        Refused("x", "y"),
    ]
)


@given(st.lists(EVENTS), CAUSES, st.sampled_from([0, 1, -9, None]))
def test_every_sequence_of_events_has_a_verdict_and_only_a_pass_has_no_reason(
    events: list[Event], cause: str | None, status: int | None
) -> None:
    result = verdict(events, cause=cause, engine_status=status)
    assert bool(result.reason) == (result.verdict is not Verdict.PASSED)
    assert result.verdict is not Verdict.PASSED or any(isinstance(e, Finished) for e in events)


@given(st.lists(EVENTS, min_size=1))
def test_events_survive_the_way_between_processes(events: list[Event]) -> None:
    for event in [*events, ENDED]:
        line = to_line(event)
        assert line.count(b"\n") == 1
        assert from_line(line) == event


@given(st.text(st.characters()))
def test_jobs_survive_with_any_name(name: str) -> None:
    job = Job(name, LIMITS, None, Tier.WATCHER, "g", "/s", ("/a", "/b"))
    assert from_line(to_line(job)) == job


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'{"kind": "Ended"}', b"\xff", b'{"kind":1}'])
def test_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="not an event"):
        from_line(line)


def test_how_its_kernel_was_started_is_told() -> None:
    chosen = Chosen(Started.FORKED, left_out=("tqdm: it starts threads",))
    result = verdict([chosen, *BEGUN])
    assert (result.started, result.cold_because) == (Started.FORKED, "")
    assert result.not_preloaded == ("tqdm: it starts threads",)
    result = verdict([Chosen(Started.COLD, "its kernel runs another Python"), *BEGUN])
    assert (result.started, result.cold_because) == (Started.COLD, "its kernel runs another Python")


def test_times_of_cells_and_memory_count_from_the_kernel_s_start() -> None:
    result = verdict(BEGUN, memory=((9.0, 1), (10.5, 500), (12.0, 1000)))
    assert [cell.started_at for cell in result.cells] == [1.0, 2.0, None, None]
    assert result.memory == ((0.5, 500), (2.0, 1000))
    assert verdict([Planned(CELLS)], memory=((9.0, 1),)).memory == ()


@pytest.mark.parametrize(
    "event",
    [
        Chosen(Started.COLD, "why", ("a: b",)),
        Job("n", LIMITS, None, Tier.WATCHER, "g", "s", ("e",), (12, 4)),
        replace(ENDED, memory=((1.5, 2), (3.0, 4))),
    ],
)
def test_what_is_told_of_starts_and_memory_arrives_as_it_was_sent(event: Any) -> None:
    assert from_line(to_line(event)) == event
