"""Who asks the authority: the server's owner, a guest on that server, an administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..api.base import GpuCtlHandler
from ..api.callers import ADMIN_ACTION, caller_of
from ..host.identity import server_user

if TYPE_CHECKING:
    from .service import Actor

__all__ = ["ADMIN_ACTION", "caller"]


async def caller(handler: GpuCtlHandler) -> Actor:
    """On whose behalf the request that ``handler`` serves is made."""
    from .service import Actor

    owner = server_user()
    found = await caller_of(handler, owner.name, from_hub=owner.from_hub)
    return Actor(found.name, admin=found.admin, guest=found.guest)
