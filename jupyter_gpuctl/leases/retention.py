"""How long what is over is kept. Pure.

Ended leases are what the GPU-hours of a window are summed over, so none goes that a window of the
quotas still counts, however short the retention.
"""

from __future__ import annotations

from collections.abc import Iterator

from .policy import HoursQuota, Limits, Policy
from .rules.windows import bounds

PAUSE = 3600.0
"""Seconds between two looks at whether something is old enough to go."""
BATCH = 500
"""Leases, and rows of the audit, that go at once: others wait for the database meanwhile."""


def oldest_kept(policy: Policy, days: int, now: float) -> float | None:
    """What ended before this time may go; ``None``: nothing may.

    ``days``: the retention; 0: for ever.
    """
    if days <= 0 or policy.unread:
        return None
    starts = (bounds(quota.window, now)[0] for quota in _quotas(policy))
    return min([now - days * 86400.0, *starts])


def _quotas(policy: Policy) -> Iterator[HoursQuota]:
    limits: list[Limits] = [policy.default, *policy.users.values()]
    for group in policy.groups.values():
        limits += [group.pool, group.each]
    return (each.gpu_hours for each in limits if each.gpu_hours is not None)
