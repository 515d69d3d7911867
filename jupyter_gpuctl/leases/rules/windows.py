"""Where the present window of a GPU-hour limit begins and ends. Pure.

Calendar windows are cut at local midnight of the window's time zone, as the IANA database has it:
a week is 167 or 169 hours long when the clocks change in it. Where the clocks skip midnight (they
do in Chile and Lebanon) the day begins with its first moment; where midnight comes twice it begins
with the first one.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from ..policy import Window, WindowKind


# A decision asks for the windows of all users at one moment, and most have the default's.
@lru_cache(maxsize=64)
def bounds(window: Window, now: float) -> tuple[float, float]:
    """When ``window``, as it stands at ``now``, began, and when it resets: epoch seconds.

    ``start <= now < reset``. A rolling window began ``seconds`` ago, and what is used now drops
    out of it ``seconds`` from now.

    Raises:
        zoneinfo.ZoneInfoNotFoundError: no such time zone (``quotas.parse`` lets none pass).
    """
    if window.kind is WindowKind.ROLLING:
        return now - window.seconds, now + window.seconds
    zone = _zone(window.timezone)
    today = datetime.fromtimestamp(now, zone).date()
    # The local date can run backwards (midnight twice) and skip days (Samoa in 2011), so windows
    # are told apart by when they begin and not by the date that it is now.
    first = _previous(window, _first_day(window, today))
    start = _begins(first, zone)
    while True:
        first = _next(window, first)
        reset = _begins(first, zone)
        if now < reset:
            return start, reset
        start = reset


def _first_day(window: Window, day: date) -> date:
    """Of the window that ``day`` lies in."""
    if window.kind is WindowKind.WEEKLY:
        return day - timedelta((day.weekday() - window.weekday) % 7)
    return day.replace(day=1) if window.kind is WindowKind.MONTHLY else day


def _next(window: Window, first: date) -> date:
    if window.kind is WindowKind.MONTHLY:
        return (first + timedelta(31)).replace(day=1)
    return first + timedelta(7 if window.kind is WindowKind.WEEKLY else 1)


def _previous(window: Window, first: date) -> date:
    return _first_day(window, first - timedelta(1))


def _begins(day: date, zone: tzinfo) -> float:
    # fold=0, the default, is the first of two midnights, and reads a midnight that is skipped with
    # the offset before it: that is the very moment of the skip.
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


def _zone(name: str) -> tzinfo:
    # The default must work without a time zone database.
    return UTC if name == "UTC" else ZoneInfo(name)
