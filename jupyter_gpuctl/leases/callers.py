"""Who asks: the server's owner, a guest on that server, an administrator."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from jupyter_server.auth import AllowAllAuthorizer
from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider

from ..api.base import AUTH_RESOURCE, GpuCtlHandler
from ..host.identity import server_user

if TYPE_CHECKING:
    from .service import Actor

ADMIN_ACTION = "admin"
"""What the server's Authorizer is asked about, on resource ``gpuctl``."""

_BY_TOKEN_OR_PASSWORD = (IdentityProvider, PasswordIdentityProvider)


async def caller(handler: GpuCtlHandler) -> Actor:
    """On whose behalf the request that ``handler`` serves is made."""
    from .service import Actor

    owner = server_user()
    name = _named(handler, from_hub=owner.from_hub)
    guest = name is not None and name != owner.name
    return Actor(
        name if guest and name is not None else owner.name,
        admin=await _is_admin(handler),
        guest=guest,
    )


def _named(handler: GpuCtlHandler, *, from_hub: bool) -> str | None:
    """The name of a *person* who has logged in; ``None``: somebody who holds the server's keys.

    Who logs in by the server's own token or password is its owner; the name that Jupyter Server
    then invents is a browser's. The Hub's tokens are people's, so there the name counts always.
    """
    provider = handler.identity_provider
    if type(provider) in _BY_TOKEN_OR_PASSWORD:
        return None
    if handler.token_authenticated and not from_hub:
        return None
    return str(handler.current_user.username)


async def _is_admin(handler: GpuCtlHandler) -> bool:
    """Whether the server's Authorizer says so; one that allows everything to all says nothing."""
    authorizer = handler.authorizer
    kind = type(authorizer)
    # JupyterHub's own looks at who may enter the server, and at no action.
    if kind is AllowAllAuthorizer or kind.__module__.partition(".")[0] == "jupyterhub":
        return False
    allowed = authorizer.is_authorized(handler, handler.current_user, ADMIN_ACTION, AUTH_RESOURCE)
    if inspect.isawaitable(allowed):
        allowed = await allowed
    return bool(allowed)
