"""Limits by the user's own systemd: a transient scope a kernel (``systemd-run(1)``).

For machines on which root's systemd delegates the memory controller to users' sessions, and we may
write no control group ourselves. The process stays the one that was started: ``--scope`` only
moves it, then becomes the command.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...host.cgroups import parse_groups, read_text
from ...host.limited_groups import LimitedGroup
from ...host.procfs import read_process
from ..model import DeathReason, KernelLimits
from .confinement import GROUP_LOOK, GroupConfinement
from .deaths import Over

PREFIX = "gpuctl-kernel-"
_PATIENCE = 5.0
"""Seconds for one command of systemd's."""
_TRIED = 1 << 30
_READ_BACK = "cat /sys/fs/cgroup\"$(sed -n 's/^0:://p' /proc/self/cgroup)\"/memory.max"


def scopes_work() -> bool:
    """Find out by doing: whether a scope of the user's is limited in its memory."""
    if shutil.which("systemd-run") is None or shutil.which("systemctl") is None:
        return False
    said = _run([*_command(f"{_own_prefix()}try", KernelLimits(_TRIED)), "sh", "-c", _READ_BACK])
    return said is not None and said.strip() == str(_TRIED)


def stop_stale() -> None:
    """Stop the scopes of servers that died without doing it."""
    listed = _run(["systemctl", "--user", "list-units", "--plain", "--no-legend", f"{PREFIX}*"])
    for line in (listed or "").splitlines():
        unit = line.split()[0] if line.split() else ""
        maker, _, rest = unit.removeprefix(PREFIX).partition("-")
        if not maker.isdecimal():
            continue
        process = read_process(int(maker))
        if process is None or str(process.started) != rest.partition("-")[0]:
            _run(["systemctl", "--user", "kill", "--signal=SIGKILL", unit])
            _run(["systemctl", "--user", "stop", unit])


class ScopeConfinement:
    """One scope; once the kernel is in it, it is read as the control group that it is."""

    tier = "systemd"
    entrances: tuple[str, ...] = ()
    wait = GROUP_LOOK
    missed = False
    """What systemd can't put into a scope, it doesn't start."""

    def __init__(self, number: int, wanted: KernelLimits) -> None:
        self.limits = wanted
        self.unit = f"{_own_prefix()}{number}.scope"
        self.prefix = tuple(_command(self.unit, wanted))
        self.env: dict[str, str] = {}
        self.lock = threading.Lock()
        self._pid: int | None = None
        self._group: GroupConfinement | None = None

    @property
    def refused(self) -> bool:
        """A process was not started because there were too many."""
        return self._group is not None and self._group.refused

    @property
    def entered(self) -> bool:
        """It was seen within its scope."""
        return self._group is not None

    def begin(self, pid: int) -> None:
        self._pid = pid

    def look(self) -> Over | None:
        if self._group is None and self._pid is not None:
            self._group = _entered(self._pid, self.unit, self.limits)
        return None if self._group is None else self._group.look()

    def kill(self) -> None:
        if self._group is not None:
            self._group.kill()

    def over(self) -> Over | None:
        found = None if self._group is None else self._group.over()
        if found is not None:
            return found
        # The last process gone, the group is too; systemd remembers how it ended.
        said = _run(["systemctl", "--user", "show", self.unit, "-p", "Result", "-p", "MemoryPeak"])
        values = dict(line.split("=", 1) for line in (said or "").splitlines() if "=" in line)
        if values.get("Result") != "oom-kill":
            return None
        peak = values.get("MemoryPeak", "")
        known = int(peak) if peak.isdecimal() and int(peak) < 1 << 60 else self.limits.memory
        return Over(DeathReason.OUT_OF_MEMORY, self.limits.memory, known)

    def close(self) -> None:
        self.kill()
        for verb in ("stop", "reset-failed"):
            _run(["systemctl", "--user", verb, self.unit])


def _entered(pid: int, unit: str, limits: KernelLimits) -> GroupConfinement | None:
    path = parse_groups(read_text(Path(f"/proc/{pid}/cgroup")) or "").get("", "")
    if not path.endswith(f"/{unit}"):
        return None  # Still on its way.
    folder = Path("/sys/fs/cgroup") / path.lstrip("/")
    with contextlib.suppress(OSError):
        (folder / "memory.oom.group").write_text("1")
    group = LimitedGroup(2, (folder,))
    return GroupConfinement(group, replace(limits))


def _command(unit: str, limits: KernelLimits) -> Sequence[str]:
    given = ["MemorySwapMax=0"]
    if limits.memory is not None:
        given.append(f"MemoryMax={limits.memory}")
    if limits.pids is not None:
        given.append(f"TasksMax={limits.pids}")
    if limits.cpu is not None:
        given.append(f"CPUQuota={max(1, round(limits.cpu * 100))}%")
    properties = [word for value in given for word in ("-p", value)]
    return ["systemd-run", "--user", "--scope", "--quiet", f"--unit={unit}", *properties, "--"]


def _own_prefix() -> str:
    own = read_process(os.getpid())
    return f"{PREFIX}{os.getpid()}-{own.started if own else 0}-"


def _run(command: Sequence[str]) -> str | None:
    """What it prints; ``None``: it failed."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
