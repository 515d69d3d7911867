"""Memory and processor time of each kernel, with everything it has started."""

from __future__ import annotations

from collections.abc import Sequence

from ..host.model import ProcessInfo
from .attribution import Attributor, Identity
from .model import KernelReading
from .ports import Kernel, ProcessTable


class KernelMeter:
    """Reads kernels, tick by tick. Used from one thread at a time.

    Memory of a kernel without children is its resident set. With children the shared pages of
    forks would be counted many times over (ten times in ipykernel#935), so each process counts its
    proportional share (PSS) instead, which is dear to ask for: it is asked again only when the
    resident set of that process has moved by more than 1 %.
    """

    def __init__(self, table: ProcessTable, attributor: Attributor) -> None:
        self._table = table
        self._attributor = attributor
        self._shares: dict[Identity, tuple[int, int]] = {}
        self._cpu: dict[Identity, float] = {}
        self._time: float | None = None

    def read(self, kernels: Sequence[Kernel], now: float) -> tuple[KernelReading, ...]:
        """A reading of each of ``kernels``; ``now`` is a monotonic time in seconds."""
        members = self._attributor.members
        span = None if self._time is None else now - self._time
        readings = tuple(
            self._kernel(each, members.get(each.kernel_id, ()), span) for each in kernels
        )
        alive = [info for group in members.values() for info in group]
        self._cpu = {info.identity: info.cpu_seconds for info in alive}
        self._shares = {
            info.identity: self._shares[info.identity]
            for info in alive
            if info.identity in self._shares
        }
        self._time = now
        return readings

    def _kernel(
        self, kernel: Kernel, members: Sequence[ProcessInfo], span: float | None
    ) -> KernelReading:
        known = [info for info in members if info.identity in self._cpu]
        cpu = None
        if known and span:
            spent = sum(info.cpu_seconds - self._cpu[info.identity] for info in known)
            cpu = round(100 * max(0.0, spent) / span, 1)
        return KernelReading(
            kernel_id=kernel.kernel_id,
            name=kernel.name,
            notebook=kernel.notebook,
            kind=kernel.kind,
            state=kernel.state,
            memory=self._memory(members) if members else None,
            cpu=cpu,
            processes=len(members),
        )

    def _memory(self, members: Sequence[ProcessInfo]) -> int:
        if len(members) == 1:
            return members[0].rss
        return sum(self._share(info) for info in members)

    def _share(self, info: ProcessInfo) -> int:
        rss, share = self._shares.get(info.identity, (0, 0))
        if abs(info.rss - rss) > rss / 100:
            # Of processes that may not be read, the resident set is the next best.
            asked = self._table.resident(info.pid)
            share = info.rss if asked is None else asked
            self._shares[info.identity] = (info.rss, share)
        return share
