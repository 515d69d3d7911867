"""The same panel in Notebook 7."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .conftest import Look, Start
from .office import Desk


def test_notebook_7_has_the_panel_in_its_view_menu(start: Start, look: Look) -> None:
    server = start("--GpuCtl.simulate_gpus=2", command="notebook")
    server.add_notebook("train.ipynb", "x = 1")
    panel = look(server).visit("notebooks/train.ipynb")
    page = panel.page
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.evaluate("jupyterapp.commands.execute('gpuctl:show-panel')")
    expect(panel.root).to_be_visible()
    expect(panel.devices).to_have_count(2)
    expect(panel.root.locator(".gpuctl-Kernel")).to_contain_text("train.ipynb")
    panel.wait_for_seq(panel.seq() + 3)
    panel.shoot("notebook-7", whole=True)
    assert panel.overflowing() == []
    # A GPU for this notebook, from its toolbar.
    item = page.locator(".gpuctl-KernelGpus:visible")
    item.locator(".jp-ToolbarButtonComponent").click()
    page.get_by_role("menuitem", name="Request a GPU for train.ipynb…").click()
    desk = Desk(panel)
    expect(desk.dialog.get_by_label("For train.ipynb")).to_be_checked()
    desk.fill(gpus="1", duration="1h")
    page.keyboard.press("Enter")
    expect(desk.dialog).to_be_hidden()
    expect(item).to_have_text(re.compile(r"^GPU \d · "))
    (lease,) = server.get("gpuctl/api/v1/leases")["items"]
    (kernel,) = server.get("gpuctl/api/v1/kernels")["items"]
    assert lease["kernel_id"] == kernel["kernel_id"]
    item.locator(".jp-ToolbarButtonComponent").click()
    panel.shoot("notebook-7-attached", whole=True)
    page.keyboard.press("Escape")
    # The main area holds the notebook only: what is validated is shown beside it.
    page.get_by_role("menuitem", name="Run").click()
    page.get_by_role("menuitem", name="Validate This Notebook…").click()
    page.locator(".jp-Dialog").get_by_role("button", name="Validate").click()
    done = page.locator(".gpuctl-Validation[data-status='done']:visible")
    expect(done).to_contain_text("nothing went wrong")
    panel.shoot("notebook-7-validation", whole=True)
    # And by the menu, as a person finds it.
    page.get_by_role("menuitem", name="View").click()
    page.get_by_text("Right Sidebar").hover()
    expect(
        page.get_by_role("menuitemcheckbox", name="GPUs").or_(
            page.get_by_role("menuitem", name="GPUs")
        )
    ).to_be_visible()


def test_the_other_pages_of_notebook_7_start_without_an_error(start: Start, look: Look) -> None:
    server = start("--GpuCtl.simulate_gpus=2", command="notebook")
    panel = look(server)
    errors: list[str] = []
    panel.page.on("pageerror", lambda error: errors.append(str(error)))
    panel.page.on(
        "console",
        lambda message: (
            errors.append(message.text)
            if message.type == "error" and "gpuctl" in message.text
            else None
        ),
    )
    panel.visit("tree")
    assert errors == []
