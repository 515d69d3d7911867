"""A made-up crowd: devices, users, groups with quotas, held leases and a queue, from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from jupyter_gpuctl.leases.model import (
    WHOLE,
    Account,
    LeasableDevice,
    Lease,
    LeaseStatus,
    Request,
    Snapshot,
)
from jupyter_gpuctl.leases.policy import (
    GpuQuota,
    Group,
    HoursQuota,
    Limits,
    Policy,
    Reservation,
    Window,
    WindowKind,
)

NOW = 1_800_000_000.0
HOUR = 3600
GIB = 1024**3
MODELS = (("T4", 16), ("A100", 80), ("H100", 80), ("H200", 141))
"""And GiB; hosts of eight, in turn."""
SHARES = (100, 125, 200, 250, 333, 500, 750)
ACTIVE, ENDING = 0.6, 0.01


def snapshot(leases: int, devices: int, seed: int) -> Snapshot:
    """``leases`` on ``devices``: six in ten active, one in a hundred of these at its end; the rest
    queued.

    Six in ten ask for a share with a memory cap, three for one device, the others for two, four or
    eight; so about nine tenths of the devices are held. One user for twenty leases, in eight
    groups; each user, each group's pool and everybody by default has quotas that bind some.
    """
    chance = random.Random(f"{leases} {devices} {seed}")
    pool = _devices(devices)
    users = [f"user-{number}" for number in range(max(2, leases // 20))]
    policy = _policy(users, devices, chance)
    held = list(_active(round(leases * ACTIVE), pool, users, policy, chance))
    queued = [
        Lease(
            f"queued-{number}",
            owner := chance.choice(users),
            _request(owner, policy, chance),
            LeaseStatus.QUEUED,
            NOW - chance.uniform(0, 8 * HOUR),
        )
        for number in range(leases - len(held))
    ]
    everything = held + queued
    chance.shuffle(everything)
    return Snapshot(
        tuple(pool),
        tuple(everything),
        policy,
        {user: _account(chance, 20) for user in users},
        {name: _account(chance, 20 * len(users)) for name in policy.groups},
        {device.uuid: frozenset({None}) for device in chance.sample(pool, len(pool) // 100)},
    )


def _devices(count: int) -> list[LeasableDevice]:
    found = []
    for number in range(count):
        host, index = divmod(number, 8)
        model, memory = MODELS[host % len(MODELS)]
        uuid = f"GPU-{number:08x}-0000-4000-8000-000000000000"
        found.append(LeasableDevice(uuid, f"host-{host:04}", model, memory * GIB, index))
    return found


def _policy(users: list[str], devices: int, chance: random.Random) -> Policy:
    names = [f"group-{number}" for number in range(8)]
    week = Window(WindowKind.WEEKLY)
    groups = {
        name: Group(
            name,
            frozenset(users[at::8]),
            Limits(
                gpus=GpuQuota(devices * WHOLE // 8, devices * WHOLE // 5),
                gpu_hours=HoursQuota(100.0 * devices, week),
            ),
            Limits(priority=at % 2),
        )
        for at, name in enumerate(names)
    }
    return Policy(
        default=Limits(
            gpus=GpuQuota(16 * WHOLE, 32 * WHOLE),
            gpu_hours=HoursQuota(2000.0, Window(WindowKind.ROLLING, 7 * 24 * HOUR)),
        ),
        users={user: Limits(weight=2.0) for user in chance.sample(users, len(users) // 10)},
        groups=groups,
        reservations=(
            Reservation(names[0], max(1, devices // 20), NOW + 2 * HOUR, NOW + 4 * HOUR),
            Reservation(names[1], max(1, devices // 50), NOW + 24 * HOUR, NOW + 26 * HOUR, "H100"),
        ),
    )


def _request(owner: str, policy: Policy, chance: random.Random) -> Request:
    kind = chance.random()
    model = chance.choice(MODELS) if chance.random() < 0.3 else None
    memory: int | None = None
    if kind < 0.6:
        milli = chance.choice(SHARES)
        memory = chance.choice((1, 2, 4)) * GIB
    elif kind < 0.9:
        milli = WHOLE
    else:
        milli = WHOLE * chance.choice((2, 2, 2, 4, 4, 8))
    return Request(
        milli,
        chance.choice((1, 2, 4, 8)) * HOUR,
        memory,
        model[0] if model else None,
        next(group.name for group in policy.groups_of(owner)),
        interactive=chance.random() < 0.5,
    )


def _active(
    count: int,
    devices: list[LeasableDevice],
    users: list[str],
    policy: Policy,
    chance: random.Random,
) -> Iterator[Lease]:
    """Leases on the first devices that have room: packed, as after a time of work."""
    free = [WHOLE] * len(devices)
    memory = [device.memory or 0 for device in devices]
    # What is free only shrinks: where one like it found no room, none finds any later.
    reached: dict[tuple[int, int | None, str | None], int] = {}
    for number in range(count):
        owner = chance.choice(users)
        for _ in range(20):
            request = _request(owner, policy, chance)
            alike = (request.milli, request.memory, request.model)
            at = _room(request, devices, free, memory, reached.get(alike, 0))
            reached[alike] = len(devices) if at is None else at
            if at is not None:
                break
        else:
            return
        for index in range(at, at + request.count):
            free[index] -= min(request.milli, WHOLE)
            memory[index] -= (request.memory or 0) if request.shared else memory[index]
        began = NOW - chance.uniform(0, request.duration)
        ends = NOW if chance.random() < ENDING else began + request.duration
        yield Lease(
            f"active-{number}",
            owner,
            request,
            LeaseStatus.ACTIVE,
            began - chance.uniform(0, HOUR),
            tuple(devices[index].uuid for index in range(at, at + request.count)),
            began,
            ends,
        )


def _room(
    request: Request,
    devices: list[LeasableDevice],
    free: list[int],
    memory: list[int],
    start: int,
) -> int | None:
    """The first device of a run, at or after ``start``, that has room for ``request``."""
    count = request.count
    need = min(request.milli, WHOLE)
    for at in range(start, len(devices) - count + 1, count):
        device = devices[at]
        if request.model is not None and request.model != device.model:
            continue
        if device.host != devices[at + count - 1].host:
            continue
        if all(free[index] >= need for index in range(at, at + count)) and (
            not request.shared or memory[at] >= (request.memory or 0)
        ):
            return at
    return None


def _account(chance: random.Random, hours: float) -> Account:
    spent = chance.uniform(0, hours) * HOUR * WHOLE
    return Account(spent, spent / 2, NOW - HOUR)
