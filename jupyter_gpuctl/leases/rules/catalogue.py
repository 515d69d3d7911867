"""Devices in the order and the groups that requests tell apart. Pure.

A *cell* is all devices of one model on one host: the devices of one lease come from one cell. A
*kind* is what cells have in common: the model, and the memory of the devices. A *want* is what a
request, within the limits of its owner, can be served from; equal requests share one.

Everything is numbered, devices by host, index and UUID, so that ties are broken by numbers and
decisions don't depend on the order of the input.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import TypeAlias

from ..model import WHOLE, LeasableDevice, Request

Allowed: TypeAlias = tuple[tuple[str, ...] | None, ...]
"""Models that limits allow, each of them; ``None``: any."""

_UNKNOWN = -1
"""Memory that isn't known: less than anybody can ask for."""


def matches(patterns: Iterable[str], model: str) -> bool:
    """Whether one of ``patterns`` stands in ``model`` as whole words, in any case of letters.

    So ``A10`` is neither an A100 nor an A10G, and ``1g.18gb`` is found in a MIG instance's name.
    """
    return any(_words(pattern).search(model) for pattern in patterns)


@lru_cache(maxsize=1024)
def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_]){re.escape(pattern)}(?![^\W_])", re.IGNORECASE)


def alternatives(model: str | None) -> tuple[str, ...] | None:
    """The models between the ``|`` of a request; ``None``: any."""
    parts = tuple(part.strip() for part in (model or "").split("|"))
    return tuple(part for part in parts if part) or None


class Want:
    """What a request can be served from."""

    __slots__ = (
        "count",
        "firsts",
        "group",
        "kinds",
        "memory",
        "milli",
        "number",
        "places",
        "shared",
    )

    def __init__(
        self, number: int, group: int, request: Request, places: tuple[tuple[int, int], ...]
    ) -> None:
        self.number = number
        """Equal for equal wants of one cycle."""
        self.count = request.count
        self.milli = request.milli
        self.shared = request.shared
        self.memory = request.memory or 0
        """Bytes: of each device at least, or within the shared one."""
        self.places = places
        """Kinds in the order in which they are tried, each with the first device of a cell (they
        stand by memory) that has enough memory. Empty: nothing here could ever serve it."""
        self.kinds = sum(1 << kind for kind, _ in places)
        """The same kinds as bits."""
        self.firsts = dict(places)
        self.group = group
        """Equal for wants with equal places."""


class Catalogue:
    """The devices of one snapshot, numbered and grouped."""

    def __init__(
        self, devices: Iterable[LeasableDevice], wanted: Mapping[str | None, int] | None = None
    ) -> None:
        """``wanted``: how many waiting requests name each model, as requests write it."""
        self.devices = sorted(devices, key=attrgetter("host", "index", "uuid"))
        self.number = {device.uuid: n for n, device in enumerate(self.devices)}
        self.cells: list[list[int]] = []
        """Numbers of devices, least memory first."""
        self.cell_of = [0] * len(self.devices)
        self._group()
        self.kind_of: list[int] = []
        """Of each cell."""
        self.models: list[str] = []
        """Of each kind."""
        self.memories: list[tuple[int, ...]] = []
        """Of each kind: bytes, one for all devices of a cell or one for each."""
        self.largest: list[int] = []
        """Of each kind: devices of the largest cell."""
        self.cells_of: list[list[int]] = []
        """Of each kind, in order."""
        self._sort_into_kinds()
        self._order = self._preference(wanted or {})
        self._groups: dict[tuple[tuple[int, int], ...], int] = {}
        self._wants: dict[tuple[object, ...], Want] = {}

    def _group(self) -> None:
        host = None
        of_host: dict[str, int] = {}
        for number, device in enumerate(self.devices):
            if device.host != host:
                host, of_host = device.host, {}
            cell = of_host.get(device.model)
            if cell is None:
                cell = of_host[device.model] = len(self.cells)
                self.cells.append([])
            self.cells[cell].append(number)
            self.cell_of[number] = cell

    def _sort_into_kinds(self) -> None:
        seen: dict[tuple[str, tuple[int, ...]], int] = {}
        devices = self.devices
        for cell, members in enumerate(self.cells):
            sizes = [devices[n].memory for n in members]
            if sizes.count(sizes[0]) == len(sizes):
                memories: tuple[int, ...] = (_UNKNOWN if sizes[0] is None else sizes[0],)
            else:
                members.sort(key=lambda n: (_memory(devices[n]), n))
                memories = tuple(_memory(devices[n]) for n in members)
            key = (devices[members[0]].model, memories)
            kind = seen.get(key)
            if kind is None:
                kind = seen[key] = len(self.models)
                self.models.append(key[0])
                self.memories.append(memories)
                self.largest.append(0)
                self.cells_of.append([])
            self.kind_of.append(kind)
            self.largest[kind] = max(self.largest[kind], len(members))
            self.cells_of[kind].append(cell)

    def _preference(self, wanted: Mapping[str | None, int]) -> list[int]:
        """The least capable kind first, then the one that the fewest ask for by name."""
        demand = [0] * len(self.models)
        for model, requests in wanted.items():
            patterns = alternatives(model)
            for kind, name in enumerate(self.models):
                if patterns is not None and matches(patterns, name):
                    demand[kind] += requests
        return sorted(
            range(len(self.models)),
            key=lambda kind: (self.memories[kind], demand[kind], self.models[kind]),
        )

    def want(self, request: Request, allowed: Allowed = ()) -> Want:
        """What ``request`` can be served from."""
        key = (request.milli, request.memory, request.model, allowed)
        found = self._wants.get(key)
        if found is None:
            places = self._places(request, allowed)
            group = self._groups.setdefault(places, len(self._groups))
            found = self._wants[key] = Want(len(self._wants), group, request, places)
        return found

    def _places(self, request: Request, allowed: Allowed) -> tuple[tuple[int, int], ...]:
        conditions = [c for c in (alternatives(request.model), *allowed) if c is not None]
        places = []
        for kind in self._order:
            memories = self.memories[kind]
            first = bisect_left(memories, request.memory or _UNKNOWN)
            enough = self.largest[kind] if first == 0 else len(memories) - first
            if (
                first < len(memories)
                and enough >= request.count
                and all(matches(patterns, self.models[kind]) for patterns in conditions)
            ):
                places.append((kind, first))
        return tuple(places)

    def most(self, request: Request, allowed: Allowed = ()) -> int:
        """The most whole devices that such a request could ever get together."""
        for count in range(max(self.largest, default=0), 0, -1):
            smaller = Request(count * WHOLE, request.duration, request.memory, request.model)
            if self._places(smaller, allowed):
                return count
        return 0


def _memory(device: LeasableDevice) -> int:
    return _UNKNOWN if device.memory is None else device.memory
