"""A guard, and what it meets: real processes, which are stopped at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.system.guarding import ENFORCE, NOBODY, Program, Witness, World, lease


@pytest.fixture
def started() -> Iterator[list[Program]]:
    """What is started here is stopped at the end."""
    programs: list[Program] = []
    yield programs
    for each in programs:
        each.stop()


@pytest.fixture
def start(started):
    def add(kind=Program, *arguments, **more):
        started.append(kind(*arguments, **more))
        return started[-1]

    return add


@pytest.fixture
def server(start) -> int:
    """The pid of a process that stands for the Jupyter server."""
    return start().pid


@pytest.fixture
def own(start) -> Witness:
    """A process of the user whose server guards, unless a test says otherwise."""
    return start(Witness, user="nobody")


@pytest.fixture
def world_of(machine, server) -> Callable[..., World]:
    """A world in which these programs use GPU 0, which ``holder`` holds; ``None``: nobody."""

    def make(
        *programs: Program, mode=ENFORCE, user=NOBODY, holder: str | None = "mail", **more: Any
    ) -> World:
        world = World(machine, mode, server=server, user=user, **more)
        world.show([(each.pid, 500) for each in programs])
        world.leases = () if holder is None else (lease(holder, 0),)
        return world

    return make
