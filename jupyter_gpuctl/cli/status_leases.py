"""Who holds which GPU until when: what ``status`` adds to the devices."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..core.encoding import to_json
from ..core.errors import GpuCtlError
from ..host.identity import server_user
from .lease_tables import who
from .servers import Server
from .words import gpus, plural, read_time, until, when

if TYPE_CHECKING:
    from ..config import GpuCtl
    from ..gpus.sampler import Pass

NONE: dict[str, Any] = {"items": [], "time": None, "problem": None}


def of_servers(servers: Iterable[Server]) -> dict[str, Any] | None:
    """All live leases, from the first server that knows; ``None``: none does."""
    for server in servers:
        try:
            return {**server.get("leases"), "problem": None}
        except (OSError, ValueError):
            continue
    return None


def of_database(settings: GpuCtl, newest: Callable[[], Pass | None]) -> dict[str, Any]:
    """All live leases, from the database; what is wrong with it in ``problem``."""
    from ..api.checks import CheckStatus
    from ..composition import authority, database_exists
    from ..leases.devices import SampledDevices

    try:
        if not database_exists(settings):
            return NONE
        from ..leases.service import Actor

        found = authority(settings, SampledDevices(newest), log=logging.getLogger("gpuctl"))
        try:
            answer = to_json(found.leases(Actor(server_user().name)))
            store = found.checks()["store"]
            away = store.status is CheckStatus.ERROR
            return {**answer, "problem": f"{store.message} {store.hint}" if away else None}
        finally:
            found.close()
    except GpuCtlError as error:
        return NONE | {"problem": str(error)}


def render(
    devices: list[dict[str, Any]],
    leases: dict[str, Any],
    table: Callable[[Mapping[str, str], list[tuple[str, ...]]], Any],
) -> list[Any]:
    """Who holds what, and how many wait; nothing where nobody does."""
    from rich.text import Text

    parts: list[Any] = []
    if held := rows(devices, leases):
        parts.append(table(dict.fromkeys(["GPU", "HELD BY", "UNTIL"], "left"), held))
    if line := waiting(leases):
        parts.append(Text(line))
    if leases["problem"]:
        parts.append(Text(leases["problem"], "yellow"))
    return [*parts, Text()] if parts else []


def rows(devices: list[dict[str, Any]], leases: dict[str, Any]) -> list[tuple[str, ...]]:
    """``GPU``, ``HELD BY``, ``UNTIL`` for each lease on each device; free devices are left out."""
    if not leases["items"]:
        return []
    now = read_time(leases["time"])
    return [
        (str(device["index"]), _holder(lease), _until(lease, now))
        for device in devices
        for lease in leases["items"]
        if device["uuid"] in lease["devices"]
    ]


def waiting(leases: dict[str, Any]) -> str:
    """How many wait, and the caller's own place; empty where nobody waits."""
    queue = [lease for lease in leases["items"] if lease["status"] == "queued"]
    if not queue:
        return ""
    text = f"{plural(len(queue), 'request')} in the queue"
    own = [lease for lease in queue if lease["mine"]]
    if own:
        text += f"; yours: {until(own[0], read_time(leases['time']))}"
    return f"{text}."


def _holder(lease: dict[str, Any]) -> str:
    share = f" ({gpus(lease)})" if lease["gpus"] < 1 else ""
    return who(lease) + share


def _until(lease: dict[str, Any], now: datetime) -> str:
    if lease["status"] == "offered":
        return until(lease, now)
    return f"{when(read_time(lease['expires_at']), now)}, {until(lease, now)}"
