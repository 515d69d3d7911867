"""``kernels``: HTTP in, one call of the service, its answer out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..api.base import GpuCtlHandler
from ..api.bodies import read_object
from ..api.routes import Operation, Route
from ..leases.callers import caller

if TYPE_CHECKING:
    from ..leases.desk import LeaseDesk
    from ..leases.service import Actor
    from .service import KernelService


class KernelHandler(GpuCtlHandler):
    """What the routes share: the service, and who asks it."""

    def initialize(self, service: KernelService, desk: LeaseDesk) -> None:
        self._service = service
        self._desk = desk

    async def actor(self) -> Actor:
        """Who asks. What decides on leases is imported on a thread before."""
        await self._desk.load()
        return await caller(self)


class KernelsHandler(KernelHandler):
    """The kernels of this server, and how it stands between them and the GPUs."""

    async def get(self) -> None:
        self.answer(await self._service.kernels(await self.actor()))


class AttachHandler(KernelHandler):
    """One kernel and its leases."""

    async def post(self, id: str) -> None:  # noqa: A002
        from .bodies import parse_attach

        lease_id = parse_attach(read_object(self.request))
        self.answer(await self._service.attach(await self.actor(), id, lease_id))

    async def delete(self, id: str) -> None:  # noqa: A002
        self.answer(await self._service.detach(await self.actor(), id))


def _described(name: str) -> Callable[[], tuple[Operation, ...]]:
    def load() -> tuple[Operation, ...]:
        from . import operations

        found: tuple[Operation, ...] = getattr(operations, name)
        return found

    return load


ROUTES = (
    Route("kernels", KernelsHandler, _described("KERNELS")),
    Route("kernels/{id}/attach", AttachHandler, _described("ATTACH")),
)
