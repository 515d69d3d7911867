"""What people see of leases when something is wrong: a lost GPU, quotas that can't be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.fake_driver.driver import FakeMachine
from tests.fake_driver.scenario import h200s

from .conftest import Look
from .office import Desk, server_of, sit

Seat = Callable[..., Desk]


@pytest.fixture
def seat(tmp_path: Path, look: Look) -> Iterator[Seat]:
    """Starts a server for user-a and shows its panel, 280 pixels wide."""
    with ExitStack() as stack:

        def _seat(simulated: int = 2, **environment: str) -> Desk:
            server = server_of("user-a", tmp_path, simulated=simulated, environment=environment)
            stack.callback(server.stop)
            server.start()
            return sit(look(server, height=1000))

        yield _seat


def test_a_lost_gpu_is_told_and_its_lease_released(seat: Seat, fake_machine: FakeMachine) -> None:
    fake_machine.show(h200s(2, ()))
    desk = seat(simulated=0, **fake_machine.environment())
    desk.request(gpus="1", duration="2h")
    expect(desk.headline).to_have_text(re.compile("You hold 1 GPU"))
    fake_machine.show(h200s(2, ()).with_gpu(0, lost=True))
    told = "GPU 0 is not there any more: the driver does not find it."
    expect(desk.panel.root.locator(".gpuctl-Mine-why")).to_contain_text(told)
    toast = desk.toast(told)
    expect(toast).to_be_visible()
    desk.shoot("gpu-lost")
    desk.shoot("gpu-lost-told", whole=True)
    toast.get_by_role("button", name="Release…").click()
    desk.dialog.get_by_role("button", name="Release", exact=True).click()
    expect(desk.headline).to_have_count(0)
    expect(toast).to_have_count(0)
    expect(desk.unfold("History")).to_contain_text("GPU was gone")
    log = desk.unfold("Log").locator(".gpuctl-Past")
    expect(log).to_contain_text(
        ["you: gave back", "you: GPU is gone", "you: lease began", "you: asked for 1"]
    )
    log.first.scroll_into_view_if_needed()
    desk.shoot("log")


def test_quotas_that_can_not_be_read_are_named_until_they_are_mended(
    seat: Seat, tmp_path: Path
) -> None:
    quotas = tmp_path / "quotas.yaml"
    quotas.write_text("default: {gpus: -1}\n")
    desk = seat(GPUCTL_QUOTAS=str(quotas))
    notice = desk.panel.notices.filter(has_text="the quotas are not known")
    expect(notice).to_contain_text("default.gpus=-1 is below 0")
    desk.shoot("quotas-unknown")
    quotas.write_text("default: {gpus: 1}\n")
    expect(notice).to_have_count(0)
    desk.request(gpus="1", duration="1h")
    expect(desk.headline).to_have_text(re.compile("You hold 1 GPU"))
