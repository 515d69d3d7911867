"""What is leased for a kernel, asked of the authority when the kernel starts, and given back when
it is gone. A kernel starts whether or not the authority answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .environment import launch_variables, share_of
from .mps import mps_runs, pytorch_reads_fraction
from .standing import standing

if TYPE_CHECKING:
    from ..leases.desk import LeaseDesk

PATIENCE = 3.0
"""Seconds that the authority has."""


@dataclass(frozen=True, slots=True)
class Leased:
    """What one start of a kernel is told."""

    devices: tuple[str, ...] | None = None
    """``None``: nobody leases here, or nobody could say."""
    variables: dict[str, str] = field(default_factory=dict)
    share: float | None = None


class Leases:
    """``exists`` says whether anybody leases here: where not, the authority isn't opened."""

    def __init__(
        self, desk: LeaseDesk, *, exists: Callable[[], bool], owner: str, log: logging.Logger
    ) -> None:
        self._desk = desk
        self._exists = exists
        self._owner = owner
        self._log = log

    async def of(self, kernel_id: str, env: Mapping[str, str], command: Sequence[str]) -> Leased:
        """For a kernel that would be started with ``env`` and ``command``. Never raises."""
        try:
            async with asyncio.timeout(PATIENCE):
                if not await asyncio.to_thread(self._exists):
                    return Leased()
                held = await self._desk.ask(lambda authority: authority.bindings.look())
        except Exception as error:
            said = _said(error)
            self._log.warning("gpuctl: kernel %s starts as without leases: %s", kernel_id, said)
            return Leased()
        found = standing(held.leases, self._owner, kernel_id)
        variables = launch_variables(
            found,
            held.policy,
            held.devices,
            env,
            mps=bool(found.active) and mps_runs(),
            pytorch=bool(found.active) and pytorch_reads_fraction(command),
        )
        return Leased(found.wanted(held.policy), variables, share_of(found, held.devices))

    async def give_back(self, kernel_ids: Sequence[str]) -> None:
        """These kernels are gone for good. Never raises."""
        owner = self._owner
        try:
            async with asyncio.timeout(PATIENCE):
                if not await asyncio.to_thread(self._exists):
                    return
                for kernel_id in kernel_ids:
                    await self._desk.ask(lambda a, k=kernel_id: a.bindings.shut_down(owner, k))  # type: ignore[misc]
        except Exception as error:
            self._log.warning(
                "gpuctl: the leases of kernel %s are not given back: %s",
                kernel_ids[0],
                _said(error),
            )


def _said(error: Exception) -> str:
    return str(error) or "the authority doesn't answer"
