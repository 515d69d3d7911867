"""What is answered about one kernel. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..gpus.ports import Kernel
from ..leases.policy import Policy
from .model import Applied, Enforcement, KernelRecord
from .ports import Told
from .standing import Standing, message
from .wire import KernelAnswer, KernelLimitsAnswer, OverAnswer

ON_GATEWAY = Told(Applied.UNSUPPORTED, "it runs on a gateway.")
_CAP = "Frameworks are sure to keep to the memory of its lease after a restart only."
_SOON = Told(Applied.WHEN_IDLE)


@dataclass(frozen=True, slots=True)
class Try:
    """What came of telling a kernel something, where it was not told."""

    wanted: tuple[str, ...] | None
    """The devices that it was to be told."""
    pid: int | None
    told: Told

    def in_vain(self, wanted: tuple[str, ...] | None, pid: int | None) -> bool:
        """Whether telling it ``wanted`` again would come to the same: only a restart helps."""
        final = self.told.applied in (Applied.RESTART, Applied.UNSUPPORTED)
        return final and self.wanted == wanted and self.pid == pid


def how(
    kernel: Kernel,
    found: Standing,
    policy: Policy,
    record: KernelRecord,
    tried: Try | None,
    enforcement: Enforcement,
) -> Told:
    """Whether the kernel knows by now what it is to know."""
    wanted = found.wanted(policy)
    if enforcement is Enforcement.OFF or wanted == record.devices:
        return Told(record.applied)
    if tried is None or tried.wanted != wanted or tried.pid != kernel.pid:
        return _SOON
    return tried.told


def answer(
    kernel: Kernel,
    found: Standing,
    policy: Policy,
    record: KernelRecord,
    told: Told,
    *,
    over: OverAnswer | None = None,
    share: float | None = None,
    guest: bool,
) -> KernelAnswer:
    """A kernel as it is shown; a guest isn't told the ids of leases. ``share``: the part of a
    GPU's memory that its leases allow now.
    """
    said = message(found, policy, told.applied, why=told.why, notebook=kernel.notebook)
    knows = told.applied in (Applied.LAUNCH, Applied.LIVE) and bool(found.active)
    late = knows and share != record.share
    limits = record.limits
    return KernelAnswer(
        kernel_id=kernel.kernel_id,
        name=kernel.name,
        notebook=kernel.notebook,
        state=kernel.state,
        attachment=found.attachment,
        lease_ids=() if guest else tuple(lease.id for lease in found.leases),
        devices=found.devices,
        applied=told.applied,
        message=f"{said} {_CAP}" if late else said,
        cap_at_restart=late,
        over=replace(over, lease_id=None) if over is not None and guest else over,
        limits=KernelLimitsAnswer(limits.memory, limits.pids, limits.cpu, record.enforced_by),
        death=record.death,
    )
