"""``quota``, ``leases`` and ``audit``: HTTP in, one call of the authority, its answer out.

What reads and describes the requests is loaded with the first of them: a server on which nobody
leases starts without the values of this wing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ..api.base import GpuCtlHandler
from ..api.bodies import read_object
from ..api.routes import Operation, Route
from .callers import caller

if TYPE_CHECKING:
    from .desk import LeaseDesk
    from .service import Actor, Authority

_T = TypeVar("_T")


class LeaseHandler(GpuCtlHandler):
    """What the lease routes share: the desk, and who stands in front of it."""

    def initialize(self, desk: LeaseDesk) -> None:
        self._desk = desk

    async def ask(self, call: Callable[[Authority, Actor], _T]) -> _T:
        """``call(authority, actor)`` on a worker thread.

        Raises:
            GpuCtlError: what the authority raises.
            Unavailable: the store can't be opened, or the server is going down.
        """
        await self._desk.load()
        actor = await caller(self)
        return await self._desk.ask(lambda authority: call(authority, actor))


class QuotaHandler(LeaseHandler):
    """The caller's own limits."""

    async def get(self) -> None:
        self.answer(await self.ask(lambda authority, actor: authority.quota(actor)))


class LeasesHandler(LeaseHandler):
    """All leases; and the door for new ones."""

    async def get(self) -> None:
        from .requests import parse_limit, parse_status

        ended = parse_status(self.get_query_argument("status", None))
        count = parse_limit(self.integer("limit"))
        cursor = self.get_query_argument("cursor", None)
        self.answer(
            await self.ask(
                lambda authority, actor: authority.leases(
                    actor, ended=ended, limit=count, cursor=cursor
                )
            )
        )

    async def post(self) -> None:
        from .requests import KEY_HEADER, parse_key, parse_request

        request, dry_run = parse_request(read_object(self.request))
        key = parse_key(self.request.headers.get(KEY_HEADER))
        if dry_run:
            self.answer(await self.ask(lambda authority, actor: authority.preview(actor, request)))
            return
        lease = await self.ask(lambda authority, actor: authority.request(actor, request, key))
        self.set_status(201)
        self.answer(lease)


class OneLeaseHandler(LeaseHandler):
    """One lease: look; extend, accept or keep; give back."""

    async def get(self, id: str) -> None:  # noqa: A002
        self.answer(await self.ask(lambda authority, actor: authority.lease(actor, id)))

    async def patch(self, id: str) -> None:  # noqa: A002
        from .requests import KEY_HEADER, Wish, parse_key, parse_patch

        wished = parse_patch(read_object(self.request))
        if wished is Wish.ACCEPT:
            self.answer(await self.ask(lambda authority, actor: authority.accept(actor, id)))
        elif wished is Wish.KEEP:
            self.answer(await self.ask(lambda authority, actor: authority.bindings.keep(actor, id)))
        else:
            seconds = wished
            key = parse_key(self.request.headers.get(KEY_HEADER))
            self.answer(
                await self.ask(lambda authority, actor: authority.extend(actor, id, seconds, key))
            )

    async def delete(self, id: str) -> None:  # noqa: A002
        from .requests import parse_reason

        reason = parse_reason(self.get_query_argument("reason", ""))
        self.answer(await self.ask(lambda authority, actor: authority.release(actor, id, reason)))


class AuditHandler(LeaseHandler):
    """Who did what to whom."""

    async def get(self) -> None:
        from .requests import parse_limit

        count = parse_limit(self.integer("limit"))
        cursor = self.get_query_argument("cursor", None)
        self.answer(await self.ask(lambda authority, actor: authority.audit(actor, count, cursor)))


def _described(name: str) -> Callable[[], tuple[Operation, ...]]:
    def load() -> tuple[Operation, ...]:
        from . import operations

        found: tuple[Operation, ...] = getattr(operations, name)
        return found

    return load


ROUTES = (
    Route("quota", QuotaHandler, _described("QUOTA")),
    Route("leases", LeasesHandler, _described("LEASES")),
    Route("leases/{id}", OneLeaseHandler, _described("ONE_LEASE")),
    Route("audit", AuditHandler, _described("AUDIT")),
)
