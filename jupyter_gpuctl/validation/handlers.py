"""``validations``: HTTP in, one call of the registry on a worker thread, its answer out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..api.base import GpuCtlHandler
from ..api.bodies import read_object
from ..api.callers import caller_of
from ..api.routes import Operation, Route
from ..core.errors import Forbidden
from ..host.identity import server_user

if TYPE_CHECKING:
    from .wing import ValidationWing

_POLICY = "; ".join(
    (
        "default-src 'none'",
        # The report's own policy allows one script and one style by their hashes: both hold.
        "script-src 'unsafe-inline'",
        "style-src 'unsafe-inline'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "sandbox allow-scripts",
    )
)


class ValidationHandler(GpuCtlHandler):
    """What the routes share: the wing, and whose validations are meant."""

    def initialize(self, validations: ValidationWing) -> None:
        self._validations = validations

    async def user(self) -> str:
        """On whose behalf the request is made."""
        owner = server_user()
        return (await caller_of(self, owner.name, from_hub=owner.from_hub)).name

    async def whose(self) -> str | None:
        """Whose validations the caller may see; ``None``: everybody's."""
        owner = server_user()
        caller = await caller_of(self, owner.name, from_hub=owner.from_hub)
        return None if caller.admin else caller.name

    async def require_kernels(self) -> None:
        """Who may not run code in a kernel of this server may not do so here.

        Raises:
            Forbidden: the server's Authorizer says so.
        """
        user = self.current_user
        allowed = self.authorizer.is_authorized(self, user, "execute", "kernels")
        if inspect.isawaitable(allowed):
            allowed = await allowed
        if not allowed:
            raise Forbidden(
                "auth.forbidden",
                "You are not allowed to run code on this server, so not to validate notebooks.",
                hint="Ask whoever runs the server: its Authorizer decides.",
            )


class ValidationsHandler(ValidationHandler):
    """All validations; and the door for new ones."""

    async def get(self) -> None:
        user = await self.whose()
        self.answer(await self._validations.ask(lambda runs, _: runs.list(user)))

    async def post(self) -> None:
        from .bodies import parse_wanted

        await self.require_kernels()
        wanted, user = parse_wanted(read_object(self.request)), await self.user()
        answer = await self._validations.ask(
            lambda runs, places: runs.add(wanted, places.course(wanted.paths), user)
        )
        self.set_status(201)
        self.answer(answer)


class OneValidationHandler(ValidationHandler):
    """One validation: follow it; stop it."""

    async def get(self, id: str) -> None:  # noqa: A002
        user = await self.whose()
        self.answer(await self._validations.ask(lambda runs, _: runs.get(user, id)))

    async def delete(self, id: str) -> None:  # noqa: A002
        user = await self.whose()
        self.answer(await self._validations.ask(lambda runs, _: runs.delete(user, id)))


class ReportHandler(ValidationHandler):
    """What a validation has found out, whole."""

    async def get(self, id: str) -> None:  # noqa: A002
        from .bodies import parse_format
        from .wire import ReportFormat

        kinds = {
            ReportFormat.HTML: ("text/html", "html"),
            ReportFormat.JSON: ("application/json", "json"),
            ReportFormat.JUNIT: ("application/xml", "xml"),
            ReportFormat.MARKDOWN: ("text/markdown", "md"),
        }
        name = parse_format(self.get_query_argument("format", None))
        user = await self.whose()
        report = await self._validations.ask(lambda runs, _: runs.report(user, id, name))
        kind, ending = kinds[name]
        place = "inline" if name is ReportFormat.HTML else "attachment"
        self.set_header("Content-Security-Policy", _POLICY)
        self.set_header("Content-Disposition", f'{place}; filename="validation-{id}.{ending}"')
        self.finish(report, set_content_type=f"{kind}; charset=utf-8")


def _described(name: str) -> Callable[[], tuple[Operation, ...]]:
    def load() -> tuple[Operation, ...]:
        from . import operations

        found: tuple[Operation, ...] = getattr(operations, name)
        return found

    return load


ROUTES = (
    Route("validations", ValidationsHandler, _described("VALIDATIONS")),
    Route("validations/{id}", OneValidationHandler, _described("ONE_VALIDATION")),
    Route("validations/{id}/report", ReportHandler, _described("REPORT")),
)
