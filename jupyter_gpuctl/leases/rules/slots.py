"""Devices that are filled with shares in a forecast, a few at a time. Pure.

For where so many are shared that not all can be looked at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from .catalogue import Want

_OPEN = 8
"""Devices that are filled at a time, of those that serve the same."""


class Slot:
    """A device on which nothing but shares is planned."""

    __slots__ = ("device", "memory", "milli", "start", "version")

    def __init__(self, device: int, start: float, milli: int, memory: int, version: int) -> None:
        self.device = device
        self.start = start
        self.milli = milli
        """What is left, as if all shares on it stayed for ever."""
        self.memory = memory
        self.version = version
        """Of the device: another one, and something else is planned there too."""

    def fill(self, want: Want) -> None:
        """A share for ``want`` is booked on it."""
        self.milli -= want.milli
        self.memory -= want.memory
        self.version += 1


class Slots:
    """The newest of them, by the places of wants."""

    def __init__(self) -> None:
        self._open: dict[int, deque[Slot]] = {}

    def add(self, want: Want, slot: Slot) -> None:
        """One that ``want`` has begun."""
        slots = self._open.get(want.group)
        if slots is None:
            slots = self._open[want.group] = deque(maxlen=_OPEN)
        slots.append(slot)

    def find(self, want: Want, versions: Sequence[int]) -> Slot | None:
        """The first that has room."""
        for slot in self._open.get(want.group, ()):
            if (
                slot.milli >= want.milli
                and slot.memory >= want.memory
                and slot.version == versions[slot.device]
            ):
                return slot
        return None
