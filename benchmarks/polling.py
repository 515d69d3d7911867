"""What panels cost the server: driver calls, latency, and processor time beside nvdashboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from . import nvdashboard, stage
from .clients import at_work
from .report import Figure
from .servers import Server, jupyter_server, start_kernels

MANY = 200


@contextmanager
def server_at_work() -> Iterator[tuple[Server, stage.FakeMachine]]:
    """Our server on 8 devices and 64 processes, half of them of its own kernels."""
    with ExitStack() as stack:
        machine = stack.enter_context(stage.fake_machine())
        server = stack.enter_context(jupyter_server(["jupyter_gpuctl"], env=machine.environment()))
        kernels = start_kernels(server, stage.KERNELS, stage.CHILDREN)
        own = [pid for kernel in kernels for pid in (kernel.pid, *kernel.children)]
        foreign = stack.enter_context(stage.sleepers(stage.PROCESSES - len(own)))
        machine.show(stage.occupied([*own, *foreign]))
        yield server, machine


def figures(beside: Callable[[], nvdashboard.Costs], seconds: float) -> Iterator[Figure]:
    """Driver calls, latency and cost with 1, 10 and 200 panels; nvdashboard with 10 clients."""
    # Devices are listed anew every 30 s: a window holds as many of those in each run.
    long = max(seconds, 30.0)
    with server_at_work() as (server, machine):
        one = at_work("poll", server, machine, long, "--count", 1)
        many = at_work("poll", server, machine, long, "--count", MANY)
        ten = at_work("poll", server, machine, seconds, "--count", nvdashboard.CLIENTS)
        poll_kernels = ("--count", MANY, "--path", "api/kernels")
        jupyters_own = at_work("poll", server, machine, seconds, *poll_kernels)
    yield Figure(
        f"driver calls a second, {MANY} panels",
        *("calls/s", many.driver_calls, "1 panel", one.driver_calls, "the same"),
        abs(many.driver_calls - one.driver_calls) <= 0.05 * one.driver_calls,
    )
    kernels = "Jupyter's own `GET api/kernels`, as many clients"
    for what, ours, theirs in (
        ("median", many.p50, jupyters_own.p50),
        ("p99", many.p99, jupyters_own.p99),
        ("longest", many.longest, jupyters_own.longest),
    ):
        target = ("< 25 ms", ours < 0.025) if what == "p99" else ()
        name = f"`GET gpus`, {MANY} panels, {what}"
        yield Figure(name, "ms", ours * 1e3, kernels, theirs * 1e3, *target)
    yield Figure(
        "longest pause of a process that only sleeps, in the same 30 s",
        *("ms", many.pause * 1e3, kernels, jupyters_own.pause * 1e3),
    )
    yield Figure(
        f"CPU of the server, {MANY} panels each second",
        *("ms/s", many.cpu * 1e3, kernels, jupyters_own.cpu * 1e3),
    )
    yield Figure("CPU of the server, 1 panel each second", "ms/s", one.cpu * 1e3)
    theirs_too = beside()
    for peer, cost, times in (
        ("its six charts, each second", theirs_too.every, 5),
        ("its six charts, at its default of 100 ms", theirs_too.every_at_default, 5),
        ("three charts of what we show, each second", theirs_too.same, 1),
        ("those three, at its default of 100 ms", theirs_too.same_at_default, 1),
    ):
        yield Figure(
            f"CPU of the server, {nvdashboard.CLIENTS} panels each second",
            *("ms/s", ten.cpu * 1e3, f"nvdashboard, as many clients, {peer}", cost * 1e3),
            *("ahead" if times == 1 else f"{times} times less", cost >= times * ten.cpu),
        )
