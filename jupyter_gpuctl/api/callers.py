"""Who asks: the server's owner, a guest on that server, an administrator."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from jupyter_server.auth import AllowAllAuthorizer
from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider

from .base import AUTH_RESOURCE, GpuCtlHandler

ADMIN_ACTION = "admin"
"""What the server's Authorizer is asked about, on resource ``gpuctl``."""

_BY_TOKEN_OR_PASSWORD = (IdentityProvider, PasswordIdentityProvider)


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a request is made."""

    name: str
    admin: bool
    guest: bool
    """A person who is not the server's owner."""


async def caller_of(handler: GpuCtlHandler, owner: str, *, from_hub: bool) -> Caller:
    """Who makes the request that ``handler`` serves, on the server of ``owner``."""
    name = _named(handler, from_hub=from_hub)
    guest = name is not None and name != owner
    return Caller(
        name if guest and name is not None else owner,
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
