"""The simulation: deterministic, within limits, and lively enough to show something."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from jupyter_gpuctl.core.clock import ManualClock
from jupyter_gpuctl.gpus.model import DriverStatus, RawReading
from jupyter_gpuctl.gpus.simulated import SimulatedProbe
from jupyter_gpuctl.gpus.simulation import FIRST_PID

START = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)
seeds = st.integers(0, 2**64)
counts = st.integers(1, 8)
moments = st.datetimes(
    datetime(1971, 1, 1),
    datetime(2100, 1, 1),
    timezones=st.just(UTC),
)
pids = st.lists(st.integers(1, FIRST_PID - 1), unique=True, max_size=20)


def readings(
    count: int, seed: int, moment: datetime, local: Sequence[int] = ()
) -> dict[str, RawReading]:
    probe = SimulatedProbe(count, seed, ManualClock(moment), local_pids=lambda: local)
    probe.open()
    return {device.uuid: probe.read(device) for device in probe.devices()}


def hour(seed: int, step: float = 5.0) -> list[RawReading]:
    """An hour of the first of two devices."""
    clock = ManualClock(START)
    probe = SimulatedProbe(2, seed, clock)
    device = probe.devices()[0]
    samples = []
    for _ in range(int(3600 / step)):
        clock.advance(step)
        samples.append(probe.read(device))
    return samples


@given(counts, seeds, moments, pids)
def test_the_same_seed_and_time_give_the_same_readings(
    count: int, seed: int, moment: datetime, local: list[int]
) -> None:
    assert readings(count, seed, moment, local) == readings(count, seed, moment, local)


@given(counts, seeds, moments, pids)
def test_readings_are_never_negative_nor_above_their_limits(
    count: int, seed: int, moment: datetime, local: list[int]
) -> None:
    probe = SimulatedProbe(count, seed, ManualClock(moment), local_pids=lambda: local)
    for device in probe.devices():
        reading = probe.read(device)
        assert reading.memory_used is not None
        assert device.memory_total is not None
        assert 0 <= reading.memory_used <= device.memory_total
        assert reading.processes is not None
        assert all(process.memory and process.memory > 0 for process in reading.processes)
        assert sum(process.memory or 0 for process in reading.processes) <= reading.memory_used
        if device.mig_parent is not None:
            assert (reading.utilization, reading.temperature, reading.power) == (None, None, None)
            continue
        assert reading.power is not None
        assert reading.power_limit is not None
        assert 0 < reading.power <= reading.power_limit
        assert reading.temperature is not None
        assert 20 <= reading.temperature <= 90
        if device.mig_enabled:
            assert reading.utilization is None
        else:
            assert reading.utilization is not None
            assert 0 <= reading.utilization <= 100


@given(counts, seeds, moments)
def test_simulated_pids_are_unique_and_never_those_of_real_processes(
    count: int, seed: int, moment: datetime
) -> None:
    found = [
        process.pid
        for reading in readings(count, seed, moment).values()
        for process in reading.processes or ()
    ]
    assert len(found) == len(set(found))
    assert all(pid >= FIRST_PID for pid in found)
    assert all(pid < 2**31 for pid in found)


@given(counts, seeds, moments, moments, pids)
def test_each_real_kernel_is_shown_on_one_device_and_always_the_same(
    count: int, seed: int, moment: datetime, later: datetime, local: list[int]
) -> None:
    def homes(when: datetime) -> dict[int, str]:
        found: dict[int, str] = {}
        for uuid, reading in readings(count, seed, when, local).items():
            for process in reading.processes or ():
                if process.pid < FIRST_PID:
                    assert process.pid not in found
                    found[process.pid] = uuid
        return found

    assert sorted(homes(moment)) == sorted(local)
    assert homes(moment) == homes(later)


@given(seeds, st.integers(3, 8))
def test_from_three_devices_on_the_last_is_split_and_its_instances_follow_it(
    seed: int, count: int
) -> None:
    devices = SimulatedProbe(count, seed).devices()
    whole, parts = devices[:count], devices[count:]
    assert [device.mig_enabled for device in whole] == [False] * (count - 1) + [True]
    assert parts
    assert {part.mig_parent for part in parts} == {whole[-1].uuid}
    assert sum(part.memory_total or 0 for part in parts) <= (whole[-1].memory_total or 0)


@given(seeds, counts, moments)
def test_a_split_gpu_holds_what_its_instances_hold(seed: int, count: int, moment: datetime) -> None:
    probe = SimulatedProbe(count, seed, ManualClock(moment))
    held: dict[str, int] = {}
    for device in probe.devices():
        if device.mig_parent is not None:
            used = probe.read(device).memory_used or 0
            held[device.mig_parent] = held.get(device.mig_parent, 0) + used
    for device in probe.devices():
        if device.mig_enabled:
            assert (probe.read(device).memory_used or 0) >= held[device.uuid]


@given(seeds)
def test_uuids_are_stable_for_a_seed_and_differ_between_seeds(seed: int) -> None:
    uuids = [device.uuid for device in SimulatedProbe(4, seed).devices()]
    assert uuids == [device.uuid for device in SimulatedProbe(4, seed).devices()]
    assert len(set(uuids)) == len(uuids)
    assert not set(uuids) & {device.uuid for device in SimulatedProbe(4, seed + 1).devices()}


def test_simulated_devices_say_so_and_so_does_the_driver() -> None:
    probe = SimulatedProbe(3)
    driver = probe.open()
    assert driver.status is DriverStatus.SIMULATED
    assert "simulated" in driver.message
    assert driver.hint
    assert all(device.simulated and "Simulated" in device.name for device in probe.devices())


def test_within_an_hour_devices_work_and_rest_and_processes_come_and_go() -> None:
    for seed in range(4):
        samples = hour(seed)
        levels = {sample.utilization for sample in samples}
        assert len(levels) > 10
        assert max(level for level in levels if level is not None) > 25
        crowds = {tuple(process.pid for process in sample.processes or ()) for sample in samples}
        assert len(crowds) >= 5
        assert () in crowds


def test_no_device_rests_for_longer_than_one_stretch() -> None:
    for seed in range(4):
        idle = longest = 0
        for sample in hour(seed):
            idle = 0 if sample.processes else idle + 1
            longest = max(longest, idle)
        assert longest * 5.0 < 360 + 2 * 24 + 5


@given(seeds, st.integers(0, 3600))
def test_temperature_lags_behind_load(seed: int, second: int) -> None:
    clock = ManualClock(START + timedelta(seconds=second))
    probe = SimulatedProbe(1, seed, clock)
    device = probe.devices()[0]
    before = probe.read(device).temperature
    clock.advance(1)
    after = probe.read(device).temperature
    assert before is not None
    assert after is not None
    assert abs(after - before) <= 5


def test_a_device_is_hotter_and_draws_more_when_it_works() -> None:
    samples = [sample for seed in range(4) for sample in hour(seed)]

    def mean(busy: bool, field: str) -> float:
        chosen = [
            getattr(sample, field) for sample in samples if ((sample.utilization or 0) > 50) is busy
        ]
        return float(sum(chosen) / len(chosen))

    assert mean(True, "temperature") > mean(False, "temperature") + 10
    assert mean(True, "power") > mean(False, "power") + 100


def test_memory_of_a_process_grows_in_steps_and_never_shrinks() -> None:
    for seed in range(4):
        seen: dict[int, list[int]] = {}
        for sample in hour(seed, step=1.0):
            for process in sample.processes or ():
                seen.setdefault(process.pid, []).append(process.memory or 0)
        assert seen
        for sizes in seen.values():
            assert sizes == sorted(sizes)
            assert len(set(sizes)) < len(sizes) / 3 + 5
