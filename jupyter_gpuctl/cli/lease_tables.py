"""Leases, quotas and previews, as a terminal of 80 columns shows them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from .words import gpus, local_times, ordinal, plural, read_time, short, span, until, when

BAR = 20
"""Characters."""


def leases_table(answer: dict[str, Any]) -> Any:
    """All leases, in the order of the answer; the note gives way, by wrapping."""
    from rich.table import Table

    now = read_time(answer["time"])
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("ID", "WHO", "GPUS", "UNTIL", "NOTE"):
        fixed = name in ("ID", "GPUS")
        table.add_column(name, no_wrap=fixed, overflow="ellipsis" if fixed else "fold")
    for item in answer["items"]:
        table.add_row(
            short(item["id"]) or "-",
            who(item),
            gpus(item),
            _until(item, now),
            item["note"],
            style="bold" if item["mine"] and item["status"] == "offered" else None,
        )
    return table


def who(item: dict[str, Any]) -> str:
    """``you``, a name, or that it is hidden."""
    return "you" if item["mine"] else item["owner"] or "(hidden)"


def _until(item: dict[str, Any], now: datetime) -> str:
    text = until(item, now)
    if item["status"] == "active":
        return f"{when(read_time(item['expires_at']), now)}, {text}"
    return text


def quota_lines(answer: dict[str, Any]) -> Iterator[str]:
    """What the caller may hold and spend, a bar for each limit."""
    now = read_time(answer["time"])
    groups = f", in {', '.join(answer['groups'])}" if answer["groups"] else ""
    yield f"{answer['user']}{groups}"
    for gauge in answer["gauges"]:
        yield from _gauge(gauge, now)
    yield f"Longest lease: {span(answer['max_lease'])}."
    if answer["models"] is not None:
        yield f"Models: {', '.join(answer['models']) or 'none'}."
    here = ", ".join(answer["available_models"])
    yield f"Here: {here}; at most {answer['largest']} in one lease." if here else "No GPUs here."
    for booking in answer["reservations"]:
        start, end = read_time(booking["start"]), read_time(booking["end"])
        whose = f"your group {booking['group']}" if booking["mine"] else booking["group"]
        yield (
            f"Booked: {plural(booking['gpus'], 'GPU')} for {whose}, "
            f"{when(start, now)} to {when(end, now)}."
        )
    if answer["problem"]:
        yield f"Attention: {answer['problem']}"


_KINDS = {"gpus": "GPUs at once", "gpu_hours": "GPU-hours", "queued": "requests waiting"}


def _gauge(gauge: dict[str, Any], now: datetime) -> Iterator[str]:
    whose = "you" if gauge["scope"] == "user" else gauge["name"]
    name = f"{_KINDS.get(gauge['kind'], gauge['kind'])} ({whose})"
    used, allowed = gauge["used"], gauge["allowed"]
    if allowed is None:
        yield f"  {name:<32} {round(used, 2):g}, not limited"
        return
    filled = round(BAR * min(1.0, used / allowed)) if allowed else BAR
    text = f"{round(used, 2):g} of {allowed:g}"
    if gauge["nominal"] is not None and gauge["nominal"] < allowed:
        text += f", {gauge['nominal']:g} guaranteed"
    if gauge["resets_at"]:
        verb = "drops from" if gauge["window"] == "rolling" else "resets"
        text += f", {verb} {when(read_time(gauge['resets_at']), now)}"
    yield f"  {name:<32} {'█' * filled}{'░' * (BAR - filled)}"
    yield f"  {'':<32} {text}"


def preview_lines(answer: dict[str, Any]) -> Iterator[str]:
    """What would become of a request."""
    verdict, now = answer["verdict"], read_time(answer["time"])
    match verdict["outcome"]:
        case "admitted":
            end = (
                f" until {when(read_time(answer['expires_at']), now)}"
                if answer["expires_at"]
                else ""
            )
            cost = plural(float(f"{answer['gpu_hours']:.4g}"), "GPU-hour")
            yield f"It would start now{end}, and cost up to {cost}."
        case "queued":
            begin = "when is not known"
            if answer["estimated_start"]:
                begin = f"about {when(read_time(answer['estimated_start']), now)}"
            yield f"It would wait, {ordinal(answer['position'])} in line; start: {begin}."
        case _:
            yield "It would be refused."
    if verdict["message"]:
        yield local_times(f"{verdict['message']} {verdict['hint']}".strip(), now)
