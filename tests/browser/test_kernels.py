"""GPUs come to kernels and go, by toolbar and keyboard: real kernels, two simulated GPUs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .bench import NOBODY, SHOW, Sit, in_front, seats
from .conftest import Look
from .lab import LabServer, eventually
from .office import server_of
from .office import sit as office_seat


@pytest.fixture
def sit(tmp_path: Path, look: Look) -> Iterator[Sit]:
    with seats(tmp_path, look) as sit:
        yield sit


def test_a_gpu_is_requested_attached_and_detached_while_the_notebook_runs(sit: Sit) -> None:
    bench = sit(quotas=NOBODY)
    expect(bench.text).to_have_text("GPU ▾")
    eventually(lambda: bench.sees() == "", "a kernel without a lease sees none")
    bench.button.click()
    expect(bench.menu).to_be_visible()
    bench.shoot("none")
    bench.page.keyboard.press("Escape")

    # From the toolbar: for this notebook, unless the person says otherwise.
    bench.choose("Request a GPU for train.ipynb…")
    expect(bench.desk.dialog.get_by_label("For train.ipynb")).to_be_checked()
    bench.desk.fill(gpus="1", duration="2h")
    bench.shoot("request")
    bench.page.keyboard.press("Enter")
    expect(bench.desk.dialog).to_be_hidden()
    expect(bench.text).to_have_text(re.compile(r"^GPU \d · (2:00|1:5\d)$"))
    (uuid,) = bench.uuids()
    eventually(lambda: bench.sees() == uuid, "the kernel is told while it runs")
    expect(bench.line.locator(".gpuctl-Kernel-lease")).to_contain_text(re.compile(r"GPU \d · "))
    expect(bench.panel.root.locator(".gpuctl-Lease .gpuctl-Strength")).to_have_text("· advisory")
    bench.button.click()
    bench.shoot("attached")
    bench.page.keyboard.press("Escape")

    # Moved to another notebook, which says from where.
    in_front(bench, "eval.ipynb")
    expect(bench.text).to_have_text("GPU ▾")
    bench.button.click()
    entry = bench.menu.get_by_role("menuitem", name=re.compile(r"^Move GPU \d here from train"))
    bench.shoot("move")
    entry.click()
    expect(bench.text).to_have_text(re.compile(r"^GPU \d · "))
    assert bench.sees() == uuid
    in_front(bench, "train.ipynb")
    eventually(lambda: bench.sees() == "", "the kernel that it was taken from is told")

    # Detached, the lease stays.
    in_front(bench, "eval.ipynb")
    bench.choose("Detach, Keep the Lease")
    expect(bench.text).to_have_text("GPU ▾")
    assert bench.sees() == ""
    assert bench.uuids() == [uuid]
    expect(bench.desk.toast("The lease stays yours")).to_be_visible()
    bench.choose(re.compile(r"^Attach GPU \d, "))
    expect(bench.text).to_have_text(re.compile(r"^GPU \d · "))
    bench.choose(re.compile(r"^Release GPU \d…"))
    bench.desk.dialog.get_by_role("button", name="Release").click()
    expect(bench.text).to_have_text("GPU ▾")
    assert bench.uuids() == []


def test_a_kernel_that_has_used_cuda_is_restarted_only_when_its_user_says_so(
    sit: Sit, cuda_stand_in: Path
) -> None:
    bench = sit(quotas=NOBODY)
    bench.desk.request(gpus="1", duration="1h")
    bench.run(f"import ctypes; kept = ctypes.CDLL({str(cuda_stand_in)!r})")
    bench.choose(re.compile(r"^Attach GPU \d, "))
    expect(bench.desk.dialog).to_contain_text("Restarting train.ipynb loses its variables.")
    bench.shoot("restart")
    bench.page.keyboard.press("Enter")  # Later, as Enter costs nobody anything.
    expect(bench.desk.dialog).to_be_hidden()
    expect(bench.item).to_have_attribute("data-mark", "restart")
    expect(bench.line).to_contain_text("restart needed")
    bench.run("assert kept")
    assert bench.sees() == ""
    bench.button.click()
    bench.shoot("restart-needed")
    bench.menu.get_by_role("menuitem", name="Restart train.ipynb to Use It…").click()
    bench.desk.dialog.get_by_role("button", name="Restart").click()
    expect(bench.item).to_have_attribute("data-mark", "")
    (uuid,) = bench.uuids()
    assert bench.sees() == uuid


def test_with_the_keyboard_alone_a_gpu_is_had_and_its_end_is_told_to_a_running_notebook(
    sit: Sit,
) -> None:
    bench = sit(quotas=NOBODY)
    keyboard = bench.page.keyboard
    bench.walk_to_the_item()
    keyboard.press("Enter")
    expect(bench.menu).to_be_visible()
    keyboard.press("Escape")
    expect(bench.menu).to_be_hidden()
    expect(bench.button).to_be_focused()

    # What can be done first is chosen already: here, to request.
    keyboard.press("Space")
    keyboard.press("Enter")
    expect(bench.desk.dialog.get_by_label("How many?")).to_be_focused()
    expect(bench.desk.dialog.get_by_label("How many?")).to_have_value("1")
    while not bench.is_focused(bench.desk.dialog.get_by_label("For how long?")):
        keyboard.press("Tab")
    keyboard.press("Control+A")
    keyboard.type("30s")
    expect(bench.desk.outcome).to_have_attribute("data-checking", "false")
    keyboard.press("Enter")
    expect(bench.desk.dialog).to_be_hidden()
    expect(bench.item).to_have_attribute("data-mood", "ending")
    expect(bench.text).to_have_text(re.compile(r"^GPU \d · \d+.s left$"))
    expect(bench.button).to_be_focused()
    (uuid,) = bench.uuids()
    eventually(lambda: bench.sees() == uuid, "the kernel is told")
    keyboard.press("Enter")
    keyboard.press("ArrowDown")
    expect(bench.menu.locator(".lm-mod-active")).to_have_text("Detach, Keep the Lease")
    bench.shoot_in_forced_colours("ending")
    keyboard.press("Enter")
    expect(bench.text).to_have_text("GPU ▾")
    expect(bench.button).to_be_focused()
    keyboard.press("Enter")
    expect(bench.menu.locator(".lm-mod-active")).to_have_text(re.compile(r"^Attach GPU \d, "))
    keyboard.press("Enter")
    expect(bench.item).to_have_attribute("data-mood", "ending")
    expect(bench.button).to_be_focused()
    bench.shoot("ending")

    # A cell that runs keeps what it was told; its user reads until when, and what helps.
    bench.begin("import time\nwhile True: time.sleep(0.1)")
    expect(bench.text).to_have_text(re.compile(r"^GPU \d ended$"))
    toast = bench.desk.toast("train.ipynb still runs: it loses the GPU when this cell ends")
    expect(toast).to_contain_text("Save your work.")
    expect(bench.desk.toast("its time was up")).to_have_count(0)
    expect(bench.line).to_contain_text("after this cell")
    bench.shoot("over")
    bench.shoot_narrow("over")
    toast.get_by_role("button", name="Stop it yourself").click()
    expect(bench.text).to_have_text("GPU ▾")
    eventually(lambda: bench.sees() == "", "the kernel is told that it is over")
    expect(toast).to_have_count(0)
    expect(bench.desk.toast("its time was up")).to_have_count(1)
    bench.shoot("without")


def test_who_waits_reads_the_place_and_accepts_in_the_toolbar(
    sit: Sit, look: Look, tmp_path: Path
) -> None:
    other = server_of("user-b", tmp_path)
    bench = sit(quotas=NOBODY)
    other.start()
    try:
        rival = office_seat(look(other, height=1000))
        rival.request(gpus="2", duration="1h")
        expect(bench.panel.device(0)).to_contain_text("user-b")
        bench.request("1h")
        expect(bench.item).to_have_attribute("data-mood", "waiting")
        expect(bench.text).to_have_text(re.compile(r"^GPU 1st · ~(\w{3} )?\d\d:\d\d$"))
        bench.button.click()
        bench.shoot("waiting")
        bench.page.keyboard.press("Escape")
        rival.button("Release").click()
        rival.dialog.get_by_role("button", name="Release").click()
        expect(bench.item).to_have_attribute("data-mood", "offered")
        bench.button.click()
        bench.shoot("offered")
        bench.menu.get_by_role("menuitem", name="Accept the Offered GPU").click()
        expect(bench.item).to_have_attribute("data-mood", "attached")
        (uuid,) = bench.uuids()
        eventually(lambda: bench.sees() == uuid, "the kernel is told")
    finally:
        other.stop()


def test_a_server_without_gpus_adds_nothing_to_the_toolbar(look: Look, tmp_path: Path) -> None:
    server = LabServer(tmp_path / "lab", "--GpuCtl.simulate_gpus=0")
    server.add_notebook("train.ipynb", SHOW)
    server.start()
    try:
        panel = look(server).visit("lab/tree/train.ipynb")
        panel.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        panel.open()
        expect(panel.page.locator(".gpuctl-KernelGpus:visible")).to_have_count(0)
    finally:
        server.stop()
