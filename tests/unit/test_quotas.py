import math
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from jupyter_gpuctl.core.errors import InvalidConfig
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
from jupyter_gpuctl.leases.quotas.reading import parse

BASE = Policy(offer_window=120, max_lease=4 * 3600, reclaim_grace=300)
WEEK = 7 * 24 * 3600


def mistakes(value) -> list[str]:
    with pytest.raises(InvalidConfig) as refused:
        parse(value, base=BASE)
    assert refused.value.code == "config.invalid"
    return refused.value.detail["mistakes"]


def in_group(**group):
    return {"groups": {"vision": {"members": [], **group}}}


def booked(**changes):
    entry = {
        "group": "vision",
        "gpus": 4,
        "start": "2027-01-11T10:00",
        "end": "2027-01-11T12:00",
        "timezone": "Asia/Tokyo",
    } | changes
    entry = {key: value for key, value in entry.items() if value is not ...}
    return {**in_group(), "reservations": [entry]}


def test_the_example_of_the_contract_is_read():
    policy = parse(
        {
            "default": {
                "gpus": 1,
                "gpu_hours": {"limit": 20, "window": "7d"},
                "max_lease": "8h",
            },
            "users": {"user-a": {"gpus": 4}},
            "groups": {
                "vision": {
                    "members": ["user-a", "user-b"],
                    "gpus": {"nominal": 4, "limit": 8},
                    "gpu_hours": {
                        "limit": 200,
                        "window": "weekly",
                        "reset": "monday",
                        "timezone": "Asia/Tokyo",
                    },
                }
            },
            "reservations": [
                {
                    "group": "vision",
                    "gpus": 4,
                    "start": "2027-01-11T10:00",
                    "end": "2027-01-11T12:00",
                    "timezone": "Asia/Tokyo",
                }
            ],
        },
        base=BASE,
    )
    ten = datetime(2027, 1, 11, 10, tzinfo=ZoneInfo("Asia/Tokyo")).timestamp()
    assert policy == Policy(
        default=Limits(
            gpus=GpuQuota(1000, 1000),
            gpu_hours=HoursQuota(20, Window(WindowKind.ROLLING, seconds=WEEK)),
            max_lease=8 * 3600,
        ),
        users={"user-a": Limits(gpus=GpuQuota(4000, 4000))},
        groups={
            "vision": Group(
                "vision",
                frozenset({"user-a", "user-b"}),
                Limits(
                    gpus=GpuQuota(4000, 8000),
                    gpu_hours=HoursQuota(200, Window(WindowKind.WEEKLY, timezone="Asia/Tokyo")),
                ),
            )
        },
        reservations=(Reservation("vision", 4, ten, ten + 7200),),
        offer_window=120,
        max_lease=4 * 3600,
        reclaim_grace=300,
    )


def test_every_other_field_is_read():
    policy = parse(
        {
            "names": "hidden",
            "reclaim_grace": "0s",
            "groups": {
                "vision": {
                    "members": ["user-a", 20270001],
                    "weight": 2,
                    "priority": -3,
                    "each": {"gpus": 0.5, "max_queued": 0, "models": ["A100", "H100"]},
                }
            },
            "reservations": booked(gpu_model="A100")["reservations"],
        },
        base=BASE,
    )
    assert policy.hide_names
    assert policy.reclaim_grace == 0
    vision = policy.groups["vision"]
    assert vision.members == {"user-a", "20270001"}
    assert (vision.pool.weight, vision.pool.priority) == (2, -3)
    assert vision.each == Limits(gpus=GpuQuota(500, 500), max_queued=0, models=("A100", "H100"))
    assert policy.reservations[0].model == "A100"


def test_an_empty_mapping_means_no_quotas_and_nothing_at_all_is_a_mistake():
    assert parse({}, base=BASE) == BASE
    assert mistakes(None) == ["nothing is written. Write {} if there are to be no quotas."]


@pytest.mark.parametrize(
    ("written", "window"),
    [
        (20, Window(WindowKind.ROLLING, seconds=WEEK)),
        ({"limit": 20}, Window(WindowKind.ROLLING, seconds=WEEK)),
        ({"limit": 20, "window": "36h"}, Window(WindowKind.ROLLING, seconds=36 * 3600)),
        ({"limit": 20, "window": "daily"}, Window(WindowKind.DAILY)),
        ({"limit": 20, "window": "Monthly"}, Window(WindowKind.MONTHLY)),
        (
            {"limit": 20, "window": "weekly", "reset": "Sunday"},
            Window(WindowKind.WEEKLY, weekday=6),
        ),
    ],
)
def test_windows_are_read_as_people_write_them(written, window):
    policy = parse({"default": {"gpu_hours": written}}, base=BASE)
    assert policy.default.gpu_hours == HoursQuota(20, window)


@pytest.mark.parametrize(
    ("value", "place", "mend"),
    [
        ([1], "[1] is not a mapping", "{default: …}"),
        ("path.yaml", "'path.yaml' is not a mapping", "{default: …}"),
        ({"defualt": {}}, "defualt is not known", "Did you mean default?"),
        ({"max_lease": "8h"}, "max_lease is not known", "default, users"),
        ({"default": {"gpu": 1}}, "default.gpu is not known", "Did you mean gpus?"),
        ({"default": {"gpus": None}}, "default.gpus is empty", "such as 2 or 0.5"),
        ({"default": None}, "default is empty", "{gpus: …}"),
        ({"default": {"gpus": True}}, "default.gpus=True is yes or no", "2 or 0.5"),
        ({"default": {"gpus": "2"}}, "default.gpus='2' is text", "no quotes"),
        ({"default": {"gpus": math.nan}}, "default.gpus=nan is not a finite", "2 or 0.5"),
        ({"default": {"gpus": 1 / 3}}, "default.gpus=0.333", "2 or 0.5"),
        ({"default": {"gpus": -1}}, "default.gpus=-1 is below 0", "2 or 0.5"),
        ({"default": {"gpus": 10**5000}}, "default.gpus=a number of thousands", "2 or 0.5"),
        ({"default": {"gpus": {"limit": 2}}}, "default.gpus has no nominal", "nominal: 4"),
        (in_group(gpus={"nominal": 4, "limit": -1}), "groups.vision.gpus.limit=-1", "2 or 0.5"),
        (in_group(gpus={"nominal": 4, "limit": 2}), "nominal=4 is more than", "raise limit"),
        (in_group(gpu_hours={"window": "7d"}), "groups.vision.gpu_hours has no limit", "20"),
        (in_group(gpu_hours={"limit": math.inf}), "gpu_hours.limit=inf", "such as 20"),
        (in_group(gpu_hours={"limit": 1, "window": "weekli"}), "window='weekli'", "weekly"),
        (in_group(gpu_hours={"limit": 1, "window": "rolling"}), "window='rolling'", "7d"),
        (in_group(gpu_hours={"limit": 1, "window": 7}), "window=7 has no unit", "7d"),
        (in_group(gpu_hours={"limit": 1, "window": 168}), "window=168 is not between", "7d"),
        (in_group(gpu_hours={"limit": 1, "reset": "monday"}), "weekly windows only", "weekly"),
        (in_group(gpu_hours={"limit": 1, "timezone": "UTC"}), "not for rolling", "Leave"),
        (
            in_group(gpu_hours={"limit": 1, "window": "weekly", "reset": "mondey"}),
            "gpu_hours.reset='mondey' is not a day of the week",
            "Did you mean monday?",
        ),
        (
            in_group(gpu_hours={"limit": 1, "window": "daily", "timezone": "tokio"}),
            "gpu_hours.timezone='tokio' is not a time zone",
            "Did you mean Asia/Tokyo?",
        ),
        (
            in_group(gpu_hours={"limit": 1, "window": "daily", "timezone": "../../etc/passwd"}),
            "is not a time zone",
            "",
        ),
        ({"default": {"max_lease": 8}}, "default.max_lease=8 has no unit", "such as 8h"),
        ({"default": {"max_lease": "8:00"}}, "default.max_lease='8:00'", "such as 8h"),
        ({"default": {"max_lease": "8h" + " " * 99 + "x"}}, "default.max_lease='8h", "8h"),
        ({"default": {"max_lease": "99999999d"}}, "ten years", "such as 8h"),
        ({"default": {"max_queued": 1.5}}, "default.max_queued=1.5", "such as 5"),
        ({"default": {"weight": 0}}, "default.weight=0 is below", "above 0"),
        ({"default": {"priority": True}}, "default.priority=True", "such as 10"),
        ({"default": {"models": "A100"}}, "default.models='A100' is not a list", "[A100, H100]"),
        ({"default": {"models": []}}, "default.models=[] allows none", "Leave it out"),
        ({"names": True}, "names=True is not known", "hidden or shown"),
        ({"users": ["user-a"]}, "users=['user-a'] is not a mapping", "{name: …}"),
        ({"users": {"a\0b": {}}}, "is not a name", ""),
        ({"users": {7: {}, "7": {}}}, "users.7 is written twice", "Leave one"),
        ({"groups": {"vision": {"gpus": 2}}}, "groups.vision has no members", "members: ["),
        (in_group(members="user-a"), "groups.vision.members='user-a' is not a list", "[user-a"),
        (in_group(members=[False]), "groups.vision.members[0]=False is not a name", "quotes"),
        (in_group(members=["a "]), "groups.vision.members[0]='a '", "without blanks"),
        (in_group(max_queued=3), "groups.vision.max_queued counts for each", "groups.vision.each"),
        (in_group(each={"each": {}}), "groups.vision.each.each is not known", ""),
        (booked(group="vison"), "reservations[0].group='vison'", "Did you mean vision?"),
        (booked(gpus=0), "reservations[0].gpus=0 is below 1", "such as 4"),
        (booked(gpus=0.5), "reservations[0].gpus=0.5", "such as 4"),
        (booked(gpus=..., end=...), "reservations[0] has no gpus and no end", "Add"),
        (booked(until="x"), "reservations[0].until is not known", ""),
        (booked(timezone=...), "start='2027-01-11T10:00' says no time zone", "+09:00"),
        (booked(end="2027-01-11T10:00"), "reservations[0].end", "Write a later end."),
        (booked(start="2027-01-11"), "is not a date with a time of day", "2027-01-11T10:00"),
        (booked(start=date(2027, 1, 11)), "start=2027-01-11 is not", "2027-01-11T10:00"),
        (booked(start=1799629200), "start=1799629200 is not a date", "2027-01-11T10:00"),
        (booked(start="0001-01-01T00:00"), "is too far away", ""),
        (
            booked(start="2027-03-28T02:30", timezone="Europe/Berlin"),
            "start=2027-03-28T02:30:00 does not exist in Europe/Berlin",
            "2027-03-28T02:30+01:00",
        ),
        (
            booked(start="2026-10-25T02:30", timezone="Europe/Berlin"),
            "start=2026-10-25T02:30:00 comes twice in Europe/Berlin",
            "2026-10-25T02:30+01:00 or 2026-10-25T02:30+02:00",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place_and_its_mend(value, place, mend):
    told = [line for line in mistakes(value) if place in line]
    assert len(told) == 1, mistakes(value)
    assert mend in told[0]
    assert "\n" not in told[0]
    assert told[0][-1] in ".?"
    assert len(told[0]) < 400


def test_all_mistakes_are_told_at_once_and_no_more_than_can_be_read():
    assert len(mistakes({"default": {"gpus": -1, "max_lease": 8}, "names": 3})) == 3
    many = mistakes({"users": {f"user-{n}": {"gpus": -1} for n in range(1000)}})
    assert len(many) == 21
    assert many[-1] == "There are 980 more mistakes."


@pytest.mark.parametrize(
    "start",
    [
        "2027-01-11T10:00",
        "2027-01-11 10:00:00",
        datetime(2027, 1, 11, 10),
        datetime(2027, 1, 11, 1, tzinfo=UTC),
        datetime(2027, 1, 11, 10, tzinfo=timezone(timedelta(hours=9))),
        "2027-01-11T01:00Z",
        "2027-01-11T02:00+01:00",
    ],
)
def test_a_time_is_local_unless_it_has_an_offset(start):
    entry = booked(start=start, end="2027-01-11T12:00")
    assert parse(entry, base=BASE).reservations[0].start == 1799629200
