"""The handler that all routes stand on: who may call, how errors look, what counts as activity."""

from __future__ import annotations

import inspect
from typing import Any

from jupyter_server.auth.utils import HTTP_METHOD_TO_AUTH_ACTION
from jupyter_server.base.handlers import APIHandler
from tornado.web import HTTPError

from ..core.encoding import encode
from ..core.errors import Forbidden, InvalidInput
from .errors import describe

AUTH_RESOURCE = "gpuctl"


class GpuCtlHandler(APIHandler):
    """Authenticates and authorises before the verb runs, so that no verb can forget to.

    ``OPTIONS`` is Jupyter Server's own CORS preflight and tells nothing.
    """

    auth_resource = AUTH_RESOURCE
    # Panels poll; that must not keep an idle server alive.
    _track_activity = False

    async def prepare(self) -> None:  # type: ignore[override]
        """Let the request through, or refuse it.

        Raises:
            HTTPError: 403 without a user, 404 from another origin.
            Forbidden: the user has not the permission.
        """
        await super().prepare()
        method = self.request.method or ""
        if method == "OPTIONS":
            return
        self.check_xsrf_cookie()
        if self.current_user is None:
            raise HTTPError(403, "You are not logged in.")
        action = HTTP_METHOD_TO_AUTH_ACTION.get(method, "write")
        allowed = self.authorizer.is_authorized(self, self.current_user, action, self.auth_resource)
        if inspect.isawaitable(allowed):
            allowed = await allowed
        if not allowed:
            raise Forbidden(
                "auth.forbidden",
                f"You are not allowed to {action} {self.auth_resource} on this server.",
                hint="Ask whoever runs the server: its Authorizer decides.",
            )

    def compute_etag(self) -> None:
        """None: what is asked for is never the same twice, and hashing it would cost each poll."""

    def answer(self, value: Any) -> None:
        """Finish with ``value`` (a wire type, or JSON already encoded) as the body."""
        self.finish(value if isinstance(value, bytes) else encode(value))

    def integer(self, name: str) -> int | None:
        """The query argument ``name`` as a whole number that is not negative.

        Raises:
            InvalidInput: anything else.
        """
        text = self.get_query_argument(name, None)
        if text is None:
            return None
        # isdecimal() accepts other scripts' digits, so ascii is asked for; 18 digits fit 64 bits.
        if not (text.isascii() and text.isdecimal() and len(text) <= 18):
            raise InvalidInput(
                "request.invalid",
                f"{name}={text[:40]!r} is not a whole number.",
                hint=f"Leave {name} out, or send a number that an earlier answer gave.",
                detail={"name": name, "value": text[:40]},
            )
        return int(text)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        status, answer = describe(error, status_code)
        self.set_status(status)
        self.finish(encode(answer))

    def log_exception(self, *args: Any) -> None:
        """Refusals are a line in the log, not a traceback."""
        error = args[1]
        status, answer = describe(error, 500)
        if status < 500 or answer.code != "internal":
            self.log.debug("%s %s: %s", self.request.method, self.request.path, answer.message)
        else:
            super().log_exception(*args)
