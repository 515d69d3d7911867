"""A guard on the fake driver and real processes, with a clock that is told to move."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from jupyter_gpuctl.core.clock import ManualClock
from jupyter_gpuctl.gpus.attribution import Attributor
from jupyter_gpuctl.gpus.kernels import KernelMeter
from jupyter_gpuctl.gpus.nvml import NvmlProbe
from jupyter_gpuctl.gpus.ports import Kernel
from jupyter_gpuctl.gpus.sampler import Sampler
from jupyter_gpuctl.host.cgroups import Cgroups
from jupyter_gpuctl.host.identity import ServerUser
from jupyter_gpuctl.host.machine import Machine, disk_use
from jupyter_gpuctl.host.procfs import ProcFs
from jupyter_gpuctl.kernels.guard.service import Guard
from jupyter_gpuctl.kernels.guard.signals import Signals
from jupyter_gpuctl.kernels.model import Enforcement, GuardMode
from jupyter_gpuctl.leases.bindings import Held
from jupyter_gpuctl.leases.model import Lease, LeaseStatus, Request
from jupyter_gpuctl.leases.policy import Policy
from tests.fake_driver.driver import FakeMachine
from tests.fake_driver.scenario import MIB, Process, Scenario, gpu_uuid, h200

NOW = 1_799_143_200.0
ROOT = ServerUser("root", False, 0)
NOBODY = ServerUser("nobody", False, 65534)
DRY_RUN, ENFORCE = GuardMode
STEPS = ["guard.warn", "guard.interrupt", "guard.terminate", "guard.kill"]
GUARDED = Policy(unleased_devices=False)
PATIENCE = 60
"""Seconds after which a test gives up on a process; nothing is measured."""
LOG = logging.getLogger("tests.guard")

# Tells which signals it gets, and goes on whatever they are. Of those that are pending at once a
# shell runs the traps by number: WINCH, by which it is asked, comes after the others.
WITNESS = """
for each in INT TERM WINCH; do trap "echo SIG$each" $each; done
echo ready
while :; do sleep 600 & wait $!; done
"""


class Program:
    """A real process, in a session of its own."""

    def __init__(
        self, command: Sequence[str] = ("sleep", "600"), *, user: str | int | None = None
    ) -> None:
        self.child = subprocess.Popen(
            command,
            user=user,
            group=None if user is None else "nogroup",
            extra_groups=None if user is None else [],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
        )

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def runs(self) -> bool:
        return self.child.poll() is None

    def ended_by(self) -> signal.Signals:
        """Waits for it."""
        return signal.Signals(-self.child.wait(PATIENCE))

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()
        if self.child.stdout is not None:
            self.child.stdout.close()


class Witness(Program):
    """One that no signal but SIGKILL ends, and that tells of those that it got."""

    def __init__(self, *, user: str | None = None) -> None:
        super().__init__(["sh", "-c", WITNESS], user=user)
        assert self.child.stdout.readline() == "ready\n"

    def signals(self) -> list[str]:
        """Those that it has got until now."""
        self.child.send_signal(signal.SIGWINCH)
        lines = iter(self.child.stdout.readline, "SIGWINCH\n")
        return [line.strip() for line in lines]


@contextmanager
def as_user(uid: int) -> Iterator[None]:
    """This process has the rights of ``uid`` for a while."""
    os.setresuid(uid, uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def lease(
    owner: str, number: int, *, ends: float = 36_000, share: int | None = None, name: str = ""
) -> Lease:
    """An active lease of one device until ``ends`` seconds; ``share``: MiB of it."""
    request = Request(1000, 3600) if share is None else Request(250, 3600, share * MIB)
    return Lease(
        name or f"{owner}-{number}",
        owner,
        request,
        LeaseStatus.ACTIVE,
        created_at=NOW,
        devices=(gpu_uuid(number),),
        started_at=NOW,
        expires_at=NOW + ends,
    )


class World:
    """What the guard looks at, and what it does. Implements its ports.

    ``server``: the pid that the guard takes for that of its Jupyter server.
    """

    def __init__(
        self,
        machine: FakeMachine,
        mode: GuardMode,
        *,
        server: int,
        user: ServerUser = ROOT,
        enforcement: Enforcement = Enforcement.GUARDED,
        containers: Mapping[int, str] | None = None,
        policy: Policy = GUARDED,
    ) -> None:
        self._machine = machine
        self._user = user
        self.clock = ManualClock()
        self.leases: tuple[Lease, ...] = ()
        self.kernels: tuple[Kernel, ...] = ()
        self.policy = policy
        self.rows: list[tuple[str, dict[str, Any]]] = []
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self.away: Mapping[int | None, Exception] = {}
        """What is raised instead of writing a row about this pid; ``None``: about any."""
        self.audit: Callable[..., None] | None = None
        """Where rows are written too."""
        containers = containers or {}
        table = ProcFs(containers.get)
        attributor = Attributor(table, user, server)
        self.sampler = Sampler(
            [NvmlProbe()],
            attributor=attributor,
            kernel_meter=KernelMeter(table, attributor),
            host=Machine(Cgroups().limits),
            home=lambda: disk_use("/"),
            clock=self.clock,
            deadline=PATIENCE,
        )
        own = ProcFs(containers.get)
        self.guard = Guard(
            own,
            Signals(own, server_pid=server),
            user=user,
            server_pid=server,
            enforcement=enforcement,
            mode=mode,
            announcer=self,
            record=self.record,
            clock=self.clock,
            log=LOG,
        )

    def record(self, action: str, detail: dict[str, Any], **more: Any) -> None:
        problem = self.away.get(detail["pid"]) or self.away.get(None)
        if problem is not None:
            raise problem
        self.rows.append((action, detail | more))
        if self.audit is not None:
            self.audit(action, detail, **more)

    def announce(self, kind: str, message: str, **more: Any) -> None:
        self.events.append((kind, message, more))

    def show(self, *on: Sequence[tuple[int, int]]) -> None:
        """On each device these processes: pid and MiB."""
        gpus = []
        for number, processes in enumerate(on):
            seen = tuple(Process(pid, memory * MIB) for pid, memory in processes)
            gpus.append(replace(h200(number), processes=seen))
        self._machine.show(Scenario(tuple(gpus)))

    @property
    def now(self) -> float:
        return NOW + self.clock.monotonic()

    def held(self) -> Held:
        live = tuple(each for each in self.leases if (each.expires_at or 0) > self.now)
        return Held(live, (), self.policy, self.now)

    def tick(self, seconds: float = 1.0) -> None:
        """Time passes; a sample is taken, and looked at."""
        self.clock.advance(seconds)
        found = self.sampler.sample(self.kernels)
        with as_user(self._user.uid):
            self.guard.look(found, self.held())

    def until(self, second: float) -> None:
        """A tick every second, until the clock says so."""
        while self.clock.monotonic() < second:
            self.tick()

    def done(self, pid: int) -> list[str]:
        """The rows of the audit about a process."""
        return [action for action, detail in self.rows if detail["pid"] == pid]

    def found(self, user: str | None = None) -> dict[int, Any]:
        """Findings by pid."""
        return {each.pid: each for each in self.guard.findings(user, self.now)}
