"""``GET gpus``."""

from __future__ import annotations

from ..api.base import GpuCtlHandler
from ..api.routes import Operation, Query, Route
from .answers import ALL, NEWEST
from .service import Monitor
from .wire import GpusAnswer


class GpusHandler(GpuCtlHandler):
    """Devices, their newest sample, and the samples since."""

    def initialize(self, monitor: Monitor) -> None:
        self._monitor = monitor

    async def get(self) -> None:
        detail = self.get_query_argument("detail", NEWEST)
        self.answer(self._monitor.look(self.integer("since"), detail))


ROUTES = (
    Route(
        "gpus",
        GpusHandler,
        (
            Operation(
                "GET",
                "Devices, their newest sample, and the samples since",
                GpusAnswer,
                query=(
                    Query(
                        "since",
                        int,
                        "Give the samples newer than this seq, at most the last hour; 0 for all. "
                        "Left out: the newest only",
                    ),
                    Query(
                        "detail",
                        str,
                        "Whether samples older than the newest carry processes and kernels too",
                        (NEWEST, ALL),
                    ),
                ),
                errors=(400, 403, 503),
            ),
        ),
    ),
)
