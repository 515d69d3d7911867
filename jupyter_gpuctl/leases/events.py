"""What happens to leases, told on the server's event bus.

The only user of ``jupyter_events``: the Lab plugin, and whoever else listens, hears of it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .changes import Change

SCHEMA_ID = "https://events.jupyter.org/jupyter_gpuctl/lease/v1"
SCHEMA = Path(__file__).with_name("lease_event.yaml")
OTHERS = "lease.others"
EXPIRING = "lease.expiring"


class EventLogger(Protocol):
    """What is used of the server's ``EventLogger``."""

    def register_event_schema(self, schema: Any) -> None: ...

    def emit(self, *, schema_id: str, data: dict[str, Any]) -> dict[str, Any] | None: ...


class LeaseEvents:
    """Announces; on the event loop only.

    Whoever may listen to this server hears all of its owner's leases, and of other people's only
    that something has changed: their names may be hidden, and ``GET leases`` decides about that.
    """

    def __init__(self, logger: EventLogger, owner: str) -> None:
        self._logger = logger
        self._owner = owner
        logger.register_event_schema(SCHEMA)

    def announce(self, change: Change, *, left: float | None = None) -> None:
        """Tell of one change; ``left`` seconds until the end, of a warning."""
        mine = change.owner == self._owner
        data: dict[str, Any] = {
            "kind": change.kind if mine else OTHERS,
            "lease_id": change.lease_id if mine else None,
            "owner": change.owner if mine else None,
            "time": datetime.fromtimestamp(change.time, UTC).isoformat(timespec="milliseconds"),
            "message": change.message if mine else "",
        }
        if left is not None:
            data["left"] = left
        self._logger.emit(schema_id=SCHEMA_ID, data=data)
