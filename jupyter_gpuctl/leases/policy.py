"""What people may hold, spend and keep: frozen values, and who is bound by what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class WindowKind(StrEnum):
    """How the time is cut over which GPU-hours are counted."""

    ROLLING = "rolling"
    """The last ``seconds``, at any time."""
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class Strength(StrEnum):
    """How strongly leases are enforced."""

    OFF = "off"
    """Not at all: kernels are left as they are."""
    ADVISORY = "advisory"
    """Kernels are told their devices (``CUDA_VISIBLE_DEVICES``); nobody is stopped."""
    GUARDED = "guarded"
    """Advisory, and processes on devices that they don't hold are stopped, after a warning."""
    ISOLATED = "isolated"
    """In a container that has the leased devices only."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time over which GPU-hours are counted."""

    kind: WindowKind
    seconds: int = 0
    """Of a rolling window."""
    weekday: int = 0
    """On which a weekly window begins, at midnight: 0 is Monday."""
    timezone: str = "UTC"
    """Where midnight is, as the IANA database names it."""


@dataclass(frozen=True, slots=True)
class GpuQuota:
    """Devices at once, in thousandths of a device."""

    nominal: int
    """Guaranteed: borrowers give way for it."""
    limit: int
    """The most, what is borrowed from the idle included."""


@dataclass(frozen=True, slots=True)
class HoursQuota:
    """GPU-hours in a window."""

    limit: float
    """GPU-hours."""
    window: Window


@dataclass(frozen=True, slots=True)
class Limits:
    """What binds one user or one group. ``None`` everywhere: not limited."""

    gpus: GpuQuota | None = None
    gpu_hours: HoursQuota | None = None
    max_lease: int | None = None
    """Seconds."""
    max_queued: int | None = None
    """Requests of one user that may wait at once."""
    models: tuple[str, ...] | None = None
    """Each stands in the device's name as whole words, in any case of letters."""
    priority: int | None = None
    """Higher goes first; ``None`` is 0."""
    weight: float | None = None
    """Of the fair share: twice the weight, twice the use counts as the same; ``None`` is 1."""


@dataclass(frozen=True, slots=True)
class Group:
    """People who share a pool."""

    name: str
    members: frozenset[str]
    pool: Limits
    """What all members hold and spend together; ``max_lease`` and ``models`` bind each lease."""
    each: Limits = Limits()
    """What binds every member for himself, where ``users`` doesn't say otherwise."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Devices booked for a group in a time window: a class on Monday at ten."""

    group: str
    gpus: int
    """Whole devices."""
    start: float
    """Seconds since the epoch."""
    end: float
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """All quotas, and the settings that the rules need."""

    default: Limits = Limits()
    users: Mapping[str, Limits] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    """By name, in the order of the file: the first that a user is a member of is charged."""
    reservations: tuple[Reservation, ...] = ()
    hide_names: bool = False
    """Who holds and who waits is shown to administrators only; everybody sees oneself."""
    offer_window: int = 600
    """Seconds within which an offer must be accepted."""
    reclaim_grace: int = 600
    """Seconds that a borrower is given before borrowed devices are taken back."""
    max_lease: int = 24 * 3600
    """Seconds: the longest lease where no quota says otherwise."""
    strength: Strength = Strength.ADVISORY
    """What is really done, not what is wished for."""
    unleased_devices: bool = True
    """Whether processes without a lease may use devices that nobody holds."""
    expiry_grace: int = 300
    """Seconds after the end of a lease in which what still runs on it is not stopped."""
    unread: str = ""
    """Why no quotas are known, in one sentence; empty when they are. Until then leases only end:
    what holds instead is no permission."""
    unread_hint: str = ""
    _limits: dict[tuple[str, str | None], Limits] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """What :meth:`limits_of` has worked out: it is asked for every lease in every decision."""
    _merged: dict[tuple[int | None, ...], Limits] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def groups_of(self, user: str) -> tuple[Group, ...]:
        """The groups that ``user`` is a member of, in order."""
        return tuple(group for group in self.groups.values() if user in group.members)

    def limits_of(self, user: str, group: str | None) -> Limits:
        """What binds ``user`` when charged to ``group``: field by field the nearest that is set.

        ``users`` before the group's ``each`` before ``default``. A user has one budget of
        GPU-hours, whichever group is charged: there ``each`` is that of the user's first group.
        """
        found = self._limits.get((user, group))
        if found is None:
            found = self._limits[user, group] = self._nearest(user, group)
        return found

    def _nearest(self, user: str, group: str | None) -> Limits:
        layers = [self.users.get(user, _NONE)]
        if group is not None and group in self.groups:
            layers.append(self.groups[group].each)
        layers.append(self.default)
        first = [each.each for each in self.groups.values() if user in each.members][:1]
        # Most people are bound by the same few; what a policy names lives as long as it does.
        alike = (*map(id, layers), None, *map(id, first))
        found = self._merged.get(alike)
        if found is None:
            found = self._merged[alike] = self._merge(layers, first)
        return found

    def _merge(self, layers: list[Limits], first: list[Limits]) -> Limits:
        return Limits(
            gpus=_first(layers, "gpus"),
            gpu_hours=_first([layers[0], *first, self.default], "gpu_hours"),
            max_lease=_first(layers, "max_lease"),
            max_queued=_first(layers, "max_queued"),
            models=_first(layers, "models"),
            priority=_first(layers, "priority"),
            weight=_first(layers, "weight"),
        )

    def pool_of(self, group: str | None) -> Limits:
        """What binds ``group`` as a whole."""
        return self.groups[group].pool if group is not None and group in self.groups else _NONE


_NONE = Limits()


def _first(layers: list[Limits], name: str):  # type: ignore[no-untyped-def]
    return next((v for v in (getattr(layer, name) for layer in layers) if v is not None), None)
