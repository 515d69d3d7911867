"""States that explain themselves: what is wrong, and what to do about it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.fake_driver.driver import FakeMachine, build_garbage
from tests.fake_driver.scenario import (
    FIRST_PID,
    LIB_RM_VERSION_MISMATCH,
    NO_PERMISSION,
    Fault,
    Scenario,
    h200s,
    mig_seven,
)

from .conftest import Look, Start


def test_without_a_driver_the_machine_and_its_kernels_are_still_shown(
    start: Start, look: Look
) -> None:
    server = start()
    server.add_notebook("notes.ipynb", "1 + 1")
    panel = look(server).visit("lab/tree/notes.ipynb").open()
    expect(panel.answer).to_have_text("No GPU on this machine")
    expect(panel.notices).to_have_count(1)
    expect(panel.devices).to_have_count(0)
    expect(panel.root.locator(".gpuctl-Kernel")).to_contain_text("notes.ipynb")
    expect(panel.root.locator(".gpuctl-Meter-name")).to_contain_text(["CPU", "Memory"])
    expect(panel.status_bar).to_have_count(0)
    panel.wait_for_seq(3)
    panel.shoot("no-driver")
    assert panel.overflowing() == []


def test_a_driver_mismatch_says_what_to_do(
    start: Start, look: Look, fake_machine: FakeMachine
) -> None:
    fake_machine.show(Scenario().with_faults(Fault("nvmlInit*", LIB_RM_VERSION_MISMATCH)))
    panel = look(start(environment=fake_machine.environment())).visit().open()
    expect(panel.answer).to_have_text("GPU driver mismatch")
    expect(panel.notices).to_contain_text(re.compile("reboot|restart", re.IGNORECASE))
    expect(panel.status_bar).to_have_text("GPU: driver error")
    panel.wait_for_seq(1)
    panel.shoot("driver-mismatch")
    assert panel.overflowing() == []


def test_a_driver_library_that_is_garbage_is_told(
    start: Start, look: Look, tmp_path: Path, fake_machine: FakeMachine
) -> None:
    library = build_garbage(tmp_path / "garbage", elf=False)
    environment = fake_machine.environment() | {"LD_LIBRARY_PATH": str(library.parent)}
    panel = look(start(environment=environment)).visit().open()
    expect(panel.notices).not_to_be_empty()
    expect(panel.root.locator(".gpuctl-Meter").first).to_be_visible()
    panel.shoot("driver-garbage")


def test_eight_gpus_with_64_processes_and_one_lost_are_all_shown(
    start: Start, look: Look, fake_machine: FakeMachine
) -> None:
    fake_machine.show(h200s(8))
    panel = look(start(environment=fake_machine.environment())).visit().open()
    expect(panel.devices).to_have_count(8)
    expect(panel.answer).to_have_text("All 8 GPUs are in use")
    expect(panel.device(7).locator(".gpuctl-Device-holders")).to_have_text("8 unattributed")
    fake_machine.show(h200s(8).with_gpu(3, lost=True))
    expect(panel.device(3).locator(".gpuctl-Device-problem")).to_have_text("⚠ lost")
    expect(panel.answer).to_have_text("8 GPUs, none free, 1 not readable")
    expect(panel.root.get_by_role("status")).to_contain_text("GPU 3")
    expect(panel.device(4).locator(".gpuctl-Device-load")).to_have_text(re.compile(r"^93.%$"))
    panel.unfold(3)
    panel.unfold(4)
    expect(panel.device(4).locator(".gpuctl-Process")).to_have_count(8)
    panel.wait_for_seq(panel.seq() + 2)
    panel.shoot("8-gpus-one-lost")
    assert panel.overflowing() == []


def test_mig_instances_stand_under_their_gpu_and_what_is_not_told_is_na(
    start: Start, look: Look, fake_machine: FakeMachine
) -> None:
    fake_machine.show(mig_seven())
    panel = look(start(environment=fake_machine.environment())).visit().open()
    expect(panel.devices).to_have_count(8)
    expect(panel.answer).to_have_text("7 MIG instances, 4 free")
    instance = panel.device(1)
    expect(instance).to_have_class(re.compile("gpuctl-mod-instance"))
    expect(instance.locator(".gpuctl-Device-load")).to_have_text("n/a")
    panel.unfold(1)
    panel.wait_for_seq(panel.seq() + 3)
    panel.shoot("mig")
    assert panel.overflowing() == []


def test_readings_that_the_driver_refuses_are_na_and_not_0(
    start: Start, look: Look, fake_machine: FakeMachine
) -> None:
    whole = h200s(1, [FIRST_PID])
    fake_machine.show(whole)
    panel = look(start(environment=fake_machine.environment())).visit().open()
    fields = {
        "nvmlDeviceGetUtilizationRates": ".gpuctl-Device-load",
        "nvmlDeviceGetMemoryInfo*": ".gpuctl-Device-memory",
        "nvmlDeviceGetTemperature*": ".gpuctl-Device-heat span:first-child",
        "nvmlDeviceGetPowerUsage": ".gpuctl-Device-power",
    }
    for field in fields.values():
        expect(panel.device(0).locator(field)).to_have_text(re.compile(r"\d"))
    fake_machine.show(whole.with_faults(*(Fault(name, NO_PERMISSION) for name in fields)))
    for field in fields.values():
        expect(panel.device(0).locator(field)).to_have_text("n/a")
    panel.wait_for_seq(panel.seq() + 2)
    panel.shoot("refused-readings")
    assert panel.overflowing() == []


def test_a_device_that_does_not_answer_does_not_hold_up_the_others(
    start: Start, look: Look, fake_machine: FakeMachine
) -> None:
    machine = h200s(2, ())
    fake_machine.show(machine)
    panel = look(start(environment=fake_machine.environment())).visit().open()
    panel.wait_for_seq(1)
    hang = Fault("nvmlDeviceGetTemperature*", seconds=600)
    fake_machine.show(machine.with_gpu(1, faults=(hang,)))
    expect(panel.device(1).locator(".gpuctl-Device-problem")).to_have_text("⚠ does not answer")
    expect(panel.device(0)).to_have_attribute("data-state", "free")
    panel.wait_for_seq(panel.seq() + 2)
    panel.shoot("device-unresponsive")
    assert panel.overflowing() == []
    # Lets the blocked call come back, so that the server can end.
    fake_machine.show(machine)
    expect(panel.device(1)).to_have_attribute("data-state", "free")


def test_a_home_that_is_nearly_full_is_warned_of(start: Start, look: Look, tmp_path: Path) -> None:
    home = tmp_path / "small-home"
    home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", home], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk can't be mounted here: not root, or not allowed to")
    try:
        (home / "data.bin").write_bytes(bytes(62 * 1024**2))
        panel = look(start("--GpuCtl.simulate_gpus=1", home=home)).visit().open()
        warning = panel.notices.filter(has_text=re.compile("full|free|disk", re.IGNORECASE))
        expect(warning.first).to_be_visible()
        panel.wait_for_seq(panel.seq() + 2)
        panel.shoot("home-nearly-full")
        assert panel.overflowing() == []
    finally:
        subprocess.run(["umount", "--lazy", home], check=False)


def test_when_the_server_goes_away_old_values_stay_with_their_age_until_it_is_back(
    start: Start, look: Look
) -> None:
    server = start("--GpuCtl.simulate_gpus=2")
    panel = look(server).visit().open()
    panel.wait_for_seq(4)
    server.stop(signal.SIGKILL)
    expect(panel.content).to_have_attribute("data-phase", "away")
    expect(panel.devices).to_have_count(2)
    age = re.compile(r"The server does not answer\. Values from \d+.s ago\.")
    expect(panel.notices.first).to_contain_text(age)
    expect(panel.status_bar).to_have_class(re.compile("gpuctl-mod-stale"))
    first = panel.notices.first.inner_text()
    expect(panel.notices.first).not_to_have_text(first)
    panel.shoot("server-away")
    server.start()
    expect(panel.content).to_have_attribute("data-phase", "live")
    # The new server counts from one.
    panel.page.wait_for_function(
        "() => Number(document.querySelector('.gpuctl-Content').dataset.seq) < 100"
    )
    panel.wait_for_seq(panel.seq() + 2)
    expect(panel.notices.filter(has_text="does not answer")).to_have_count(0)


def test_a_wrong_setting_is_named_with_its_mend(start: Start, look: Look) -> None:
    panel = look(start("--GpuCtl.simulate_gpu=2")).visit().open()
    expect(panel.answer).to_have_text("The settings of jupyter-gpuctl can’t be used")
    expect(panel.notices).to_contain_text("GpuCtl.simulate_gpu is not a setting")
    expect(panel.notices).to_contain_text("Did you mean GpuCtl.simulate_gpus?")
    panel.shoot("config-invalid")


def test_who_may_not_see_the_gpus_is_told_so(start: Start, look: Look, tmp_path: Path) -> None:
    module = tmp_path / "modules"
    module.mkdir()
    (module / "deny_gpuctl.py").write_text(
        "from jupyter_server.auth import AllowAllAuthorizer\n\n"
        "class DenyGpuCtl(AllowAllAuthorizer):\n"
        "    def is_authorized(self, handler, user, action, resource):\n"
        "        return resource != 'gpuctl'\n"
    )
    server = start(
        "--ServerApp.authorizer_class=deny_gpuctl.DenyGpuCtl",
        environment=dict(os.environ) | {"PYTHONPATH": str(module)},
    )
    panel = look(server).visit().open()
    expect(panel.answer).to_have_text("You may not see the GPUs of this server")
    expect(panel.root.locator(".gpuctl-Sections")).to_have_count(0)
    panel.shoot("forbidden")


def test_a_server_without_the_extension_is_told(start: Start, look: Look) -> None:
    server = start('--ServerApp.jpserver_extensions={"jupyter_gpuctl": False}')
    panel = look(server).visit().open()
    expect(panel.answer).to_have_text("The server part is not running")
    expect(panel.notices).to_contain_text("Install jupyter-gpuctl")
    panel.shoot("no-server-part")
