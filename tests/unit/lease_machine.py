"""Random histories of leases: what may never be so is checked after every step.

The checks are written without the rules' own parts: what is held, spent and free is counted anew
from the leases alone. ``tests/unit/test_leases_histories.py`` runs some hundreds of histories,
``tests/soak/soak_lease_histories.py`` thousands.
"""

from __future__ import annotations

import random
from dataclasses import replace
from math import inf

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from jupyter_gpuctl.leases.model import (
    TRANSITIONS,
    WHOLE,
    Account,
    End,
    EndReason,
    LeasableDevice,
    Lease,
    LeaseStatus,
    Limit,
    Offer,
    Outcome,
    Outlook,
    Reclaim,
    Request,
    Snapshot,
    Start,
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
from jupyter_gpuctl.leases.rules import scheduler
from jupyter_gpuctl.leases.rules.accounting import GPU_HOUR, decay
from jupyter_gpuctl.leases.rules.windows import bounds
from tests.unit.lease_worlds import GIB, HOUR, NOW

USERS = ("ann", "ben", "cat", "dan")
MEMBERS = {"vision": frozenset({"ann", "ben"}), "course": frozenset({"ben", "cat"})}
FINAL = frozenset({Limit.CAPACITY, Limit.MODELS, Limit.MAX_LEASE})
NEVER = FINAL | {
    Limit.USER_GPUS,
    Limit.GROUP_GPUS,
    Limit.USER_GPU_HOURS,
    Limit.GROUP_GPU_HOURS,
}
HALF = GIB // 2

hosts = st.lists(
    st.tuples(
        st.sampled_from(["A100", "T4", "A100 MIG 1g.10gb"]),
        st.integers(1, 4),
        st.sampled_from([(16,), (80,), (80,), (None,), (16, 80)]),
    ),
    min_size=1,
    max_size=4,
)
requests = st.one_of(
    st.builds(
        Request,
        milli=st.sampled_from([1000, 1000, 1000, 2000, 2000, 3000, 4000, 5000]),
        duration=st.integers(1, 40).map(lambda n: n * 900),
        memory=st.sampled_from([None, None, 10 * GIB, 40 * GIB]),
        model=st.sampled_from([None, None, None, "a100", "T4|mig"]),
        interactive=st.booleans(),
    ),
    st.builds(
        Request,
        milli=st.sampled_from([100, 250, 330, 500, 500, 700, 999]),
        duration=st.integers(1, 40).map(lambda n: n * 900),
        memory=st.sampled_from([4 * GIB, 8 * GIB, 20 * GIB, 39 * GIB]),
        model=st.sampled_from([None, None, "a100"]),
        interactive=st.booleans(),
    ),
)
quotas = st.one_of(
    st.none(),
    st.tuples(st.integers(0, 4), st.integers(0, 4)).map(
        lambda two: GpuQuota(two[0] * WHOLE, (two[0] + two[1]) * WHOLE)
    ),
)
windows = st.sampled_from(
    [
        Window(WindowKind.ROLLING, seconds=6 * 3600),
        Window(WindowKind.DAILY, timezone="Asia/Tokyo"),
        Window(WindowKind.WEEKLY, weekday=2, timezone="Europe/Berlin"),
    ]
)
limits = st.builds(
    Limits,
    gpus=quotas,
    gpu_hours=st.one_of(
        st.none(), st.none(), st.builds(HoursQuota, st.sampled_from([2.0, 12.0, 60.0]), windows)
    ),
    max_lease=st.sampled_from([None, None, 4 * 3600]),
    max_queued=st.sampled_from([None, None, 2]),
    models=st.sampled_from([None, None, None, ("a100",)]),
    priority=st.sampled_from([None, None, 1]),
    weight=st.sampled_from([None, 2.0]),
)


class Histories(RuleBasedStateMachine):
    """A system whose authority applies what the rules decide."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.devices: tuple[LeasableDevice, ...] = ()
        self.live: dict[str, Lease] = {}
        self.ended: list[Lease] = []
        self.policy = Policy()
        self.outside: dict[str, frozenset[str | None]] = {}
        self.decayed: dict[tuple[bool, str], tuple[float, float]] = {}
        self.outlook: Outlook | None = None
        self.made = 0
        self.shuffle = random.Random(1)

    @initialize(
        hosts=hosts,
        grace=st.sampled_from([0, 600, 3600]),
        hide=st.booleans(),
        nominal=st.one_of(st.none(), st.tuples(st.integers(0, 3), st.integers(0, 3))),
    )
    def machines(self, hosts, grace, hide, nominal):
        """``nominal``: of two groups that lend each other what is idle."""
        self.devices = tuple(
            LeasableDevice(
                f"GPU-{host}-{index}",
                f"host-{host}",
                model,
                None if memories[0] is None else memories[index % len(memories)] * GIB,
                index,
            )
            for host, (model, count, memories) in enumerate(hosts)
            for index in range(count)
        )
        self.policy = Policy(hide_names=hide, reclaim_grace=grace, max_lease=8 * 3600)
        if nominal is not None:
            each = Limits(gpus=GpuQuota(8 * WHOLE, 8 * WHOLE))
            pools = [Limits(gpus=GpuQuota(n * WHOLE, 8 * WHOLE)) for n in nominal]
            self.policy = replace(
                self.policy,
                default=Limits(gpus=GpuQuota(WHOLE, 4 * WHOLE)),
                groups={
                    name: Group(name, MEMBERS[name], pool, each)
                    for name, pool in zip(("vision", "course"), pools, strict=True)
                },
            )
        self.settle()

    # --- what people do --------------------------------------------------------------------------

    @rule(
        owner=st.sampled_from(USERS),
        request=requests,
        group=st.sampled_from([None, None, "vision", "course"]),
    )
    def ask(self, owner, request, group):
        groups = [g.name for g in self.policy.groups_of(owner)]
        group = group if group in groups else (groups[0] if groups else None)
        request = replace(request, group=group)
        found = scheduler.assess(self.snapshot(), owner, request, self.now)
        outcome, verdict = found.verdict.outcome, found.verdict
        assert verdict.message
        if outcome is Outcome.REFUSED:
            assert verdict.limit is not None
            self.refused(verdict, owner, request)
            return
        self.made += 1
        lease = Lease(f"L{self.made:04}", owner, request, LeaseStatus.QUEUED, self.now)
        self.live[lease.id] = lease
        self.settle()
        lease = self.live[lease.id]
        if outcome is Outcome.ADMITTED:
            assert lease.status is LeaseStatus.ACTIVE, "what is assessed as admitted starts"
            assert lease.devices == found.devices
            assert lease.expires_at == found.expires_at
        else:
            assert lease.status is LeaseStatus.QUEUED, "what is assessed as queued waits"
            standing = self.outlook.standings[lease.id]
            assert standing.position == found.position
            assert standing.estimated_start == found.estimated_start
            assert standing.verdict == verdict

    @rule(
        many=st.lists(
            st.tuples(st.sampled_from(USERS), requests, st.sampled_from([None, "course"])),
            min_size=2,
            max_size=6,
        )
    )
    def many_ask(self, many):
        for owner, request, group in many:
            self.ask(owner, request, group)

    def refused(self, verdict, owner, request):
        if verdict.limit is Limit.MAX_QUEUED:
            allowed = self.policy.limits_of(owner, request.group).max_queued
            waiting = [x for x in self.live.values() if x.owner == owner and not x.holds]
            assert len(waiting) >= allowed
            return
        assert verdict.limit in NEVER

    @rule(pick=st.integers(0, 20), extra=st.sampled_from([0, 1, 60, 900, 3600, 20_000, 90_000]))
    def time_passes(self, pick, extra):
        """To when the rules wanted to be woken, or a while."""
        before, head = self.outlook, self.head()
        wake = before.wake_at
        if pick < 12 and wake is not None:
            grace = self.policy.reclaim_grace
            assert wake > self.now or (wake == self.now and grace == 0)
            self.now = wake
        else:
            self.now += extra
        self.settle()
        # Who starts may have overtaken by fair share, and which devices are booked is chosen anew
        # each time; neither is backfill.
        started = any(isinstance(d, Start | Offer) for d in self.outlook.decisions)
        started = started or bool(self.policy.reservations)
        if head is not None and head == self.head() and not started and self.now <= (wake or 0):
            was = before.standings[head].estimated_start
            at = self.outlook.standings[head].estimated_start
            assert was is None or (at is not None and at <= was), "later by time alone"

    def head(self):
        """Who is first in line and could run, but for devices."""
        for each, standing in self.outlook.standings.items():
            if standing.position == 1 and standing.verdict.limit is Limit.DEVICES:
                return each
        return None

    def one(self, pick, *statuses):
        found = sorted(x for x, lease in self.live.items() if lease.status in statuses)
        return self.live[found[pick % len(found)]] if found else None

    @rule(pick=st.integers(0, 20))
    def give_back(self, pick):
        lease = self.one(pick, LeaseStatus.ACTIVE)
        if lease is not None:
            self.end(lease, EndReason.RELEASED, self.now)
            self.settle()

    @rule(pick=st.integers(0, 20))
    def withdraw_or_decline(self, pick):
        lease = self.one(pick, LeaseStatus.QUEUED, LeaseStatus.OFFERED)
        if lease is not None:
            queued = lease.status is LeaseStatus.QUEUED
            self.end(lease, EndReason.CANCELLED if queued else EndReason.DECLINED, self.now)
            self.settle()

    @rule(pick=st.integers(0, 20))
    def accept(self, pick):
        lease = self.one(pick, LeaseStatus.OFFERED)
        if lease is not None and self.now < lease.offer_expires_at:
            self.become(
                lease,
                LeaseStatus.ACTIVE,
                started_at=self.now,
                expires_at=self.now + lease.request.duration,
                offer_expires_at=None,
            )
            self.settle()

    @rule(pick=st.integers(0, 20), seconds=st.sampled_from([60, 900, 3600, 30_000]))
    def extend(self, pick, seconds):
        lease = self.one(pick, LeaseStatus.ACTIVE)
        if lease is None or lease.expires_at <= self.now:
            return
        found = scheduler.extend(self.snapshot(), lease.id, seconds, self.now)
        assert lease.expires_at <= found.expires_at <= lease.expires_at + seconds
        assert found.verdict.message
        assert (found.verdict.outcome is Outcome.REFUSED) == (found.expires_at == lease.expires_at)
        if lease.ending is not None:
            assert found.verdict.outcome is Outcome.REFUSED
        if found.expires_at < lease.expires_at + seconds and lease.ending is None:
            assert found.verdict.limit is not None
        if found.expires_at > lease.expires_at:
            longest = self.longest(lease)
            assert found.expires_at <= self.now + longest
            before, used = self.unmet(), self.hours_used(lease)
            gained = round(found.expires_at - lease.expires_at)
            self.live[lease.id] = replace(
                lease,
                expires_at=found.expires_at,
                request=replace(lease.request, duration=lease.request.duration + gained),
            )
            self.within_hours({lease.id}, used)
            late = self.unmet().items()
            assert all(n <= before[r] for r, n in late if not self.booked_twice(r, {lease.owner}))
        self.settle()

    # --- what operators and the world do ---------------------------------------------------------

    @rule(pick=st.integers(0, 20), grace=st.sampled_from([0, 60, 3600]))
    def revoke(self, pick, grace):
        lease = self.one(pick, LeaseStatus.ACTIVE)
        if lease is not None:
            end = min(lease.expires_at, self.now + grace)
            self.live[lease.id] = replace(
                lease, ending=EndReason.REVOKED, expires_at=end, remark="maintenance"
            )
            self.settle()

    @rule(
        pick=st.integers(0, 20),
        users=st.sampled_from(
            [frozenset(), frozenset({"ann"}), frozenset({None}), frozenset({"ben", "cat"})]
        ),
    )
    def processes_come_and_go(self, pick, users):
        device = self.devices[pick % len(self.devices)].uuid
        self.outside[device] = users
        if not users:
            del self.outside[device]
        self.settle()

    @rule(
        default=limits,
        ann=st.one_of(st.just(Limits()), limits),
        vision=limits,
        course=limits,
        each=st.one_of(st.just(Limits()), limits),
        groups=st.sampled_from([(), ("vision",), ("vision", "course"), ("course", "vision")]),
    )
    def new_quotas(self, default, ann, vision, course, each, groups):
        pools = {"vision": vision, "course": course}
        self.policy = replace(
            self.policy,
            default=default,
            users={"ann": ann},
            groups={name: Group(name, MEMBERS[name], pools[name], each) for name in groups},
        )
        self.settle()

    @rule(
        gpus=st.integers(1, 4),
        group=st.sampled_from(["vision", "course"]),
        start=st.integers(-2, 12),
        length=st.integers(1, 8),
        model=st.sampled_from([None, "a100"]),
    )
    def reserve(self, gpus, group, start, length, model):
        begin = self.now + start * 1800
        new = Reservation(group, gpus, begin, begin + length * 1800, model)
        self.policy = replace(self.policy, reservations=(*self.policy.reservations, new)[-2:])
        self.settle()

    @rule(seconds=st.sampled_from([-100_000, -3600, -1, 7200]))
    def clock_jumps(self, seconds):
        self.now += seconds
        self.settle()

    @precondition(lambda self: len(self.devices) > 1)
    @rule(pick=st.integers(0, 20))
    def device_is_lost(self, pick):
        gone = self.devices[pick % len(self.devices)]
        self.devices = tuple(d for d in self.devices if d is not gone)
        self.settle()

    # --- the authority ---------------------------------------------------------------------------

    def snapshot(self, *, shuffled: bool = False) -> Snapshot:
        leases, devices = list(self.live.values()), list(self.devices)
        outside, users = list(self.outside.items()), list(USERS)
        if shuffled:
            for each in (leases, devices, outside, users):
                self.shuffle.shuffle(each)
        return Snapshot(
            tuple(devices),
            tuple(leases),
            self.policy,
            users={user: self.account(False, user) for user in users},
            groups={name: self.account(True, name) for name in self.policy.groups},
            outside=dict(outside),
        )

    def account(self, group: bool, name: str) -> Account:
        groups = [g.name for g in self.policy.groups_of(name)]
        mine = self.policy.limits_of(name, groups[0] if groups else None)
        hours = (self.policy.pool_of(name) if group else mine).gpu_hours
        start = inf if hours is None else bounds(hours.window, self.now)[0]
        decayed, at = self.decayed.get((group, name), (0.0, self.now))
        return Account(self.spent(group, name, start), decayed, at)

    def spent(self, group: bool, name: str, start: float) -> float:
        return sum(
            x.request.milli * max(0.0, x.ended_at - max(x.started_at, start))
            for x in self.ended
            if x.started_at is not None and name == (x.group if group else x.owner)
        )

    def become(self, lease: Lease, status: LeaseStatus, **changes: object) -> None:
        assert status in TRANSITIONS[lease.status], f"{lease.status} never becomes {status}"
        lease = replace(lease, status=status, **changes)
        if status is LeaseStatus.ENDED:
            del self.live[lease.id]
            self.ended.append(lease)
        else:
            self.live[lease.id] = lease

    def end(self, lease: Lease, reason: EndReason, at: float) -> None:
        if lease.started_at is not None:
            at = max(at, lease.started_at)
        self.become(lease, LeaseStatus.ENDED, ended_at=at, end_reason=reason)
        used = self.ended[-1].charged(at)
        for key in ((False, lease.owner), (True, lease.group)):
            if key[1] is not None:
                value, then = self.decayed.get(key, (0.0, at))
                self.decayed[key] = (decay(value, at - then) + used, max(at, then))

    def settle(self) -> None:
        snapshot = self.snapshot()
        outlook = self.outlook = scheduler.decide(snapshot, self.now)
        again = scheduler.decide(self.snapshot(shuffled=True), self.now)
        assert again == outlook, "decisions don't depend on the order of the input"
        unmet = self.unmet()
        started: set[str] = set()
        for decision in outlook.decisions:
            lease = self.live[decision.lease_id]
            if isinstance(decision, End):
                assert decision.at <= self.now
                self.end(lease, decision.reason, decision.at)
                unmet = self.unmet()
            elif isinstance(decision, Start):
                assert decision.expires_at == self.now + lease.request.duration
                started.add(lease.id)
                self.become(
                    lease,
                    LeaseStatus.ACTIVE,
                    devices=decision.devices,
                    started_at=self.now,
                    expires_at=decision.expires_at,
                )
                self.within_own_limit(lease)
            elif isinstance(decision, Offer):
                assert lease.request.interactive
                assert lease.created_at != self.now
                started.add(lease.id)
                self.become(
                    lease,
                    LeaseStatus.OFFERED,
                    devices=decision.devices,
                    offer_expires_at=decision.offer_expires_at,
                )
                self.within_own_limit(lease)
            else:
                self.reclaimed(decision, lease, started)
        self.started_rightly(started, unmet)
        self.heads_undisturbed()
        self.reasons_true(outlook)
        assert {x.id for x in self.live.values() if not x.holds} == set(outlook.standings)
        positions = sorted(standing.position for standing in outlook.standings.values())
        assert positions == list(range(1, len(positions) + 1))
        twice = scheduler.decide(self.snapshot(), self.now).decisions
        set_back = any((x.started_at or self.now) > self.now for x in self.live.values())
        if self.policy.reclaim_grace and not set_back:
            assert not any(isinstance(d, Reclaim | End) for d in twice), "taken back twice"

    def reclaimed(self, decision: Reclaim, lease: Lease, started: set[str]) -> None:
        assert lease.status is LeaseStatus.ACTIVE
        assert lease.ending is None
        before = tuple(each for each in self.live.values() if each.id not in started)
        borrowed = scheduler.borrowed(replace(self.snapshot(), leases=before), self.now)
        assert lease.id in borrowed, "only what is borrowed"
        assert self.now <= decision.expires_at <= lease.expires_at
        assert decision.expires_at >= min(lease.expires_at, self.now + self.policy.reclaim_grace)
        if self.policy.hide_names:
            assert not any(user in decision.remark for user in USERS)
        self.live[lease.id] = replace(
            lease,
            ending=EndReason.RECLAIMED,
            expires_at=decision.expires_at,
            remark=decision.remark,
            gives_way_to=decision.gives_way_to,
        )

    # --- what may never be otherwise -------------------------------------------------------------

    def users_of(self, uuid: str) -> list[Lease]:
        return [x for x in self.live.values() if x.holds and uuid in x.devices]

    @invariant()
    def devices_are_never_overcommitted(self):
        for device in self.devices:
            holders = self.users_of(device.uuid)
            if any(not lease.request.shared for lease in holders):
                assert len(holders) == 1, "a whole device has one holder"
            assert sum(lease.request.milli % WHOLE for lease in holders) <= WHOLE
            if any(lease.request.shared for lease in holders):
                memory = sum(lease.request.memory or 0 for lease in holders)
                assert memory <= (device.memory or 0)

    @invariant()
    def devices_of_a_lease_are_peers(self):
        known = {device.uuid: device for device in self.devices}
        for lease in self.live.values():
            assert bool(lease.devices) == lease.holds
            if lease.holds:
                assert len(lease.devices) == lease.request.count == len(set(lease.devices))
            peers = [known[uuid] for uuid in lease.devices if uuid in known]
            assert len({(peer.host, peer.model) for peer in peers}) <= 1
            for peer in peers:
                assert (peer.memory or 0) >= (lease.request.memory or 0)
                wanted = (lease.request.model or "").lower().split("|")
                assert any(part in peer.model.lower() for part in wanted)

    def longest(self, lease: Lease) -> int:
        both = (
            self.policy.limits_of(lease.owner, lease.group),
            self.policy.pool_of(lease.group),
        )
        named = [each.max_lease for each in both if each.max_lease is not None]
        return min(named, default=self.policy.max_lease)

    def within_own_limit(self, lease: Lease) -> None:
        """As of its start: another group's leases, which may follow, have limits of their own."""
        own = self.policy.limits_of(lease.owner, lease.group).gpus
        live = self.live.values()
        mine = sum(x.request.milli for x in live if x.holds and x.owner == lease.owner)
        assert own is None or mine <= own.limit, "over the user's limit"

    def started_rightly(self, started: set[str], unmet: dict[Reservation, int]) -> None:
        """Nothing has started beyond a limit, outside devices, or into a reservation."""
        held = [x for x in self.live.values() if x.holds]
        known = {device.uuid: device for device in self.devices}
        for each in started:
            lease = self.live[each]
            own = self.policy.limits_of(lease.owner, lease.group)
            pool = self.policy.pool_of(lease.group)
            theirs = sum(x.request.milli for x in held if x.group == lease.group)
            assert pool.gpus is None or theirs <= pool.gpus.limit, "over the group's limit"
            assert lease.request.duration <= self.longest(lease)
            for uuid in lease.devices:
                for allowed in (own.models, pool.models):
                    model = known[uuid].model.lower()
                    assert allowed is None or any(part in model for part in allowed)
                users = self.outside.get(uuid, frozenset())
                assert not users or (users == {lease.owner} and not lease.request.shared)
        self.within_hours(started)
        for reservation, late in self.unmet().items():
            assert late <= unmet[reservation], f"started into {reservation}"

    def within_hours(self, started: set[str], before: dict[bool, float] | None = None) -> None:
        """Nothing was granted beyond GPU-hours; what was over them ``before`` isn't our fault."""
        for each in started:
            lease = self.live[each]
            for group, used in self.hours_used(lease).items():
                hours = (
                    self.policy.pool_of(lease.group)
                    if group
                    else self.policy.limits_of(lease.owner, lease.group)
                ).gpu_hours
                allowed = max(hours.limit * GPU_HOUR, (before or {}).get(group, 0.0))
                assert used <= allowed + 1.0, "over the GPU-hours"

    def hours_used(self, lease: Lease) -> dict[bool, float]:
        """Spent and promised in the present windows of its owner and of its group."""
        found = {}
        own = self.policy.limits_of(lease.owner, lease.group).gpu_hours
        pool = self.policy.pool_of(lease.group).gpu_hours
        for group, name, quota in ((False, lease.owner, own), (True, lease.group, pool)):
            if quota is None or name is None:
                continue
            start, reset = bounds(quota.window, self.now)
            account = self.account(group, name)
            used = account.spent
            for each in self.live.values():
                if not each.holds or name != (each.group if group else each.owner):
                    continue
                begin = self.now if each.started_at is None else max(each.started_at, start)
                last = each.expires_at or self.now + each.request.duration
                used += each.request.milli * max(0.0, min(last, reset) - begin)
            found[group] = used
        return found

    def occupied_until(self, lease: Lease) -> float:
        if lease.status is LeaseStatus.OFFERED:
            return lease.offer_expires_at + lease.request.duration
        return lease.expires_at

    def unmet(self) -> dict[Reservation, int]:
        """By reservation: devices that its group lacks at some time of the window."""
        found = {}
        for reservation in self.policy.reservations:
            members = self.members(reservation.group)
            free = 0
            for device in self.devices:
                if reservation.model and reservation.model not in device.model.lower():
                    continue
                others = [x for x in self.users_of(device.uuid) if x.owner not in members]
                mine = [x for x in self.users_of(device.uuid) if x.owner in members]
                clear = all(self.occupied_until(x) <= reservation.start for x in others)
                free += clear and (bool(mine) or device.uuid not in self.outside)
            over = reservation.end <= self.now
            found[reservation] = 0 if over else max(0, reservation.gpus - free)
        return found

    def booked_twice(self, reservation: Reservation, owners: set[str]) -> bool:
        """Whether one of ``owners`` has booked the same time too, and together it is too much.

        Then the first booking counts, and there was never enough for the second.
        """
        own = [
            each
            for each in self.policy.reservations
            if owners & self.members(each.group)
            and each.start < reservation.end
            and reservation.start < each.end
        ]
        wanted = reservation.gpus + sum(each.gpus for each in own if each != reservation)
        fit = [
            device
            for device in self.devices
            if (not reservation.model or reservation.model in device.model.lower())
            and device.uuid not in self.outside
        ]
        return bool(own) and wanted > len(fit)

    def members(self, group: str) -> frozenset[str]:
        """Of a group, which the policy may not have."""
        found = self.policy.groups.get(group)
        return frozenset() if found is None else found.members

    def heads_undisturbed(self) -> None:
        """At the time that is planned for the first in line, enough devices are free for it."""
        head = self.head()
        if head is None or any(x.expires_at == self.now for x in self.live.values()):
            return  # what was told to go at once goes in the next cycle
        start = self.outlook.standings[head].estimated_start
        lease = self.live[head]
        if start is None:
            return
        assert start >= self.now
        assert self.room(lease, start), "the head could not start when it is told so"

    def room(self, lease: Lease, at: float, *, outside: bool = True) -> bool:
        """Whether devices for ``lease`` are free at ``at``, for all that is held now."""
        request, cells = lease.request, {}
        own = self.policy.limits_of(lease.owner, lease.group).models
        pool = self.policy.pool_of(lease.group).models
        wanted = request.model.lower().split("|") if request.model else None
        for device in self.devices:
            model = device.model.lower()
            names = [each for each in (own, pool, wanted) if each is not None]
            if not all(any(part in model for part in each) for each in names):
                continue
            if (device.memory or 0) < (request.memory or 0):
                continue
            users = self.outside.get(device.uuid, frozenset())
            if outside and users and (users != {lease.owner} or request.shared):
                continue
            there = [
                x
                for x in self.users_of(device.uuid)
                if self.occupied_until(x) > at or at == self.now
            ]
            if request.shared:
                milli = sum(min(WHOLE, x.request.milli) for x in there) + request.milli
                memory = sum(x.request.memory or 0 for x in there if x.request.shared)
                if milli > WHOLE or memory + (request.memory or 0) > (device.memory or 0):
                    continue
            elif there:
                continue
            key = (device.host, device.model)
            cells[key] = cells.get(key, 0) + 1
        return any(count >= request.count for count in cells.values())

    def reasons_true(self, outlook: Outlook) -> None:
        for each, standing in outlook.standings.items():
            lease, verdict = self.live[each], standing.verdict
            assert verdict.outcome is Outcome.QUEUED
            assert verdict.message
            assert standing.estimated_start is None or standing.estimated_start >= self.now
            if self.policy.hide_names:
                said = verdict.message + verdict.hint
                assert not any(user in said for user in USERS)
            if verdict.limit in (Limit.DEVICES, Limit.OUTSIDE):
                assert not self.room(lease, self.now), "what is free can't be what it waits for"
            if verdict.limit in (Limit.TURN, Limit.RESERVATION):
                assert self.room(lease, self.now), "what it waits for is not free"
            if verdict.limit is Limit.OUTSIDE:
                assert self.room(lease, self.now, outside=False)

    # --- the end ---------------------------------------------------------------------------------

    def teardown(self) -> None:
        """All finish, nobody disturbs: then nobody waits for ever who could run."""
        if not self.devices:
            return
        self.outside.clear()
        self.policy = replace(self.policy, reservations=())
        self.settle()
        for _ in range(400):
            for lease in sorted(self.live.values(), key=lambda x: x.id):
                if lease.status is LeaseStatus.OFFERED:
                    self.become(
                        lease,
                        LeaseStatus.ACTIVE,
                        started_at=self.now,
                        expires_at=self.now + lease.request.duration,
                        offer_expires_at=None,
                    )
            if not self.live:
                return
            wake = self.outlook.wake_at
            if wake is None:
                break
            self.now = max(wake, self.now + HOUR)
            self.settle()
        for lease in self.live.values():
            # Nothing is held and nobody else is served: only its own limits can be in the way.
            assert not lease.holds
            limit = self.outlook.standings[lease.id].verdict.limit
            assert limit in NEVER, f"{lease} waits for ever"
