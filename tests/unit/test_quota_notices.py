from jupyter_gpuctl.leases.model import LeasableDevice
from jupyter_gpuctl.leases.policy import Policy
from jupyter_gpuctl.leases.quotas.notices import notices
from jupyter_gpuctl.leases.quotas.reading import parse

NOW = 1_799_629_200.0  # 2027-01-11T01:00Z
EIGHT = [
    LeasableDevice(f"GPU-{n}", "host", "NVIDIA A100" if n < 6 else "NVIDIA T4", None, n)
    for n in range(8)
]


def told(devices=EIGHT, **quotas):
    return notices(parse(quotas, base=Policy()), devices, NOW)


def group(gpus=0, **more):
    return {"members": [], "gpus": gpus, **more}


def booking(gpus, start, end, **more):
    start, end = f"2027-01-11T{start}Z", f"2027-01-11T{end}Z"
    return {"group": "a", "gpus": gpus, "start": start, "end": end, **more}


def test_quotas_that_can_be_kept_are_not_remarked_on():
    assert (
        told(
            groups={"a": group(4, models=["a100"]), "b": group({"nominal": 4, "limit": 100})},
            reservations=[booking(8, "10:00", "11:00"), booking(8, "11:00", "12:00")],
        )
        == ()
    )


def test_more_guaranteed_than_there_is_is_told():
    (notice,) = told(groups={"a": group(8), "b": group(0.5)})
    assert "add up to 8.5 GPUs, and there are 8." in notice


def test_more_guaranteed_than_there_is_of_the_models_is_told():
    (notice,) = told(groups={"a": group(3, models=["t4"])})
    assert (
        "groups.a.gpus.nominal is 3 GPUs, and of the models that it may use there are 2." in notice
    )


def test_a_model_that_no_device_has_is_told_with_those_that_there_are():
    (notice,) = told(users={"user-a": {"models": ["A100", "H100"]}})
    assert "users.user-a.models names 'H100'" in notice
    assert "There are: NVIDIA A100, NVIDIA T4." in notice


def test_bookings_of_more_than_there_is_are_told():
    groups = {"a": group()}
    (notice,) = told(groups=groups, reservations=[booking(9, "10:00", "11:00")])
    assert "books 9 GPUs, and there are 8." in notice
    t4 = booking(3, "10:00", "11:00", gpu_model="t4")
    (notice,) = told(groups=groups, reservations=[t4])
    assert "books 3 GPUs, and there are 2 of that model." in notice
    overlapping = [booking(5, "10:00", "11:00"), booking(5, "10:30", "11:30")]
    (notice,) = told(groups=groups, reservations=overlapping)
    assert "book 10 GPUs together" in notice


def test_a_booking_that_is_over_and_a_machine_without_a_driver_are_not_remarked_on():
    groups = {"a": group()}
    assert told(groups=groups, reservations=[booking(9, "00:00", "01:00")]) == ()
    assert told([], groups={"a": group(99)}, reservations=[booking(9, "10:00", "11:00")]) == ()
