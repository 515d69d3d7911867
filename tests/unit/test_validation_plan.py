"""Which notebook runs next."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_gpuctl.validation.plan import Task, choose, order, reserve


def tasks_of(most: int, memory: int = 10) -> st.SearchStrategy[list[Task]]:
    pairs = st.tuples(st.integers(1, 20), st.integers(0, memory))
    return st.lists(pairs, min_size=1, max_size=most).map(
        lambda pairs: [Task(i, float(s), 1, m) for i, (s, m) in enumerate(pairs)]
    )


class History:
    """Runs tasks by the rules, with a clock of its own."""

    def __init__(self, tasks: Sequence[Task], jobs: int, budget: int | None) -> None:
        self.starts: list[tuple[float, Task]] = []
        self.end = 0.0
        waiting, running = order(tasks), dict[int, Task]()
        ends: list[tuple[float, int]] = []
        while waiting or running:
            while task := choose(waiting, running.values(), jobs, budget):
                waiting.remove(task)
                running[task.number] = task
                self.starts.append((self.end, task))
                heapq.heappush(ends, (self.end + (task.seconds or 0), task.number))
                self.check(running, jobs, budget)
            # Nothing that waits would find room.
            used = sum(task.memory for task in running.values())
            if len(running) < jobs:
                assert budget is not None or not waiting
                assert all(used + task.memory > (budget or 0) for task in waiting)
            assert running, "nothing runs, and something waits"
            self.end, number = heapq.heappop(ends)
            del running[number]

    @staticmethod
    def check(running: dict[int, Task], jobs: int, budget: int | None) -> None:
        assert len(running) <= jobs
        used = sum(task.memory for task in running.values())
        assert budget is None or used <= budget or len(running) == 1


@given(tasks_of(30), st.integers(1, 6), st.none() | st.integers(0, 20))
def test_it_never_overcommits_wastes_no_room_and_starts_every_notebook_once(
    tasks: list[Task], jobs: int, budget: int | None
) -> None:
    history = History(tasks, jobs, budget)
    assert sorted(task.number for _, task in history.starts) == [task.number for task in tasks]


def best(tasks: Sequence[Task], jobs: int, budget: int) -> float:
    """The shortest possible: every order, each task at the earliest time where it fits."""
    shortest = float("inf")
    for some in permutations(tasks):
        placed: list[tuple[float, float, int]] = []
        for task in some:
            length = task.seconds or 0.0
            for start in sorted({0.0, *(end for _, end, _ in placed)}):
                moments = {start, *(s for s, _, _ in placed if start < s < start + length)}
                fits = all(
                    (busy := [m for s, e, m in placed if s <= at < e]) is not None
                    and len(busy) < jobs
                    and sum(busy) + task.memory <= budget
                    for at in moments
                )
                if fits:
                    placed.append((start, start + length, task.memory))
                    break
        shortest = min(shortest, max(end for _, end, _ in placed))
    return shortest


@settings(max_examples=60, deadline=None)
@given(tasks_of(6, memory=0), st.integers(1, 3))
def test_without_want_of_memory_it_is_within_four_thirds_of_the_best(
    tasks: list[Task], jobs: int
) -> None:
    # Graham 1969, of longest-first.
    bound = 4 / 3 - 1 / (3 * jobs)
    assert History(tasks, jobs, None).end <= bound * best(tasks, jobs, 0) + 1e-9


@settings(max_examples=60, deadline=None)
@given(tasks_of(5, memory=10), st.integers(2, 3))
def test_with_memory_it_is_within_the_bound_of_list_scheduling(
    tasks: list[Task], jobs: int
) -> None:
    # Garey and Graham 1975, with one resource.
    bound = 3 - 3 / jobs
    assert History(tasks, jobs, 10).end <= bound * best(tasks, jobs, 10) + 1e-9


def test_the_longest_starts_first() -> None:
    tasks = [Task(0, 1.0, 9, 0), Task(1, 5.0, 1, 0), Task(2, 3.0, 5, 0)]
    assert [task.number for task in order(tasks)] == [1, 2, 0]


def test_what_never_ran_starts_before_all_others_the_largest_first() -> None:
    tasks = [Task(0, 99.0, 1, 0), Task(1, None, 3, 0), Task(2, None, 7, 0)]
    assert [task.number for task in order(tasks)] == [2, 1, 0]


def test_equals_start_in_the_order_named() -> None:
    tasks = [Task(number, 1.0, 1, 0) for number in range(5)]
    assert order(list(reversed(tasks))) == tasks


def test_what_is_larger_than_all_there_is_runs_alone() -> None:
    large, small = Task(0, 5.0, 1, 100), Task(1, 1.0, 1, 1)
    assert choose([large, small], [], 2, 10) is large
    assert choose([large], [small], 2, 10) is None


GIB = 1024**3


def test_memory_is_set_aside_by_what_is_known() -> None:
    assert reserve(GIB, None, 2, None) > GIB
    assert reserve(GIB, 2 * GIB, 2, None) < 2 * GIB
    assert reserve(None, 2 * GIB, 2, None) > 2 * GIB
    assert reserve(3 * GIB, 2 * GIB, 2, None) == reserve(None, 2 * GIB, 2, None)
    assert reserve(None, None, 4, 8 * GIB) == 2 * GIB
    assert reserve(None, None, 4, None) == 0


@given(st.integers(1, 64), st.integers(0, 2**40))
def test_where_nothing_is_known_as_many_run_as_are_wanted(jobs: int, budget: int) -> None:
    tasks = [Task(i, None, 1, reserve(None, None, jobs, budget)) for i in range(jobs)]
    assert len([start for start, _ in History(tasks, jobs, budget).starts if start == 0]) == jobs
