"""Signals reach the process that was looked at, or none."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jupyter_gpuctl.host.procfs import ProcFs
from jupyter_gpuctl.kernels.guard.signals import Reason, Signals
from tests.system.guarding import Program, Witness, as_user
from tests.system.test_attribution import foreign_process, process_with_pid

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def no_such_call(pid: int) -> int:
    raise OSError(errno.ENOSYS, "Function not implemented")


@pytest.fixture(params=["pidfd", "an old kernel", "a strict container"])
def signals(request) -> Signals:
    """Below this process, by each way to send a signal."""

    def refused(pid: int) -> int:
        raise OSError(errno.EPERM, "Operation not permitted")

    ways = {"an old kernel": no_such_call, "a strict container": refused}
    more = {"open_pidfd": ways[request.param]} if request.param in ways else {}
    return Signals(ProcFs(), server_pid=os.getpid(), **more)


@contextmanager
def running(kind=Program, **more) -> Iterator[Program]:
    program = kind(**more)
    try:
        yield program
    finally:
        program.stop()


def started(pid: int) -> int:
    return ProcFs().info(pid).started


def test_a_signal_reaches_the_process(signals):
    with running() as child:
        assert signals.send(child.pid, started(child.pid), signal.SIGTERM) is None
        assert child.ended_by() is signal.SIGTERM


def test_a_process_that_has_ended_is_told_so(signals):
    with running() as child:
        began = started(child.pid)
        child.stop()
        refusal = signals.send(child.pid, began, signal.SIGTERM)
    assert refusal.reason is Reason.GONE


def test_one_that_has_ended_and_was_not_waited_for_has_ended(signals):
    with running() as child:
        began = started(child.pid)
        os.kill(child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert signals.send(child.pid, began, signal.SIGTERM).reason is Reason.GONE


@as_root
def test_another_process_with_the_same_pid_is_not_signalled(signals):
    with running() as child:
        began = started(child.pid)
        assert signals.refusal(child.pid, began) is None
        child.stop()
        # Start times are hundredths of a second: no pid comes round within one of them.
        while time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK") < began + 2:
            pass
        with process_with_pid(child.pid) as pid:
            refusal = signals.send(pid, began, signal.SIGKILL)
            assert refusal.reason is Reason.GONE
            assert ProcFs().info(pid) is not None


def test_nothing_is_sent_when_what_comes_before_fails(signals):
    def fail() -> None:
        raise RuntimeError("it can't be written down")

    with running(Witness) as child:
        with pytest.raises(RuntimeError):
            signals.send(child.pid, started(child.pid), signal.SIGTERM, before=fail)
        assert child.signals() == []


def test_what_comes_before_doesnt_come_when_nothing_may_be_sent(signals):
    called: list[bool] = []
    refusal = signals.send(1, 0, signal.SIGTERM, before=lambda: called.append(True))
    assert (refusal.reason, called) == (Reason.FIRST, [])


def test_no_descriptor_is_left_open():
    signals = Signals(ProcFs(), server_pid=os.getpid())
    with running(Witness) as child:
        began = started(child.pid)
        signals.send(child.pid, began, signal.SIGINT)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(50):
            signals.send(child.pid, began, signal.SIGINT)
            signals.send(child.pid, began + 1, signal.SIGINT)
        assert len(os.listdir("/proc/self/fd")) == before


def test_the_server_and_what_has_started_it_are_never_stopped(signals):
    for pid in (os.getpid(), os.getppid()):
        if pid > 1:
            refusal = signals.refusal(pid, started(pid))
            assert refusal.reason is Reason.OURSELVES
    assert signals.refusal(1, started(1)).reason is Reason.FIRST
    assert signals.refusal(0, 0).reason is Reason.FIRST
    assert signals.refusal(-1, 0).reason is Reason.FIRST


@as_root
def test_roots_processes_are_stopped_by_root_only_below_its_server(signals):
    with foreign_process() as pid:
        refusal = signals.refusal(pid, started(pid))
        assert refusal.reason is Reason.ROOTS
        assert refusal.message.endswith(f"can: kill {pid}")
        assert signals.refusal(pid, started(pid), ours=True) is None
    with running() as child:
        assert signals.refusal(child.pid, started(child.pid)) is None


@as_root
def test_another_users_process_is_named_with_who_can_stop_it(signals):
    with running(user="games") as theirs, running(user="nobody") as own, running() as roots:
        whole = {each: started(each.pid) for each in (theirs, own, roots)}
        with as_user(65534):
            assert signals.send(own.pid, whole[own], signal.SIGTERM) is None
            refusal = signals.send(theirs.pid, whole[theirs], signal.SIGTERM)
            assert (refusal.reason, refusal.message) == (
                Reason.ANOTHER_USERS,
                "it is games's; an administrator of the machine can stop it with: "
                f"sudo kill {theirs.pid}",
            )
            assert signals.send(roots.pid, whole[roots], signal.SIGTERM).reason is Reason.ROOTS
        assert own.ended_by() is signal.SIGTERM
        assert theirs.runs
        assert roots.runs


@as_root
def test_a_process_of_a_user_without_a_name_is_told_by_number(signals):
    with running(user=54321) as nameless:
        began = started(nameless.pid)
        with as_user(65534):
            refusal = signals.refusal(nameless.pid, began)
    assert "it is user 54321's" in refusal.message


@as_root
def test_a_process_in_a_container_is_told_with_how_to_stop_it():
    elsewhere = "0123456789abcdef" * 4
    with running(user="games") as child:
        table = ProcFs(lambda asked: elsewhere if asked == child.pid else None)
        refusal = Signals(table, server_pid=os.getpid()).refusal(child.pid, started(child.pid))
    assert (refusal.reason, refusal.message) == (
        Reason.CONTAINER,
        "it runs in container 0123456789ab: docker stop 0123456789ab",
    )
