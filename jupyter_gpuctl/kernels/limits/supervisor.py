"""The one thread that looks after the limits of kernels. It runs only while a kernel needs it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ...host.trees import Families
from .confinement import Confinement, WatchedConfinement


@dataclass(slots=True)
class _Entry:
    confinement: Confinement
    due: float = 0.0
    told: bool = False
    missed: bool = False


class Supervisor:
    """Told once a start, on the supervisor's thread: ``refused`` of kernels that could not start
    another process, ``missed`` of those that run outside of what was to hold them.
    """

    def __init__(
        self,
        families: Families,
        *,
        refused: Callable[[str], None],
        missed: Callable[[str], None],
        log: logging.Logger,
    ) -> None:
        self._families = families
        self._refused = refused
        self._missed = missed
        self._log = log
        self._changed = threading.Condition()
        self._entries: dict[str, _Entry] = {}
        self._thread: threading.Thread | None = None

    def add(self, kernel_id: str, confinement: Confinement) -> None:
        """Look after it from now on."""
        with self._changed:
            self._entries[kernel_id] = _Entry(confinement)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="gpuctl-limits", daemon=True)
                self._thread.start()
            self._changed.notify()

    def remove(self, kernel_id: str) -> None:
        """No longer; a look that has begun is finished."""
        with self._changed:
            self._entries.pop(kernel_id, None)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._entries:
                    self._thread = None
                    return
                due = min(entry.due for entry in self._entries.values())
                now = time.monotonic()
                if due > now:
                    self._changed.wait(due - now)
                    continue
                entries = {k: e for k, e in self._entries.items() if e.due <= now}
            self._look(entries)

    def _look(self, entries: dict[str, _Entry]) -> None:
        watched = [
            entry.confinement
            for entry in entries.values()
            if isinstance(entry.confinement, WatchedConfinement)
        ]
        if watched:
            crowds = self._families.crowds()
            for confinement in watched:
                confinement.crowd = crowds.get(confinement.root or 0, 0)
            if not any(confinement.crowded for confinement in watched):
                listing = self._families.look()
                for confinement in watched:
                    confinement.members = listing.get(confinement.root or 0, ())
        for kernel_id, entry in entries.items():
            try:
                self._look_at(kernel_id, entry)
            except Exception:
                self._log.exception("gpuctl: the limits of kernel %s can't be read", kernel_id)
            entry.due = time.monotonic() + entry.confinement.wait

    def _look_at(self, kernel_id: str, entry: _Entry) -> None:
        confinement = entry.confinement
        with confinement.lock:
            with self._changed:
                if self._entries.get(kernel_id) is not entry:
                    return
            if confinement.look() is not None:
                confinement.kill()
        if confinement.refused and not entry.told:
            entry.told = True
            self._refused(kernel_id)
        if confinement.missed and not entry.missed:
            entry.missed = True
            self._missed(kernel_id)
