"""Who uses a GPU in a way that leases don't allow: what ``status`` adds below the tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .servers import Server

SHOWN = 5
"""Findings that are told one by one."""


def of_servers(servers: Iterable[Server]) -> list[dict[str, Any]]:
    """What the servers have found, each process once; those that don't know are passed over."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for server in servers:
        try:
            items = server.get("kernels").get("findings", [])
        except (OSError, ValueError):
            continue
        for each in items:
            found.setdefault((each["pid"], each["device"], each["kind"]), each)
    return list(found.values())


def render(findings: list[dict[str, Any]]) -> list[Any]:
    """Nothing where nothing was found."""
    from rich.text import Text

    if not findings:
        return []
    some = "1 process uses a GPU" if len(findings) == 1 else f"{len(findings)} processes use GPUs"
    head = f"{some} in a way that leases don't allow:"
    lines = [Text(head, "yellow"), *(Text(f"  {each['message']}") for each in findings[:SHOWN])]
    if len(findings) > SHOWN:
        lines.append(Text(f"  … and {len(findings) - SHOWN} more"))
    return [*lines, Text()]
