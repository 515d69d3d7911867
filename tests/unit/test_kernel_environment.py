"""What a kernel's environment says of its GPUs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.kernels.environment import (
    CONTAINER,
    CUDA,
    JAX,
    MAIN,
    MPS_MEMORY,
    MPS_THREADS,
    ORDER,
    PYTORCH,
    launch_variables,
    live_variables,
)
from jupyter_gpuctl.kernels.standing import Standing
from jupyter_gpuctl.leases.bindings import Held
from jupyter_gpuctl.leases.model import LeasableDevice, Lease, LeaseStatus, Request
from jupyter_gpuctl.leases.policy import Policy

GIB = 1024**3
DEVICES = tuple(LeasableDevice(f"GPU-{n}", "host", "GPU", 16 * GIB, n) for n in range(4))
FREE, STRICT = Policy(), Policy(unleased_devices=False)


def lease(*devices: str, milli: int | None = None, memory: int | None = None, start: float = 1.0):
    request = Request(milli or 1000 * len(devices), 3600, memory=memory)
    return Lease(
        f"{start}-{devices}", "user-a", request, LeaseStatus.ACTIVE, 0.0, devices, started_at=start
    )


def variables(*leases, policy=FREE, base=None, **options):
    return launch_variables(Standing(leases), policy, DEVICES, base or {}, **options)


def held(*leases, policy=FREE):
    return Held(leases, DEVICES, policy, 0.0)


leases = st.lists(
    st.one_of(
        st.lists(st.sampled_from([d.uuid for d in DEVICES]), min_size=1, unique=True).map(
            lambda uuids: lease(*uuids)
        ),
        st.tuples(
            st.sampled_from([d.uuid for d in DEVICES]),
            st.integers(1, 999),
            st.one_of(st.none(), st.integers(1, 16 * GIB)),
        ).map(lambda x: lease(x[0], milli=x[1], memory=x[2])),
    ),
    max_size=4,
)


def test_a_device_that_is_lost_hides_none_of_the_others():
    found = variables(lease("GPU-lost", "GPU-2"), lease("GPU-1", start=2.0))
    assert found[CUDA] == "GPU-2,GPU-1,GPU-lost"


def test_without_a_lease_nothing_is_said_where_any_gpu_may_be_used():
    assert variables() == {}


def test_without_a_lease_no_gpu_is_seen_where_one_is_needed():
    assert variables(policy=STRICT) == {CUDA: "", CONTAINER: "void"}


def test_whole_gpus_are_named_in_the_order_of_their_leases():
    found = variables(lease("GPU-2", start=1), lease("GPU-0", "GPU-2", start=2))
    assert found == {CUDA: "GPU-2,GPU-0", CONTAINER: "GPU-2,GPU-0", ORDER: "PCI_BUS_ID"}


def test_a_share_is_held_by_mps_and_by_what_allocators_read():
    share = lease("GPU-0", milli=250, memory=4 * GIB)
    found = variables(share, mps=True, pytorch=True)
    assert found[MPS_MEMORY] == "0=4096M"
    assert found[MPS_THREADS] == "25"
    assert found[PYTORCH] == "per_process_memory_fraction:0.25"
    assert found[JAX] == "0.25"


def test_a_share_without_a_size_of_its_own_gets_its_part_of_the_memory():
    assert variables(lease("GPU-0", milli=500))[JAX] == "0.5"


def test_a_pytorch_that_would_refuse_to_work_is_told_nothing():
    assert PYTORCH not in variables(lease("GPU-0", milli=500))


def test_what_the_user_says_to_an_allocator_stays():
    base = {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True", "XLA_CLIENT_MEM_FRACTION": ".1"}
    found = variables(lease("GPU-0", milli=500), base=base, pytorch=True)
    assert PYTORCH not in found
    assert JAX not in found


def test_beside_a_whole_gpu_a_share_caps_only_itself():
    found = variables(lease("GPU-1"), lease("GPU-0", milli=500, start=2), mps=True, pytorch=True)
    assert found[MPS_MEMORY] == "1=8192M"
    assert not {MPS_THREADS, PYTORCH, JAX} & set(found)


@given(leases, st.booleans(), st.booleans())
def test_exactly_the_leased_gpus_are_named_each_once(these, mps, pytorch):
    found = variables(*these, mps=mps, pytorch=pytorch)
    named = found[CUDA].split(",") if CUDA in found else []
    assert len(named) == len(set(named))
    assert set(named) == {uuid for each in these for uuid in each.devices}
    assert found.get(CUDA) == found.get(CONTAINER)


@given(leases)
def test_no_cap_is_above_what_there_is_or_below_something(these):
    found = variables(*these, mps=True, pytorch=True)
    if JAX in found:
        assert 0 < float(found[JAX]) < 1
    for limit in found.get(MPS_MEMORY, "").split(","):
        if limit:
            ordinal, _, size = limit.partition("=")
            assert int(ordinal) < len(found[CUDA].split(","))
            assert int(size.removesuffix("M")) >= 1
    assert 1 <= int(found.get(MPS_THREADS, "100")) <= 100


@given(leases, st.dictionaries(st.sampled_from([*MAIN, JAX, "HOME"]), st.text(max_size=3)))
def test_what_was_told_live_is_what_a_restart_would_tell(these, base):
    before = variables(lease("GPU-3", milli=500))
    told = live_variables(these, held(*these), before=before, base=base)
    # The environment of the kernel, after its leases have changed, and had it been started now.
    now = {**base, **before}
    for name, value in told.items():
        now.pop(name, None)
        if value is not None:
            now[name] = value
    assert now == {**base, **variables(*these, base=base)}


def test_after_its_lease_a_kernel_sees_again_what_the_server_sees():
    told = live_variables((), held(), base={CUDA: "0"})
    assert told == {CUDA: "0", CONTAINER: None, ORDER: None}


def test_what_a_kernel_was_not_told_by_us_is_not_taken_from_it():
    assert JAX not in live_variables((), held(), base={})
