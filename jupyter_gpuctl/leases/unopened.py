"""What there is to read before anybody has written: nothing. Looking makes no database."""

from __future__ import annotations

from collections.abc import Mapping

from .model import Account, Lease
from .ports import Kept, Remembered


class NothingYet:
    """Implements :class:`.ports.LeaseReader`."""

    revision = -1

    def kept(self) -> Kept:
        return Kept(None, 0.0)

    def live(self) -> tuple[Lease, ...]:
        return ()

    def get(self, lease_id: str) -> Lease | None:
        return None

    def accounts(
        self, now: float, user_windows: Mapping[str, float], group_windows: Mapping[str, float]
    ) -> tuple[Mapping[str, Account], Mapping[str, Account]]:
        return {}, {}

    def remembered(self, owner: str, key: str) -> Remembered | None:
        return None
