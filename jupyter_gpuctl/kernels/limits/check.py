"""What holds the limits of kernels, in words for ``GET health``. Pure."""

from __future__ import annotations

from ...api.checks import Check, CheckStatus
from ...core.quantities import format_bytes
from ..model import KernelLimits


def limits_check(limits: KernelLimits, tier: str | None, reason: str, *, done: bool) -> Check:
    """``done``: it was found out which ``tier`` holds them; ``reason``: why no control group can
    be had.
    """
    if not limits.any:
        return Check(CheckStatus.OFF, "No limits are set for kernels (default_limits).")
    if not done:
        return Check(CheckStatus.OK, "It is being found out what holds the limits of kernels.")
    words, detail = _words(limits), {"enforced_by": tier, "no_group_because": reason}
    if tier is None:
        return Check(
            CheckStatus.WARNING,
            f"Nothing here can hold kernels to {words}.",
            "Run the server on Linux, with /proc mounted.",
            detail,
        )
    if tier == "watcher" and limits.cpu is not None:
        return Check(
            CheckStatus.WARNING,
            f"Kernels are watched; of {words}, only memory and processes can be held so.",
            f"To limit processor time, let the server write a control group: {reason}.",
            detail,
        )
    return Check(CheckStatus.OK, f"Each kernel is held to {words} by {_by(tier)}.", "", detail)


def _words(limits: KernelLimits) -> str:
    parts = []
    if limits.memory is not None:
        parts.append(f"{format_bytes(limits.memory)} of memory")
    if limits.pids is not None:
        parts.append(f"{limits.pids} processes and threads")
    if limits.cpu is not None:
        parts.append(f"{limits.cpu:g} cores")
    return ", ".join(parts)


def _by(tier: str) -> str:
    return {"watcher": "watching it", "systemd": "a scope of systemd"}.get(tier, f"a {tier}")
