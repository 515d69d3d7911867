"""The strongest way at hand to hold kernels to limits: found out once, by trying.

In this order: a control group (version 2) of our own, a scope of the user's systemd, a control
group of version 1, a watcher.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Collection
from dataclasses import replace

from ...host.cgroups import Cgroups, read_table
from ...host.limited_groups import can_limit, create, own_prefix, remove_stale
from ...host.trees import Families
from ..model import KernelLimits
from . import scopes
from .confinement import Confinement, GroupConfinement, WatchedConfinement

GROUP_2, SCOPE, GROUP_1, WATCHER = "cgroup v2", "systemd", "cgroup v1", "watcher"
TIERS = (GROUP_2, SCOPE, GROUP_1, WATCHER)
"""The strongest first."""


class Tiers:
    """Used on worker threads. ``allowed`` leaves some out, for tests."""

    def __init__(
        self, families: Families, log: logging.Logger, *, allowed: Collection[str] = TIERS
    ) -> None:
        self._families = families
        self._log = log
        self._allowed = allowed
        self._numbers = itertools.count(1)
        self._cgroups = Cgroups()
        self.tier: str | None = None
        """``None``: none works here, or not yet found out."""
        self.reason = ""
        """Why no control group can be had; empty where one can."""

    def find(self) -> None:
        """Find it out, and take away what servers that died have left behind."""
        try:
            self.tier = self._find()
        except Exception:
            self._log.exception("gpuctl: it can't be found out what holds the limits of kernels")

    def _find(self) -> str | None:
        version = None
        if {GROUP_1, GROUP_2} & set(self._allowed):
            support = can_limit(self._cgroups)
            version, self.reason = support.version, support.reason
            if version is not None:
                remove_stale(self._cgroups)
        if version == 2 and GROUP_2 in self._allowed:
            return GROUP_2
        if SCOPE in self._allowed and scopes.scopes_work():
            scopes.stop_stale()
            return SCOPE
        if version == 1 and GROUP_1 in self._allowed:
            return GROUP_1
        return WATCHER if WATCHER in self._allowed and os.path.isdir("/proc/self/task") else None

    def confine(self, wanted: KernelLimits) -> Confinement | None:
        """For one start of a kernel; ``None``: nothing here can hold it."""
        number = next(self._numbers)
        name = f"{own_prefix(self._cgroups)}kernel{number}"
        if self.tier in (GROUP_1, GROUP_2):
            found = self._group(name, wanted)
            if found is not None:
                return found
        if self.tier == SCOPE:
            return scopes.ScopeConfinement(number, wanted)
        if self.tier is None or (wanted.memory is None and wanted.pids is None):
            return None  # No watcher can hold back processor time.
        return WatchedConfinement(name, wanted, self._families)

    def ended(self, confinement: Confinement, exit_code: int | None) -> None:
        """A kernel has ended. One that systemd has not even let start must start by other means."""
        if not isinstance(confinement, scopes.ScopeConfinement) or confinement.entered:
            return
        if exit_code and exit_code > 0:
            self._log.warning("gpuctl: systemd-run starts no kernels any more: they are watched.")
            self.tier = WATCHER if WATCHER in self._allowed else None

    def _group(self, name: str, wanted: KernelLimits) -> Confinement | None:
        for limits in dict.fromkeys((wanted, replace(wanted, cpu=None))):
            if not limits.any:
                continue
            try:
                group = create(self._cgroups, name, limits.memory, limits.pids, limits.cpu)
                return GroupConfinement(group, limits)
            except OSError as error:
                self._log.debug("gpuctl: no control group for a kernel: %s", error)
        self._log.warning("gpuctl: no control group can be made any more: kernels are watched.")
        return None

    def machine_kills(self) -> int:
        """How many processes the kernel has killed because this server's own group, or the
        machine, had no memory left.
        """
        version, chain = self._cgroups.chain("memory")
        count = read_table(self._cgroups.proc / "vmstat").get("oom_kill", 0)
        if chain:
            name = "memory.events" if version == 2 else "memory.oom_control"
            count += read_table(chain[0] / name).get("oom_kill", 0)
        return count
