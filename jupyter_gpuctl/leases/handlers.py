"""``quota``, ``leases`` and ``audit``: HTTP in, one call of the authority, its answer out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ..api.base import GpuCtlHandler
from ..api.bodies import read_object
from ..api.routes import Header, Operation, Query, Route
from .callers import caller
from .requests import KEY_HEADER, MAX_KEY, parse_key, parse_patch, parse_reason, parse_request
from .requests import parse_limit as limit
from .requests import parse_status as status
from .wire import (
    AuditsAnswer,
    LeaseAnswer,
    LeasePatchBody,
    LeaseRequestBody,
    LeasesAnswer,
    PreviewAnswer,
    QuotaAnswer,
)

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
        actor = await caller(self)
        return await self._desk.ask(lambda authority: call(authority, actor))


class QuotaHandler(LeaseHandler):
    """The caller's own limits."""

    async def get(self) -> None:
        self.answer(await self.ask(lambda authority, actor: authority.quota(actor)))


class LeasesHandler(LeaseHandler):
    """All leases; and the door for new ones."""

    async def get(self) -> None:
        ended = status(self.get_query_argument("status", None))
        count = limit(self.integer("limit"))
        cursor = self.get_query_argument("cursor", None)
        self.answer(
            await self.ask(
                lambda authority, actor: authority.leases(
                    actor, ended=ended, limit=count, cursor=cursor
                )
            )
        )

    async def post(self) -> None:
        request, dry_run = parse_request(read_object(self.request))
        key = parse_key(self.request.headers.get(KEY_HEADER))
        if dry_run:
            self.answer(await self.ask(lambda authority, actor: authority.preview(actor, request)))
            return
        lease = await self.ask(lambda authority, actor: authority.request(actor, request, key))
        self.set_status(201)
        self.answer(lease)


class OneLeaseHandler(LeaseHandler):
    """One lease: look, extend or accept, give back."""

    async def get(self, id: str) -> None:  # noqa: A002
        self.answer(await self.ask(lambda authority, actor: authority.lease(actor, id)))

    async def patch(self, id: str) -> None:  # noqa: A002
        seconds = parse_patch(read_object(self.request))
        if seconds is None:
            self.answer(await self.ask(lambda authority, actor: authority.accept(actor, id)))
        else:
            key = parse_key(self.request.headers.get(KEY_HEADER))
            self.answer(
                await self.ask(lambda authority, actor: authority.extend(actor, id, seconds, key))
            )

    async def delete(self, id: str) -> None:  # noqa: A002
        reason = parse_reason(self.get_query_argument("reason", ""))
        self.answer(await self.ask(lambda authority, actor: authority.release(actor, id, reason)))


class AuditHandler(LeaseHandler):
    """Who did what to whom."""

    async def get(self) -> None:
        count = limit(self.integer("limit"))
        cursor = self.get_query_argument("cursor", None)
        self.answer(await self.ask(lambda authority, actor: authority.audit(actor, count, cursor)))


_KEY = Header(
    KEY_HEADER, "Any text of one's own: the same request with the same key is made once", MAX_KEY
)
_LIMIT = Query("limit", int, "At most so many items, up to 1000; left out: 100")
_CURSOR = Query("cursor", str, "Where to go on: `next` of an earlier answer")

ROUTES = (
    Route(
        "quota",
        QuotaHandler,
        (Operation("GET", "The caller's limits, what is used, what is left", QuotaAnswer),),
    ),
    Route(
        "leases",
        LeasesHandler,
        (
            Operation(
                "GET",
                "All live leases, the queue after the held ones; or the caller's ended ones",
                LeasesAnswer,
                query=(
                    Query("status", str, "`live` where left out", ("live", "ended")),
                    _LIMIT,
                    _CURSOR,
                ),
                errors=(400, 403, 503),
            ),
            Operation(
                "POST",
                "Ask for GPUs; with `dry_run` only say what would become of it",
                PreviewAnswer,
                body=LeaseRequestBody,
                headers=(_KEY,),
                created=LeaseAnswer,
                errors=(400, 403, 409, 422, 503),
            ),
        ),
    ),
    Route(
        "leases/{id}",
        OneLeaseHandler,
        (
            Operation("GET", "One lease", LeaseAnswer, errors=(403, 404, 503)),
            Operation(
                "PATCH",
                "Extend it, or accept the offer",
                LeaseAnswer,
                body=LeasePatchBody,
                headers=(_KEY,),
                errors=(400, 403, 404, 409, 422, 503),
            ),
            Operation(
                "DELETE",
                "Give it back, leave the queue, decline the offer; or, as an administrator, "
                "revoke it",
                LeaseAnswer,
                query=(Query("reason", str, "Told to its owner where somebody else ends it"),),
                errors=(400, 403, 404, 409, 503),
            ),
        ),
    ),
    Route(
        "audit",
        AuditHandler,
        (
            Operation(
                "GET",
                "Who did what to whom, newest first: one's own rows, or all for an administrator",
                AuditsAnswer,
                query=(_LIMIT, _CURSOR),
                errors=(400, 403, 503),
            ),
        ),
    ),
)
