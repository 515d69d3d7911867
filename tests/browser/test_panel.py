"""What a person sees and does in the panel, in JupyterLab."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.fake_driver.driver import FakeMachine
from tests.fake_driver.scenario import FIRST_PID, h200s

from .conftest import Look, Start
from .lab import LabServer, eventually

SLEEPING = "data = bytearray(200 * 1024**2)\nimport time\ntime.sleep(600)"


def test_two_simulated_gpus_are_shown_and_their_plots_move(
    simulated: LabServer, look: Look
) -> None:
    panel = look(simulated).visit().open()
    expect(panel.devices).to_have_count(2)
    expect(panel.root.locator(".gpuctl-Badge")).to_have_text("simulated")
    expect(panel.notices).to_contain_text("These GPUs are simulated")
    panel.wait_for_seq(1)
    seq, pixels = panel.seq(), panel.plot_pixels(0)
    panel.wait_for_seq(seq + 3)
    assert panel.plot_pixels(0) != pixels


def test_an_opened_device_stays_open_and_keeps_its_plots_while_values_change(
    simulated: LabServer, look: Look
) -> None:
    panel = look(simulated).visit()
    panel.wait_for_focus()
    device = panel.open().unfold(0)
    fold = device.locator(".gpuctl-Device-name")
    fold.focus()
    canvas = device.locator(".gpuctl-LongPlot canvas").first
    canvas.evaluate("canvas => { canvas.mark = 'the same'; }")
    panel.wait_for_seq(panel.seq() + 3)
    expect(fold).to_be_focused()
    expect(fold).to_have_attribute("aria-expanded", "true")
    assert canvas.evaluate("canvas => canvas.mark") == "the same"
    panel.page.reload()
    expect(panel.root).to_be_visible()
    expect(panel.device(0).locator(".gpuctl-Device-name")).to_have_attribute(
        "aria-expanded", "true"
    )
    panel.device(0).locator(".gpuctl-Device-name").click()


def test_a_notebook_is_listed_with_its_memory_and_its_gpu_and_a_click_goes_to_it(
    start: Start, look: Look, fake_machine: FakeMachine
) -> None:
    fake_machine.show(h200s(2, ()))
    server = start(environment=fake_machine.environment())
    server.add_notebook("train.ipynb", SLEEPING)
    server.add_notebook("notes.ipynb", "1 + 1")
    panel = look(server).visit("lab/tree/train.ipynb").open()
    page = panel.page
    panel.run_notebook()
    kernel = panel.root.locator(".gpuctl-Kernel", has_text="train.ipynb")
    expect(kernel).to_contain_text("busy")
    # 200 MiB of its own, and what Python needs.
    expect(kernel.locator(".gpuctl-Kernel-memory")).to_have_text(re.compile(r"[23]\d\d.MiB"))

    fake_machine.show(h200s(2, [server.kernel_pid("train.ipynb"), FIRST_PID]))
    expect(kernel).to_contain_text("GPU 0")
    expect(panel.root.locator(".gpuctl-Answer-yours")).to_have_text("train.ipynb is on GPU 0")
    expect(panel.device(1).locator(".gpuctl-Device-holders")).to_have_text("1 unattributed")

    page.evaluate("void jupyterapp.commands.execute('docmanager:open', {path: 'notes.ipynb'})")
    current = page.locator(".lm-TabBar-tab.jp-mod-current", has_text="notes.ipynb")
    expect(current).to_be_visible()
    panel.unfold(0)
    panel.wait_for_seq(panel.seq() + 5)
    panel.shoot("notebook-on-gpu", whole=True)
    # Its name stands in the device's quiet line, in its processes, and among the kernels.
    for place in (".gpuctl-Device-holders", ".gpuctl-Processes", ".gpuctl-Kernels"):
        page.evaluate("void jupyterapp.commands.execute('docmanager:open', {path: 'notes.ipynb'})")
        expect(current).to_be_visible()
        link = panel.root.locator(f"{place} button", has_text="train.ipynb")
        link.focus()
        page.keyboard.press("Enter")
        expect(
            page.locator(".lm-TabBar-tab.jp-mod-current", has_text="train.ipynb")
        ).to_be_visible()
    assert panel.overflowing() == []


def test_polling_stops_when_nobody_looks_and_is_no_activity(start: Start, look: Look) -> None:
    server = start(
        "--GpuCtl.simulate_gpus=2",
        settings={"jupyter-gpuctl:gpus": {"showStatusBar": False}},
    )
    panel = look(server).visit().open()
    panel.wait_for_seq(1)
    # Lab itself asks for sessions and terminals, and those calls do count: from here on
    # they are answered by the test, and only the panel's reach the server.
    panel.page.route(
        lambda url: "/gpuctl/" not in url,
        lambda route: route.fulfill(json=[]),
    )
    before = eventually(lambda: _settled(server, panel), "the server settles")
    polls = len(panel.polls)
    panel.wait_for_seq(panel.seq() + 4)
    assert len(panel.polls) > polls
    assert server.get("api/status")["last_activity"] == before

    panel.hide()
    polls = len(panel.polls)
    # Twice the slowest interval that the page has while anybody looks.
    panel.page.wait_for_timeout(3000)
    assert len(panel.polls) <= polls + 1
    panel.open()
    seq = panel.seq()
    panel.wait_for_seq(seq + 1)


def _settled(server: LabServer, panel: object) -> str | None:
    """When the server was last active, once that has stopped moving."""
    first = server.get("api/status")["last_activity"]
    panel.wait_for_seq(panel.seq() + 3)  # type: ignore[attr-defined]
    return first if server.get("api/status")["last_activity"] == first else None


def test_the_status_bar_tells_at_a_glance_and_opens_the_panel(
    simulated: LabServer, look: Look
) -> None:
    panel = look(simulated).visit()
    expect(panel.status_bar).to_have_text(re.compile(r"^GPU \d+.% · [\d.]+ / 160.GiB$"))
    title = panel.status_bar.get_attribute("title") or ""
    assert "GPU 1: " in title
    assert "Simulated" in title
    panel.tab.wait_for()
    if panel.root.is_visible():
        panel.hide()
    panel.status_bar.click()
    expect(panel.root).to_be_visible()


def test_settings_say_what_is_shown(start: Start, look: Look) -> None:
    server = start(
        "--GpuCtl.simulate_gpus=2",
        settings={
            "jupyter-gpuctl:gpus": {
                "showMachine": False,
                "showLeases": False,
                "showKernels": False,
                "showStatusBar": False,
            }
        },
    )
    panel = look(server).visit().open()
    titles = panel.root.locator(".gpuctl-Section-title")
    expect(titles).to_have_text(["Devices"])
    expect(panel.status_bar).to_be_hidden()
    panel.root.get_by_title("Settings of the GPU panel").click()
    editor = panel.page.locator(".jp-SettingsPanel, .jp-PluginEditor")
    expect(editor.first).to_be_visible()
    box = panel.page.get_by_label("Show the machine")
    box.scroll_into_view_if_needed()
    panel.shoot("settings", whole=True)
    box.check()
    expect(titles).to_have_text(["Devices", "Machine"])


def test_the_palette_has_the_panel(simulated: LabServer, look: Look) -> None:
    panel = look(simulated).visit()
    panel.tab.wait_for()
    if panel.root.is_visible():
        panel.hide()
    panel.run_in_palette("Show GPU Panel")
    expect(panel.root).to_be_visible()
