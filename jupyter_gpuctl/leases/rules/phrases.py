"""Amounts and times as people read them, in sentences of :mod:`.verdicts`. Pure.

Times are UTC, rounded so that nothing is promised: ends up, what may be asked for down.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil

from ...core.quantities import format_bytes
from ..model import WHOLE
from .accounting import GPU_HOUR

_DAY = 24 * 3600


def size(amount: int) -> str:
    """Bytes, in GiB where they are as many."""
    return f"{amount / 2**30:.4g} GiB" if amount >= 2**30 else format_bytes(amount)


def gpus(milli: int) -> str:
    """``1 GPU``, ``4 GPUs``, ``0.25 GPU``."""
    return f"{milli / WHOLE:g} GPU{'s' if milli > WHOLE else ''}"


def hours(amount: float) -> str:
    """GPU-hours of milli-device-seconds, to a tenth, or to a thousandth where they are few."""
    value = amount / GPU_HOUR
    return f"{round(value, 1):g}" if value >= 1 or value == 0 else f"{round(value, 3):g}"


def span(seconds: float) -> str:
    """``45 s``, ``35 min``, ``1 h 20 min``, ``2 d 3 h``; rounded down."""
    if seconds < 60:
        return f"{max(0, int(seconds))} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    whole, minutes = divmod(minutes, 60)
    if whole < 48:
        return f"{whole} h {minutes} min" if minutes else f"{whole} h"
    days, whole = divmod(whole, 24)
    return f"{days} d {whole} h" if whole else f"{days} d"


def moment(time: float, now: float) -> str:
    """``14:20 UTC``, ``Monday 00:00 UTC``, ``2027-01-11 10:00 UTC``: as short as it is clear."""
    return _said(ceil(time / 60) * 60, time, now)


def deadline(time: float, now: float) -> str:
    """The same, rounded down: by then one has to be done."""
    return _said(time // 60 * 60, time, now)


def _said(rounded: float, time: float, now: float) -> str:
    then = datetime.fromtimestamp(rounded, UTC)
    if -3600 < time - now < _DAY / 2 or then.date() == datetime.fromtimestamp(now, UTC).date():
        return f"{then:%H:%M} UTC"
    return f"{then:%A %H:%M} UTC" if 0 < time - now < 6 * _DAY else f"{then:%Y-%m-%d %H:%M} UTC"
