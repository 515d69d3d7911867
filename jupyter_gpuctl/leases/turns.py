"""One write transaction of the authority, and what was known after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.errors import GpuCtlError
from .answers import Picture
from .books import Books, Conditions
from .model import Lease, Outlook, Snapshot
from .ports import Kept, LeaseTransaction


@dataclass(frozen=True, slots=True)
class State:
    """What was known after the newest look at the store."""

    revision: int
    kept: Kept
    conditions: Conditions
    live: Mapping[str, Lease]
    picture: Picture


class Turn:
    """One write transaction."""

    def __init__(
        self,
        transaction: LeaseTransaction,
        conditions: Conditions,
        asking: str,
        newest: State | None,
    ) -> None:
        self.transaction = transaction
        self.conditions = conditions
        same = newest is not None and newest.revision == transaction.revision
        known = newest.live if newest is not None and same else None
        self.books = Books(transaction, conditions, asking, known=known)
        self.before = dict(self.books.live)
        self.refusal: GpuCtlError | None = None
        """Raised after the commit: that something was refused is written down too."""
        self._state: State | None = None

    def lease(self, lease_id: str) -> Lease | None:
        """Live or ended."""
        return self.books.live.get(lease_id) or self.transaction.get(lease_id)

    def state(self) -> State:
        """After the turn: asking for it ends the writing."""
        if self._state is None:
            outlook = self.books.outlook or self.books.settle()
            told = self.conditions.told
            self._state = State(
                self.transaction.revision,
                Kept(told.anchor, told.now),
                self.conditions,
                dict(self.books.live),
                picture_of(self.books.snapshot, outlook, self.conditions),
            )
        return self._state


def picture_of(snapshot: Snapshot, outlook: Outlook, conditions: Conditions) -> Picture:
    """How it stands with all leases."""
    return Picture.of(
        snapshot,
        outlook,
        conditions.now,
        conditions.problem,
        conditions.hint,
        {device.uuid: f"GPU {device.index}" for device in conditions.view.gone},
    )
