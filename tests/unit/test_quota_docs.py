"""What ``docs/quotas.md`` says is so."""

import re
from pathlib import Path

import pytest

from jupyter_gpuctl.leases.model import (
    WHOLE,
    Account,
    EndReason,
    LeasableDevice,
    Lease,
    LeaseStatus,
    Limit,
    Outcome,
    Request,
    Snapshot,
    Verdict,
)
from jupyter_gpuctl.leases.policy import GpuQuota, Policy
from jupyter_gpuctl.leases.quotas.file import load
from jupyter_gpuctl.leases.quotas.notices import notices
from jupyter_gpuctl.leases.quotas.reading import _GROUP, _LIMITS, _RESERVATION, _TOP, parse
from jupyter_gpuctl.leases.rules import scheduler

NOW = 1_799_658_000.0  # 2027-01-11T09:00Z, a Monday
HOUR = 3600
DAY = 24 * HOUR
VISION = {"members": ["user-a", "user-b"]}
BOOKED = {"group": "vision", "start": "2027-01-11T10:00Z", "end": "2027-01-11T12:00Z"}


def device(number: int, model: str = "A100") -> LeasableDevice:
    return LeasableDevice(f"GPU-{number}", "host", model, 80 << 30, number)


DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "quotas.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def rows() -> dict[str, list[str]]:
    """The rows of all tables, by their first cell."""
    cells = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in TEXT.splitlines()
        if line.startswith("| `")
    ]
    return {row[0].strip("` "): row for row in cells}


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_can_be_copied(example):
    parse(load(example.encode(), DOCS / "quotas.md"), base=Policy())


def test_the_first_example_says_what_the_page_says_of_it():
    policy = parse(load(EXAMPLES[0].encode(), DOCS), base=Policy())
    assert policy.limits_of("user-b", "vision").gpus == GpuQuota(2000, 2000)
    assert policy.limits_of("user-a", "vision").gpus == GpuQuota(4000, 4000)
    assert policy.limits_of("user-a", "vision").max_queued == 3
    assert policy.limits_of("user-z", None).max_lease == 8 * 3600
    eight = [device(number, "T4" if number < 4 else "A30") for number in range(8)]
    assert notices(policy, eight, NOW - DAY) == ()


@pytest.mark.parametrize("value", [*Limit, *EndReason])
def test_every_reason_is_explained(value):
    row = rows().get(value)
    assert row is not None, f"{value} is not in the tables of docs/quotas.md"
    assert len(row) == 4 if isinstance(value, Limit) else len(row) == 3
    assert all(len(cell) > 3 for cell in row[1:])


def test_every_name_of_a_quota_file_is_explained():
    for name in {*_TOP, *_LIMITS, *_GROUP, *_RESERVATION}:
        assert f"`{name}`" in TEXT, name


def held(owner: str, number: int, hours: float = 1, group: str | None = None) -> Lease:
    start = NOW + (hours - 1) * HOUR if hours < 1 else NOW
    request = Request(WHOLE, round(hours * HOUR), group=group)
    return Lease(
        f"held-{owner}-{number}",
        owner,
        request,
        LeaseStatus.ACTIVE,
        start,
        (f"GPU-{number}",),
        start,
        NOW + hours * HOUR,
    )


def queued(owner: str, gpus: int, group: str | None = None) -> Lease:
    request = Request(gpus * WHOLE, HOUR, group=group)
    return Lease(f"queued-{owner}", owner, request, LeaseStatus.QUEUED, NOW - 60)


def asked(
    quotas: dict, *leases: Lease, owner="user-a", gpus=1, hours=1.0, count=2, model=None, **more
) -> Verdict:
    """What is answered to a request for ``gpus`` of ``count`` devices."""
    devices = tuple(device(number) for number in range(count))
    snapshot = Snapshot(devices, leases, parse(quotas, base=Policy()), **more)
    request = Request(gpus * WHOLE, round(hours * HOUR), model=model)
    return scheduler.assess(snapshot, owner, request, NOW).verdict


def extended() -> Verdict:
    """What is answered to the borrower of both GPUs who asks for more while an owner waits."""
    quotas = {
        "groups": {
            "vision": VISION | {"gpus": {"nominal": 1, "limit": 2}},
            "course": {"members": ["user-c"], "gpus": 1},
        }
    }
    leases = (
        held("user-a", 0, group="vision"),
        held("user-b", 1, group="vision"),
        queued("user-c", 1, "course"),
    )
    devices = (device(0), device(1))
    snapshot = Snapshot(devices, leases, parse(quotas, base=Policy(reclaim_grace=2 * HOUR)))
    return scheduler.extend(snapshot, "held-user-b-1", HOUR, NOW).verdict


SCENES = {
    Limit.USER_GPUS: lambda: asked({"default": {"gpus": 1}}, held("user-a", 0)),
    Limit.GROUP_GPUS: lambda: asked(
        {"groups": {"vision": VISION | {"gpus": 2}}},
        held("user-b", 0, group="vision"),
        held("user-b", 1, group="vision"),
        count=3,
    ),
    Limit.USER_GPU_HOURS: lambda: asked(
        {"default": {"gpu_hours": 20}},
        held("user-a", 0),
        hours=4,
        users={"user-a": Account(18 * HOUR * WHOLE)},
    ),
    Limit.GROUP_GPU_HOURS: lambda: asked(
        {"groups": {"vision": VISION | {"gpu_hours": {"limit": 200, "window": "weekly"}}}},
        hours=4,
        groups={"vision": Account(198 * HOUR * WHOLE)},
    ),
    Limit.MAX_LEASE: lambda: asked({"default": {"max_lease": "8h"}}, hours=10),
    Limit.MAX_QUEUED: lambda: asked(
        {"default": {"max_queued": 1}}, held("user-b", 0), queued("user-a", 1), count=1
    ),
    Limit.MODELS: lambda: asked({"default": {"models": ["T4", "A30"]}}, model="A100"),
    Limit.CAPACITY: lambda: asked({}, gpus=16, count=8),
    Limit.DEVICES: lambda: asked({}, held("user-b", 0), held("user-b", 1, 2)),
    Limit.OUTSIDE: lambda: asked({}, count=1, outside={"GPU-0": frozenset({"user-c"})}),
    Limit.RESERVATION: lambda: asked(
        {"groups": {"vision": VISION}, "reservations": [BOOKED | {"gpus": 2}]},
        owner="user-z",
        hours=2,
    ),
    Limit.TURN: lambda: asked({}, held("user-b", 0), queued("user-c", 2), hours=2),
    Limit.BORROWED: extended,
}


@pytest.mark.parametrize("limit", Limit)
def test_the_answers_in_the_table_are_those_that_are_given(limit):
    verdict = SCENES[limit]()
    assert verdict.limit is limit
    assert verdict.message == rows()[limit][2]
    assert verdict.hint or verdict.outcome is Outcome.QUEUED
