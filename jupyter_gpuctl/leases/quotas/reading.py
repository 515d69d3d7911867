"""Quotas as people write them: a mapping of YAML or of a setting, to a :class:`Policy`. Pure.

    default:  {gpus: 1, gpu_hours: {limit: 20, window: 7d}, max_lease: 8h}
    users:    {user-a: {gpus: 4}}
    groups:
      vision: {members: [user-a, user-b], gpus: {nominal: 4, limit: 8}, each: {gpus: 2}}
    reservations:
      - {group: vision, gpus: 4, start: 2027-01-11T10:00, end: 2027-01-11T12:00, timezone: UTC}

An empty value is a mistake, never "no limit": a limit must not vanish by a slip of the keyboard.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..policy import (
    GpuQuota,
    Group,
    HoursQuota,
    Limits,
    Policy,
    Reservation,
    Window,
    WindowKind,
)
from . import values as read
from .values import Mistakes

WEEK = 7 * 24 * 3600
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MOST_HOURS = 1e9
MOST_QUEUED = 1_000_000
MOST_PRIORITY = 1_000_000
MOST_WEIGHT = 1e6

_TOP = (
    "default",
    "users",
    "groups",
    "reservations",
    "names",
    "reclaim_grace",
    "expiry_grace",
    "without_lease",
)
_LIMITS = ("gpus", "gpu_hours", "max_lease", "max_queued", "models", "priority", "weight")
_POOL = tuple(name for name in _LIMITS if name != "max_queued")
_GROUP = ("members", *_LIMITS, "each")
_RESERVATION = ("group", "gpus", "start", "end", "timezone", "gpu_model")
_CALENDAR = (WindowKind.DAILY, WindowKind.WEEKLY, WindowKind.MONTHLY)


def parse(value: Any, *, base: Policy, source: str = "the quotas") -> Policy:
    """``base`` with the quotas of ``value``, a mapping of plain values.

    ``source`` is named in what is told of mistakes.

    Raises:
        InvalidConfig: there are mistakes; all are told at once, each with its place and its mend.
    """
    found = Mistakes()
    if value is None:
        found.say("nothing is written. Write {} if there are to be no quotas.")
    top = read.mapping(found, "", {} if value is None else value, _TOP)
    default = _limits(found, "default", top["default"]) if "default" in top else Limits()
    users = {
        user: _limits(found, place, limits)
        for user, place, limits in _named(found, "users", top.get("users", {}))
    }
    groups = {
        group: _group(found, group, place, given)
        for group, place, given in _named(found, "groups", top.get("groups", {}))
    }
    listed = read.sequence(found, "reservations", top.get("reservations", ()), "[{group: …}]")
    reservations = [
        _reservation(found, f"reservations[{index}]", given, groups)
        for index, given in enumerate(listed)
    ]
    changed: dict[str, Any] = {}
    if "names" in top:
        changed["hide_names"] = _names(found, top["names"])
    for name, example in (("reclaim_grace", "10m"), ("expiry_grace", "5m")):
        if name in top:
            changed[name] = read.duration(found, name, top[name], least=0, example=example)
    if "without_lease" in top:
        changed["unleased_devices"] = _without_lease(found, top["without_lease"])
    found.settle(source)
    return dataclasses.replace(
        base,
        default=default,
        users=users,
        groups=groups,
        reservations=tuple(entry for entry in reservations if entry is not None),
        **changed,
    )


def _named(found: Mistakes, place: str, value: Any) -> list[tuple[str, str, Any]]:
    """Name, place and value of each entry of a mapping whose keys are names."""
    entries, seen = [], set()
    for key, given in read.mapping(found, place, value).items():
        here = read.within(place, key)
        name = read.name(found, here, key)
        if name in seen:  # the number 7 and the text "7"
            found.say(f"{here} is written twice. Leave one of them out.")
        elif name is not None:
            seen.add(name)
            entries.append((name, here, given))
    return entries


def _group(found: Mistakes, name: str, place: str, value: Any) -> Group:
    given = read.mapping(found, place, value, _GROUP)
    members: list[str | None] = []
    if "members" in given:
        listed = read.sequence(found, f"{place}.members", given["members"], "[user-a, user-b]")
        members = [
            read.name(found, f"{place}.members[{index}]", member)
            for index, member in enumerate(listed)
        ]
    elif given:
        found.say(f"{place} has no members. Add members: [user-a, user-b], or members: [].")
    if "max_queued" in given:
        found.say(f"{place}.max_queued counts for each user alone. Write it in {place}.each.")
    each = Limits()
    if "each" in given:
        each = _limits(found, f"{place}.each", given["each"])
    pool = {key: given[key] for key in given if key in _POOL}
    return Group(
        name, frozenset(m for m in members if m is not None), _limits(found, place, pool), each
    )


def _limits(found: Mistakes, place: str, value: Any) -> Limits:
    given = read.mapping(found, place, value, _LIMITS)
    limits: dict[str, Any] = {}
    if "gpus" in given:
        limits["gpus"] = _gpus(found, f"{place}.gpus", given["gpus"])
    if "gpu_hours" in given:
        limits["gpu_hours"] = _hours(found, f"{place}.gpu_hours", given["gpu_hours"])
    if "max_lease" in given:
        limits["max_lease"] = read.duration(
            found, f"{place}.max_lease", given["max_lease"], least=1, example="8h"
        )
    if "models" in given:
        limits["models"] = _models(found, f"{place}.models", given["models"])
    if "max_queued" in given:
        limits["max_queued"] = read.whole(
            found,
            f"{place}.max_queued",
            given["max_queued"],
            least=0,
            most=MOST_QUEUED,
            mend="Write a whole number of requests, such as 5.",
        )
    if "priority" in given:
        limits["priority"] = read.whole(
            found,
            f"{place}.priority",
            given["priority"],
            least=-MOST_PRIORITY,
            most=MOST_PRIORITY,
            mend="Write a whole number, such as 10; higher goes first.",
        )
    if "weight" in given:
        limits["weight"] = read.number(
            found,
            f"{place}.weight",
            given["weight"],
            least=1 / MOST_WEIGHT,
            most=MOST_WEIGHT,
            mend="Write a number above 0, such as 2 for twice the share.",
        )
    return Limits(**limits)


def _gpus(found: Mistakes, place: str, value: Any) -> GpuQuota | None:
    if not isinstance(value, Mapping):
        both = read.devices(found, place, value)
        return None if both is None else GpuQuota(both, both)
    given = read.mapping(found, place, value, ("nominal", "limit"))
    for key in ("nominal", "limit"):
        if key not in given:
            found.say(
                f"{place} has no {key}. Write both, as in {{nominal: 4, limit: 8}}, or one "
                "number where they are the same."
            )
    nominal, limit = (
        read.devices(found, f"{place}.{key}", given[key]) if key in given else None
        for key in ("nominal", "limit")
    )
    if nominal is None or limit is None:
        return None
    if nominal > limit:
        what = f"is more than {place}.limit={read.shown(given['limit'])}."
        mend = "What is guaranteed can't be more than the most: raise limit or lower nominal."
        found.add(f"{place}.nominal", given["nominal"], what, mend)
        return None
    return GpuQuota(nominal, limit)


def _hours(found: Mistakes, place: str, value: Any) -> HoursQuota | None:
    given = value if isinstance(value, Mapping) else {"limit": value}
    here = f"{place}.limit" if isinstance(value, Mapping) else place
    read.mapping(found, place, given, ("limit", "window", "reset", "timezone"))
    if "limit" not in given:
        found.say(f"{place} has no limit. Write it as in {{limit: 20, window: 7d}}.")
        return None
    mend = "Write a number of GPU-hours, such as 20."
    limit = read.number(found, here, given["limit"], least=0, most=MOST_HOURS, mend=mend)
    window = _window(found, place, given)
    return None if limit is None or window is None else HoursQuota(limit, window)


def _window(found: Mistakes, place: str, given: Mapping[Any, Any]) -> Window | None:
    written = given.get("window", "7d")
    word = written.lower() if isinstance(written, str) else ""
    kind = next((kind for kind in _CALENDAR if kind == word), WindowKind.ROLLING)
    if kind is WindowKind.ROLLING and word and not any(letter.isdigit() for letter in word):
        mend = read.meant(written, _CALENDAR, "Write 7d, daily, weekly or monthly.")
        found.add(f"{place}.window", written, "is not a window.", mend)
        return None
    weekday, zone = 0, "UTC"
    if "reset" in given and kind is not WindowKind.WEEKLY:
        mend = "Leave it out, or write window: weekly."
        found.add(f"{place}.reset", given["reset"], "is for weekly windows only.", mend)
    elif "reset" in given:
        weekday = _weekday(found, f"{place}.reset", given["reset"])
    if "timezone" in given and kind is WindowKind.ROLLING:
        mend = "Leave it out, or write window: daily, weekly or monthly."
        found.add(f"{place}.timezone", given["timezone"], "is not for rolling windows.", mend)
    elif "timezone" in given:
        zone = read.timezone(found, f"{place}.timezone", given["timezone"]) or zone
    if kind is not WindowKind.ROLLING:
        return Window(kind, weekday=weekday, timezone=zone)
    seconds = read.duration(found, f"{place}.window", written, least=3600, example="7d")
    return None if seconds is None else Window(WindowKind.ROLLING, seconds=seconds)


def _weekday(found: Mistakes, place: str, value: Any) -> int:
    word = value.lower() if isinstance(value, str) else ""
    if word not in WEEKDAYS:
        mend = read.meant(value, WEEKDAYS, "Write it out, as in monday.")
        found.add(place, value, "is not a day of the week.", mend)
        return 0
    return WEEKDAYS.index(word)


def _models(found: Mistakes, place: str, value: Any) -> tuple[str, ...] | None:
    listed = read.sequence(found, place, value, "[A100, H100]")
    if not listed and isinstance(value, list | tuple):
        found.add(place, value, "allows none.", "Leave it out to allow all models.")
    names = [read.name(found, f"{place}[{i}]", model) for i, model in enumerate(listed)]
    return tuple(name for name in names if name is not None)


def _names(found: Mistakes, value: Any) -> bool:
    if value not in ("hidden", "shown"):
        found.add("names", value, "is not known.", "Write hidden or shown.")
    return bool(value == "hidden")


def _without_lease(found: Mistakes, value: Any) -> bool:
    if value not in ("all", "none"):
        found.add("without_lease", value, "is not known.", "Write all or none.")
    return bool(value == "all")


def _reservation(
    found: Mistakes, place: str, value: Any, groups: Mapping[str, Group]
) -> Reservation | None:
    given = read.mapping(found, place, value, _RESERVATION)
    missing = [key for key in ("group", "gpus", "start", "end") if key not in given]
    if missing:
        if given:
            found.say(f"{place} has no {' and no '.join(missing)}. Add what is missing.")
        return None
    group = read.name(found, f"{place}.group", given["group"])
    if group is not None and group not in groups:
        mend = read.meant(group, groups, "Write one of groups, or add it there.")
        found.add(f"{place}.group", group, "is not one of groups.", mend)
    mend = "Write a whole number of GPUs, such as 4."
    most = read.MOST_DEVICES
    gpus = read.whole(found, f"{place}.gpus", given["gpus"], least=1, most=most, mend=mend)
    model = None
    if "gpu_model" in given:
        model = read.name(found, f"{place}.gpu_model", given["gpu_model"])
    zone = None
    if "timezone" in given:
        named = read.timezone(found, f"{place}.timezone", given["timezone"])
        zone = read.zone_of(named or "UTC")
    start = read.moment(found, f"{place}.start", given["start"], zone)
    end = read.moment(found, f"{place}.end", given["end"], zone)
    if group is None or gpus is None or start is None or end is None:
        return None
    if end <= start:
        what = f"is not after {place}.start={read.shown(given['start'])}."
        found.add(f"{place}.end", given["end"], what, "Write a later end.")
        return None
    return Reservation(group, gpus, start, end, model)
