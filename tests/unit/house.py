"""A machine with GPUs, quotas, a clock that is told to move, and authorities on one database."""

from __future__ import annotations

import logging
from pathlib import Path

from jupyter_gpuctl.host.clocks import ManualClocks
from jupyter_gpuctl.leases.changes import Change
from jupyter_gpuctl.leases.model import LeasableDevice, Request
from jupyter_gpuctl.leases.policy import Policy
from jupyter_gpuctl.leases.ports import DeviceView
from jupyter_gpuctl.leases.service import Actor, Authority
from jupyter_gpuctl.store.location import DatabaseFile

GIB = 1024**3
HOUR = 3600
A, B, C = Actor("user-a"), Actor("user-b"), Actor("user-c")
ADMIN = Actor("root", admin=True)
GUEST = Actor("user-g", guest=True)


def gpus(count: int) -> DeviceView:
    return DeviceView(
        tuple(LeasableDevice(f"GPU-{n}", "here", "Fake 80GB", 80 * GIB, n) for n in range(count)),
        {},
    )


def ask(gpus: float = 1, hours: float = 1, *, interactive: bool = False, **more) -> Request:
    return Request(round(gpus * 1000), round(hours * HOUR), interactive=interactive, **more)


def actions(authority: Authority, actor: Actor = ADMIN) -> list[tuple[str, str]]:
    """Who did what, by the audit, in the order in which it was done."""
    return [(row.actor, row.action) for row in authority.audit(actor).items][::-1]


class House:
    """The outside of the authority, for tests to change. Implements its ports."""

    def __init__(self, path: Path, count: int = 2, policy: Policy | None = None) -> None:
        self.file = DatabaseFile(path)
        self.clocks = ManualClocks()
        self.devices = gpus(count)
        self.quotas = policy or Policy()
        self.problem: str | None = None
        self.changes: list[Change] = []
        self._open: list[Authority] = []

    def view(self) -> DeviceView:
        return self.devices

    def policy(self) -> Policy:
        return self.quotas

    def authority(
        self, announced: list[Change] | None = None, *, retention_days: int = 0
    ) -> Authority:
        """One more server on the same database."""
        announced = self.changes if announced is None else announced
        log = logging.getLogger("tests")
        made = Authority(
            self.file,
            self,
            self,
            clock=self.clocks,
            log=log,
            announce=announced.append,
            retention_days=retention_days,
        )
        self._open.append(made)
        return made

    def close(self) -> None:
        for authority in self._open:
            authority.close()

    def kinds(self) -> list[str]:
        """What was announced since the last call."""
        kinds = [change.kind for change in self.changes]
        self.changes.clear()
        return kinds
