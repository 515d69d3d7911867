"""What happens to kernels, told on the server's event bus.

Beside ``leases.events`` the only user of ``jupyter_events``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..leases.events import EventLogger

SCHEMA_ID = "https://events.jupyter.org/jupyter_gpuctl/kernel/v1"
SCHEMA = Path(__file__).with_name("kernel_event.yaml")


class KernelEvents:
    """The :class:`.ports.Announcer` of a Jupyter server.

    Whoever may listen to this server hears all: what is told is about its user's own kernels,
    processes and leases.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._logger: EventLogger | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, logger: EventLogger) -> None:
        """Begin; call on the event loop. What was told before is lost: nobody listened."""
        logger.register_event_schema(SCHEMA)
        self._logger, self._loop = logger, asyncio.get_running_loop()

    def stop(self) -> None:
        """Tell nothing any more."""
        self._loop = None

    def announce(
        self,
        kind: str,
        message: str,
        *,
        kernel_id: str | None = None,
        lease_id: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell it soon, on the event loop."""
        loop = self._loop
        if loop is None:
            return
        data = {
            "kind": kind,
            "message": message,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "kernel_id": kernel_id,
            "lease_id": lease_id,
            "detail": dict(detail or {}),
        }
        try:
            loop.call_soon_threadsafe(self._emit, data)
        except RuntimeError:
            pass  # The loop was closed meanwhile: nobody listens.

    def _emit(self, data: dict[str, Any]) -> None:
        if self._logger is None:
            return
        try:
            self._logger.emit(schema_id=SCHEMA_ID, data=data)
        except Exception:
            self._log.exception("gpuctl: the event %s could not be told", data["kind"])
