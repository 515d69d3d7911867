"""Single values of a quota file, read strictly: each mistake is one sentence with its mend. Pure.

Nothing is guessed: what could mean two things (``max_lease: 8``, a time that comes twice when the
clocks change) is a mistake that says how to write either.
"""

from __future__ import annotations

import difflib
import math
import reprlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, tzinfo
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from ...core.errors import InvalidConfig, InvalidInput
from ...core.quantities import parse_duration
from ..model import WHOLE

MOST_DEVICES = 1_000_000
LONGEST = 10 * 366 * 24 * 3600
"""Seconds of the longest duration that is believed: ten years."""
_SHOWN = 20
"""Mistakes that are told in full."""
_LONGEST_NAME = 255

_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxdict, _repr.maxlist, _repr.maxtuple, _repr.maxset = 2, 3, 3, 3, 3
_repr.maxstring = _repr.maxother = 60


def shown(value: Any) -> str:
    """``value`` as a person would recognise it: short, whatever it is."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    try:
        return _repr.repr(value)
    except ValueError:  # Python refuses to write a whole number of thousands of digits
        return "a number of thousands of digits"


def within(place: str, key: object) -> str:
    """The place of ``key`` in the mapping at ``place``: ``groups.vision.gpus``."""
    name = key if isinstance(key, str) and key and key.isprintable() else shown(key)
    return f"{place}.{name[:60]}" if place else name[:60]


def meant(word: object, known: Iterable[str], otherwise: str) -> str:
    """``Did you mean …?`` where one of ``known`` is near, else ``otherwise``."""
    close = difflib.get_close_matches(str(shown(word)).strip("'\"").lower(), list(known), n=1)
    return f"Did you mean {close[0]}?" if close else otherwise


class Mistakes:
    """Gathers every mistake, so that a file is mended in one go."""

    def __init__(self) -> None:
        self._told: list[str] = []
        self._count = 0

    def add(self, place: str, value: Any, what: str, mend: str) -> None:
        """``place=value what. mend``."""
        if value is None:
            self.say(f"{place} is empty. {mend}")
        else:
            self.say(lambda: f"{place}={shown(value)} {what} {mend}")

    def say(self, sentence: str | Callable[[], str]) -> None:
        """``sentence`` is a text, or gives one: it isn't asked once there are too many."""
        self._count += 1
        if self._count <= _SHOWN:
            self._told.append(sentence if isinstance(sentence, str) else sentence())

    def settle(self, source: str) -> None:
        """Raise what has been gathered.

        Raises:
            InvalidConfig: there was at least one mistake; one line each, ``source`` named.
        """
        if not self._count:
            return
        lines = list(self._told)
        if self._count > _SHOWN:
            lines.append(f"There are {self._count - _SHOWN} more mistakes.")
        if len(lines) == 1:
            message = f"In {source}, {lines[0]}"
        else:
            message = "\n".join([f"In {source} there are {self._count} mistakes:", *lines])
        raise InvalidConfig("config.invalid", message, detail={"mistakes": lines})


def mapping(
    found: Mistakes, place: str, value: Any, known: Iterable[str] | None = None
) -> Mapping[Any, Any]:
    """A mapping, whose keys are among ``known`` where that is given."""
    if not isinstance(value, Mapping):
        example = "name" if known is None else next(iter(known))
        mend = f"Write names and values, as in {{{example}: …}}."
        if place:
            found.add(place, value, "is not a mapping.", mend)
        else:
            found.say(f"{shown(value)} is not a mapping. {mend}")
        return {}
    if known is None:
        return value
    names = list(known)
    for key in value:
        if key not in names:
            found.say(partial(_unknown, place, key, names))
    return value


def _unknown(place: str, key: object, names: list[str]) -> str:
    mend = meant(key, names, f"It can be one of: {', '.join(names)}.")
    return f"{within(place, key)} is not known. {mend}"


def sequence(found: Mistakes, place: str, value: Any, example: str) -> tuple[Any, ...]:
    """A list; a single text is a mistake, not a list of its letters."""
    if isinstance(value, list | tuple):
        return tuple(value)
    found.add(place, value, "is not a list.", f"Write it in brackets, as in {example}.")
    return ()


def name(found: Mistakes, place: str, value: Any) -> str | None:
    """A name of a user, a group or a model; whole numbers are names too (student numbers)."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18:
        return str(value)
    if not isinstance(value, str):
        found.add(place, value, "is not a name.", "Write a name; put it in quotes.")
    elif not value or value != value.strip() or not value.isprintable():
        found.add(place, value, "is not a name.", "Write it without blanks around it.")
    elif len(value) > _LONGEST_NAME:
        found.add(place, value, "is too long.", f"Write at most {_LONGEST_NAME} letters.")
    else:
        return value
    return None


def number(
    found: Mistakes, place: str, value: Any, *, least: float, most: float, mend: str
) -> float | None:
    """A finite number between ``least`` and ``most``."""
    if isinstance(value, bool):
        found.add(place, value, "is yes or no, not a number.", mend)
    elif isinstance(value, str):
        found.add(place, value, "is text, not a number.", f"{mend} Use no quotes or units.")
    elif not isinstance(value, int | float):
        found.add(place, value, "is not a number.", mend)
    elif isinstance(value, float) and not math.isfinite(value):
        found.add(place, value, "is not a finite number.", mend)
    elif value < least:
        found.add(place, value, f"is below {least:.12g}.", mend)
    elif value > most:
        found.add(place, value, f"is above {most:.12g}.", mend)
    else:
        return float(value)
    return None


def whole(
    found: Mistakes, place: str, value: Any, *, least: int, most: int, mend: str
) -> int | None:
    """A whole number between ``least`` and ``most``."""
    read = number(found, place, value, least=least, most=most, mend=mend)
    if read is not None and not read.is_integer():
        found.add(place, value, "is not a whole number.", mend)
        return None
    return None if read is None else int(read)


def devices(found: Mistakes, place: str, value: Any) -> int | None:
    """Devices, in thousandths of one."""
    mend = "Write a number of GPUs, such as 2 or 0.5."
    read = number(found, place, value, least=0, most=MOST_DEVICES, mend=mend)
    if read is None:
        return None
    milli = round(read * WHOLE)
    if not math.isclose(milli, read * WHOLE, abs_tol=1e-6):
        found.add(place, value, "has more than three decimals.", mend)
        return None
    return milli


def duration(found: Mistakes, place: str, value: Any, *, least: int, example: str) -> int | None:
    """Whole seconds of at least ``least``: ``8h``, or a number of seconds from a minute on."""
    mend = f"Write a number with a unit, such as {example}."
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        found.add(place, value, "is not a duration.", mend)
        return None
    try:
        seconds = parse_duration(value if not isinstance(value, str) or len(value) < 64 else "")
    except (InvalidInput, ValueError):
        found.add(place, value, "is not a duration.", mend)
        return None
    if not isinstance(value, str) and 0 < seconds < 60:
        found.add(place, value, "has no unit, and would mean so many seconds.", mend)
    elif not least <= seconds <= LONGEST:
        bounds = f"between {_spoken(least)} and ten years"
        found.add(place, value, f"is not {bounds}.", mend)
    elif seconds != int(seconds):
        found.add(place, value, "is not in whole seconds.", mend)
    else:
        return int(seconds)
    return None


def _spoken(seconds: int) -> str:
    return "an hour" if seconds == 3600 else f"{seconds} s"


def timezone(found: Mistakes, place: str, value: Any) -> str | None:
    """A time zone's name, as the IANA database has it."""
    if isinstance(value, str) and zone_of(value) is not None:
        return value
    zones = available_timezones()
    # Many give the city alone, or write it in their own way.
    cities = {zone.rpartition("/")[2].lower(): zone for zone in sorted(zones, reverse=True)}
    text = str(value)[:60].lower().replace(" ", "_")
    near = difflib.get_close_matches(text.rpartition("/")[2], cities, n=1)
    if not zones:
        mend = "This machine has no time zone database: install the package tzdata."
    elif near:
        mend = f"Did you mean {cities[near[0]]}?"
    else:
        mend = "Write it as in Asia/Tokyo, Europe/Berlin or UTC."
    found.add(place, value, "is not a time zone.", mend)
    return None


def zone_of(text: str) -> tzinfo | None:
    """The time zone of this name; ``None``: there is none."""
    if text == "UTC":
        return UTC
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):  # not there; no such path; a folder such as Europe
        return None


def moment(found: Mistakes, place: str, value: Any, zone: tzinfo | None) -> float | None:
    """Epoch seconds of a time with its own offset, or else a local time in ``zone``."""
    example = "2027-01-11T10:00"
    time = _datetime(value)
    if time is None:
        found.add(place, value, "is not a date with a time of day.", f"Write it as in {example}.")
        return None
    if time.tzinfo is None and zone is None:
        mend = f"Add timezone: Asia/Tokyo beside it, or write {example}+09:00."
        found.add(place, value, "says no time zone.", mend)
        return None
    if not 1971 <= time.year <= 9000:
        found.add(place, value, "is too far away.", f"Write it as in {example}.")
        return None
    return time.timestamp() if time.tzinfo is not None else _local(found, place, time, zone)


def _datetime(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or len(value.strip()) < len("2027-01-11T10") or len(value) > 40:
        return None
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        return None


def _local(found: Mistakes, place: str, time: datetime, zone: tzinfo | None) -> float | None:
    early, late = (time.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if early.utcoffset() == late.utcoffset():
        return early.timestamp()
    skipped = early.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != time
    what = "does not exist" if skipped else "comes twice"
    written = " or ".join(sorted(t.isoformat(timespec="minutes") for t in (early, late)))
    mend = f"Choose another time, or write it with its offset: {written}."
    found.add(place, time, f"{what} in {zone}, where the clocks change then.", mend)
    return None
