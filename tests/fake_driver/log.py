"""Reads the log of driver calls that log.c writes."""

from __future__ import annotations

import struct
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

_FUNCTIONS, _RECORDS, _NAME = 128, 1 << 16, 72
_HEADER = struct.Struct("<QQ")
_SLOT = struct.Struct(f"<{_NAME}sQ")
_RECORD = struct.Struct("<QIIii")


@dataclass(frozen=True)
class Call:
    function: str
    """The symbol of the C library."""
    device: int | None
    """Position in the scenario, MIG instances counted after their parent."""
    pid: int
    thread: int
    """As :func:`threading.get_native_id` gives it."""
    began: float
    """Seconds, :func:`time.monotonic`."""


@dataclass(frozen=True)
class CallLog:
    """All driver calls of all processes that were given this file. Cheap to read at any time."""

    path: Path

    def counts(self) -> Counter[str]:
        """How many calls of each function began."""
        return Counter(dict(self._slots(self._read())))

    def total(self) -> int:
        """How many calls began."""
        data = self._read()
        return _HEADER.unpack_from(data)[0] if data else 0

    def calls(self) -> list[Call]:
        """Every call, oldest first.

        Raises:
            OverflowError: there were more than the log keeps (65,536).
        """
        data = self._read()
        if not data:
            return []
        total = _HEADER.unpack_from(data)[0]
        if total > _RECORDS:
            raise OverflowError(f"{total} calls, and the log keeps {_RECORDS}")
        names = [name for name, _ in self._slots(data, empty=True)]
        start = _HEADER.size + _FUNCTIONS * _SLOT.size
        calls = []
        for place in range(total):
            began, pid, thread, function, device = _RECORD.unpack_from(
                data, start + place * _RECORD.size
            )
            calls.append(
                Call(names[function], None if device < 0 else device, pid, thread, began / 1e9)
            )
        return calls

    def threads(self) -> set[int]:
        """The native ids of the threads that called."""
        return {call.thread for call in self.calls()}

    def wait_for(self, function: str, count: int = 1, *, deadline: float = 30) -> None:
        """Return as soon as ``function`` was called ``count`` times.

        Raises:
            TimeoutError: it wasn't within ``deadline`` seconds.
        """
        end = time.monotonic() + deadline
        while self.counts()[function] < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{function} was called {self.counts()[function]} times")
            time.sleep(0.002)

    def _read(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                start = file.read(_HEADER.size + _FUNCTIONS * _SLOT.size)
                total = _HEADER.unpack_from(start)[0] if start else 0
                return start + file.read(min(total, _RECORDS) * _RECORD.size)
        except FileNotFoundError:
            return b""

    @staticmethod
    def _slots(data: bytes, *, empty: bool = False) -> list[tuple[str, int]]:
        if not data:
            return []
        slots = []
        for place in range(_FUNCTIONS):
            name, count = _SLOT.unpack_from(data, _HEADER.size + place * _SLOT.size)
            if name[0] or empty:
                slots.append((name.rstrip(b"\0").decode(), count))
        return slots
