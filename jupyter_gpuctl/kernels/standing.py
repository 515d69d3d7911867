"""How it stands between one kernel and the leases, and what is said of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ..leases.policy import Policy, Strength
from .model import Applied, Attachment

if TYPE_CHECKING:
    from ..leases.model import Lease

# As a LeaseStatus is written. The module of leases is loaded where somebody leases only.
ACTIVE, OFFERED, QUEUED = "active", "offered", "queued"


@dataclass(frozen=True, slots=True)
class Standing:
    """The live leases that are attached to one kernel."""

    leases: tuple[Lease, ...] = ()
    """The active ones first, in the order of their start."""

    @property
    def active(self) -> tuple[Lease, ...]:
        """Those that give it devices."""
        return tuple(lease for lease in self.leases if lease.status == ACTIVE)

    @property
    def devices(self) -> tuple[str, ...]:
        """UUIDs, each once, in the order in which its leases began."""
        return tuple(dict.fromkeys(uuid for lease in self.active for uuid in lease.devices))

    @property
    def attachment(self) -> Attachment:
        """The best of its leases."""
        found = {str(lease.status) for lease in self.leases}
        if ACTIVE in found:
            return Attachment.ATTACHED
        if OFFERED in found:
            return Attachment.OFFERED
        return Attachment.QUEUED if found else Attachment.NONE

    def wanted(self, policy: Policy) -> tuple[str, ...] | None:
        """The devices that the kernel is to see; ``None``: those that the server sees."""
        if self.devices or not policy.unleased_devices:
            return self.devices
        return None


_ORDER = (ACTIVE, OFFERED, QUEUED)


def standing(leases: Iterable[Lease], owner: str, kernel_id: str) -> Standing:
    """Of the live ``leases`` those of ``owner`` that are attached to this kernel."""
    mine = [lease for lease in leases if lease.owner == owner and lease.kernel_id == kernel_id]
    return Standing(
        tuple(
            sorted(mine, key=lambda x: (_ORDER.index(x.status), x.started_at or x.created_at, x.id))
        )
    )


def named(notebook: str | None) -> str:
    """What people call a kernel: its notebook."""
    return PurePosixPath(notebook).name if notebook else "this kernel"


def gpus(count: int) -> str:
    """``1 GPU``, ``2 GPUs``."""
    return f"{count} GPU{'' if count == 1 else 's'}"


def restart_costs(notebook: str | None) -> str:
    """What is lost by a restart, as a sentence."""
    return f"The variables of {named(notebook)} are lost then."


def message(
    found: Standing,
    policy: Policy,
    applied: Applied,
    *,
    why: str = "",
    notebook: str | None = None,
) -> str:
    """How it stands, in a sentence or two; ``why`` it is not told, where it isn't."""
    count = len(found.devices)
    if policy.strength is Strength.OFF and found.active:
        return (
            f"Its lease gives it {gpus(count)}, but this server leaves kernels as they are "
            "(enforcement is off): set CUDA_VISIBLE_DEVICES yourself."
        )
    if applied is Applied.UNSUPPORTED and found.active:
        return f"Its lease gives it {gpus(count)}, but it can't be told of them: {why}"
    if applied is Applied.RESTART:
        what = f"see {gpus(count)}" if found.active else "let go of the GPUs of its lease"
        return f"It must be restarted to {what}: {why} {restart_costs(notebook)}"
    if applied is Applied.WHEN_IDLE:
        what = f"It sees {gpus(count)}" if found.active else "Its lease is over: the GPUs go"
        later = f"{what} as soon as the cell that runs has ended."
        return later if found.active else f"{later}{_stopped(policy)}"
    if found.active:
        return f"It sees {gpus(count)}."
    if found.attachment is Attachment.OFFERED:
        return "GPUs are offered to it: accept them in time."
    if found.attachment is Attachment.QUEUED:
        return "It waits in the queue for GPUs."
    if policy.unleased_devices:
        return "No lease is attached to it: it may use GPUs that nobody holds."
    return "No lease is attached to it: it sees no GPU."


def _stopped(policy: Policy) -> str:
    if policy.strength is not Strength.GUARDED:
        return ""
    minutes, seconds = divmod(policy.expiry_grace, 60)
    time = f"{minutes} min" if not seconds else f"{policy.expiry_grace} s"
    return f" What still runs on them after {time} is stopped."
