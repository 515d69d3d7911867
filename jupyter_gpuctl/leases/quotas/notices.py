"""What in the quotas can't be kept with the devices that there are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..model import WHOLE, LeasableDevice
from ..policy import Policy, Reservation
from ..rules.catalogue import alternatives, matches


def notices(policy: Policy, devices: Sequence[LeasableDevice], now: float) -> tuple[str, ...]:
    """One sentence for each promise of ``policy`` that ``devices`` can't keep, with its mend.

    None where no devices are known. Reservations that are over by ``now`` don't count.
    """
    if not devices:
        return ()
    return (
        *_guarantees(policy, devices),
        *_models(policy, devices),
        *_bookings([entry for entry in policy.reservations if entry.end > now], devices),
    )


def _guarantees(policy: Policy, devices: Sequence[LeasableDevice]) -> Iterator[str]:
    pools = {name: group.pool for name, group in policy.groups.items()}
    nominal = {name: pool.gpus.nominal for name, pool in pools.items() if pool.gpus is not None}
    if sum(nominal.values()) > len(devices) * WHOLE:
        yield (
            f"The nominal quotas of all groups add up to {_gpus(sum(nominal.values()))}, and there "
            f"are {len(devices)}. Lower some: what is guaranteed twice is not guaranteed."
        )
    for name, guaranteed in nominal.items():
        models = pools[name].models
        fitting = _count(devices, models)
        if models is not None and guaranteed > fitting * WHOLE:
            yield (
                f"groups.{name}.gpus.nominal is {_gpus(guaranteed)}, and of the models that it may "
                f"use there are {fitting}. Lower it, or add to groups.{name}.models."
            )


def _models(policy: Policy, devices: Sequence[LeasableDevice]) -> Iterator[str]:
    places = [("default", policy.default)]
    places += [(f"users.{name}", limits) for name, limits in policy.users.items()]
    for name, group in policy.groups.items():
        places += [(f"groups.{name}", group.pool), (f"groups.{name}.each", group.each)]
    for place, limits in places:
        for model in limits.models or ():
            if not _count(devices, [model]):
                yield (
                    f"{place}.models names {model!r}, and no device here has that in its name. "
                    f"There are: {', '.join(sorted({device.model for device in devices}))}."
                )


def _bookings(bookings: Sequence[Reservation], devices: Sequence[LeasableDevice]) -> Iterator[str]:
    for booking in bookings:
        wanted = alternatives(booking.model)
        fitting = _count(devices, wanted)
        together = sum(b.gpus for b in bookings if b.start <= booking.start < b.end)
        if booking.gpus > fitting:
            yield (
                f"A reservation of {booking.group} books {booking.gpus} GPUs, and there are "
                f"{fitting}{'' if wanted is None else ' of that model'}. Lower its gpus."
            )
        elif together > len(devices):
            yield (
                f"The reservations that hold when one of {booking.group} begins book {together} "
                f"GPUs together, and there are {len(devices)}. Move or lower one of them."
            )


def _count(devices: Iterable[LeasableDevice], models: Iterable[str] | None) -> int:
    patterns = None if models is None else tuple(models)
    return sum(patterns is None or matches(patterns, device.model) for device in devices)


def _gpus(milli: int) -> str:
    return f"{milli / WHOLE:g} GPUs"
