"""All routes of jupyter-gpuctl. ``python -m jupyter_gpuctl.routes`` prints the OpenAPI document."""

from __future__ import annotations

import sys

from .api import health
from .api.base import GpuCtlHandler
from .api.routes import Operation, Route
from .gpus import handlers as gpus
from .kernels import handlers as kernels
from .leases import handlers as leases
from .validation import handlers as validation


class OpenApiHandler(GpuCtlHandler):
    """The document that the TypeScript types are made from."""

    async def get(self) -> None:
        from .api.openapi import encoded

        self.answer(encoded(ROUTES))


class MisconfiguredHandler(GpuCtlHandler):
    """Answers every route but ``health`` when the configuration can't be read."""

    def initialize(self, error: Exception) -> None:
        self._error = error

    async def get(self, **_: str) -> None:
        raise self._error

    post = patch = delete = get


ROUTES: tuple[Route, ...] = (
    *health.ROUTES,
    *gpus.ROUTES,
    *leases.ROUTES,
    *kernels.ROUTES,
    *validation.ROUTES,
    Route(
        "openapi.json",
        OpenApiHandler,
        (Operation("GET", "This document", dict, errors=(403,)),),
    ),
)


def main() -> None:
    from .api.openapi import encoded

    sys.stdout.write(encoded(ROUTES).decode() + "\n")


if __name__ == "__main__":
    main()
