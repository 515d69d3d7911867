"""What the panel looks like: themes, widths, many devices. Each leaves a screenshot."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.fake_driver.driver import FakeMachine
from tests.fake_driver.scenario import h200s

from .conftest import Look, Start
from .lab import LabServer
from .panel import PanelPage

THEMES = {
    "light": "JupyterLab Light",
    "dark": "JupyterLab Dark",
    "high-contrast": "JupyterLab Dark High Contrast",
}


@pytest.fixture
def panel(simulated: LabServer, look: Look) -> PanelPage:
    panel = look(simulated).visit().open()
    panel.wait_for_seq(1)
    return panel


@pytest.mark.parametrize("name", THEMES)
def test_nothing_sticks_out_or_is_cut_in_any_theme(panel: PanelPage, name: str) -> None:
    panel.use_theme(THEMES[name])
    panel.unfold(0)
    panel.wait_for_seq(panel.seq() + 4)
    panel.shoot(f"theme-{name}", whole=True)
    assert panel.overflowing() == []
    panel.use_theme(THEMES["light"])


def test_the_panel_fits_280_pixels(panel: PanelPage) -> None:
    panel.unfold(0)
    panel.widen(280)
    panel.wait_for_seq(panel.seq() + 2)
    panel.shoot("280-pixels")
    assert panel.overflowing() == []


def test_sixteen_devices_fit_a_screen(start: Start, look: Look, fake_machine: FakeMachine) -> None:
    fake_machine.show(h200s(16))
    server = start(environment=fake_machine.environment())
    panel = look(server, height=900).visit().open()
    expect(panel.devices).to_have_count(16)
    panel.wait_for_seq(3)
    panel.shoot("16-devices")
    last = panel.devices.last.bounding_box()
    assert last is not None
    assert last["y"] + last["height"] < 900
    assert panel.overflowing() == []
