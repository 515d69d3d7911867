"""Quotas of any kind: what is written is what is read, and nonsense is told."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

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
from jupyter_gpuctl.leases.quotas.reading import WEEKDAYS, parse

BASE = Policy(offer_window=120, max_lease=4 * 3600, reclaim_grace=300)

amounts = st.integers(0, 10**6)
windows = st.one_of(
    st.builds(Window, st.just(WindowKind.ROLLING), seconds=st.integers(3600, 10**8)),
    st.builds(
        Window,
        st.just(WindowKind.WEEKLY),
        weekday=st.integers(0, 6),
        timezone=st.sampled_from(["UTC", "Asia/Tokyo", "America/Santiago"]),
    ),
    st.builds(Window, st.just(WindowKind.MONTHLY), timezone=st.just("Europe/Berlin")),
)
names = st.text("abcXYZ-._é日@ ", min_size=1, max_size=9).filter(lambda name: name == name.strip())
limits = st.builds(
    Limits,
    gpus=st.none() | st.tuples(amounts, amounts).map(lambda pair: GpuQuota(*sorted(pair))),
    gpu_hours=st.none() | st.builds(HoursQuota, st.floats(0, 10**6), windows),
    max_lease=st.none() | st.integers(60, 10**7),
    max_queued=st.none() | amounts,
    models=st.none() | st.lists(names, min_size=1, max_size=3).map(tuple),
    priority=st.none() | st.integers(-(10**6), 10**6),
    weight=st.none() | st.floats(0.001, 1000),
)


@st.composite
def policies(draw):
    groups = {
        name: Group(
            name,
            draw(st.frozensets(names, max_size=3)),
            replace(draw(limits), max_queued=None),
            draw(limits),
        )
        for name in draw(st.lists(names, unique=True, max_size=3))
    }
    reservations = ()
    if groups:
        reservations = draw(
            st.lists(
                st.builds(
                    lambda group, gpus, start, length, model: Reservation(
                        group, gpus, float(start), float(start + length), model
                    ),
                    st.sampled_from(sorted(groups)),
                    st.integers(1, 99),
                    st.integers(1_700_000_000, 2_000_000_000),
                    st.integers(1, 10**6),
                    st.none() | names,
                ),
                max_size=3,
            )
        )
    return Policy(
        draw(limits),
        draw(st.dictionaries(names, limits, max_size=3)),
        groups,
        tuple(reservations),
        hide_names=draw(st.booleans()),
        reclaim_grace=draw(st.integers(60, 10**6)),
    )


def written(policy: Policy) -> dict:
    """The mapping that a person would have written for ``policy``."""
    return {
        "default": as_limits(policy.default),
        "users": {user: as_limits(own) for user, own in policy.users.items()},
        "groups": {
            group.name: {
                "members": sorted(group.members),
                **as_limits(group.pool),
                "each": as_limits(group.each),
            }
            for group in policy.groups.values()
        },
        "reservations": [
            {
                "group": entry.group,
                "gpus": entry.gpus,
                "start": datetime.fromtimestamp(entry.start, UTC).isoformat(),
                "end": datetime.fromtimestamp(entry.end, UTC),
                **({} if entry.model is None else {"gpu_model": entry.model}),
            }
            for entry in policy.reservations
        ],
        "names": "hidden" if policy.hide_names else "shown",
        "reclaim_grace": f"{policy.reclaim_grace}s",
    }


def as_limits(own: Limits) -> dict:
    plain = {}
    if own.gpus is not None:
        plain["gpus"] = {"nominal": own.gpus.nominal / 1000, "limit": own.gpus.limit / 1000}
    if own.gpu_hours is not None:
        window = own.gpu_hours.window
        plain["gpu_hours"] = {"limit": own.gpu_hours.limit, "window": str(window.kind)}
        if window.kind is WindowKind.ROLLING:
            plain["gpu_hours"]["window"] = f"{window.seconds}s"
        else:
            plain["gpu_hours"]["timezone"] = window.timezone
        if window.kind is WindowKind.WEEKLY:
            plain["gpu_hours"]["reset"] = WEEKDAYS[window.weekday]
    for name in ("max_lease", "max_queued", "models", "priority", "weight"):
        if getattr(own, name) is not None:
            plain[name] = getattr(own, name)
    return plain


@given(policies())
def test_what_is_written_is_what_is_read(policy):
    assert parse(written(policy), base=Policy()) == policy


words = st.sampled_from(
    [
        *("default", "users", "groups", "reservations", "names", "reclaim_grace", "gpus", "each"),
        *("gpu_hours", "max_lease", "max_queued", "models", "priority", "weight", "members"),
        *("group", "start", "end", "timezone", "gpu_model", "nominal", "limit", "window", "reset"),
        *("weekly", "7d", "UTC", "2027-01-11T10:00", "hidden"),
    ]
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    words,
    st.datetimes(),
    st.dates(),
    st.binary(max_size=3),
    st.datetimes(timezones=st.timezones()),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(words | scalars, inner, max_size=5)
    ),
    max_leaves=25,
)
shaped = st.fixed_dictionaries(
    {},
    optional={
        "default": st.dictionaries(words, values, max_size=4),
        "users": st.dictionaries(words, st.dictionaries(words, values, max_size=3), max_size=2),
        "groups": st.dictionaries(words, st.dictionaries(words, values, max_size=4), max_size=2),
        "reservations": st.lists(
            st.fixed_dictionaries(dict.fromkeys(("group", "gpus", "start", "end"), scalars)),
            max_size=2,
        ),
    },
)


@settings(max_examples=300)
@given(values | shaped)
def test_nothing_that_can_be_written_gives_anything_but_a_policy_or_a_clear_error(value):
    told = ["fine"]
    try:
        parse(value, base=BASE)
    except InvalidConfig as error:
        told = [*error.detail["mistakes"], error.message.splitlines()[0]]
    assert told[0]
    assert all(line.encode() and "\n" not in line for line in told)
