"""With the keyboard alone, and for who listens instead of looking."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .conftest import Look
from .lab import LabServer


def test_everything_in_the_panel_can_be_reached_and_worked_by_keyboard(
    simulated: LabServer, look: Look
) -> None:
    panel = look(simulated).visit()
    panel.wait_for_focus()
    panel.open()
    panel.wait_for_seq(1)
    keyboard = panel.page.keyboard
    panel.root.get_by_title("Ask for the newest values now").focus()
    names: list[str] = []
    for _ in range(40):
        keyboard.press("Tab")
        inside = panel.root.evaluate("root => root.contains(document.activeElement)")
        if not inside:
            break
        names.append(
            panel.page.evaluate(
                """() => {
                    const it = document.activeElement;
                    return it.getAttribute('aria-label') || it.title || it.innerText;
                }"""
            )
        )
    walk = " | ".join(names)
    for part in ("Settings", "DEVICES", "GPU 0", "GPU 1", "MY LEASES", "KERNELS HERE", "MACHINE"):
        assert part.lower() in walk.lower(), walk

    fold = panel.device(1).locator(".gpuctl-Device-name")
    fold.focus()
    before = fold.get_attribute("aria-expanded")
    keyboard.press("Enter")
    expect(fold).not_to_have_attribute("aria-expanded", str(before))
    expect(fold).to_be_focused()
    keyboard.press("Space")
    expect(fold).to_have_attribute("aria-expanded", str(before))
    # A ring is drawn around what the keyboard is on.
    keyboard.press("Tab")
    keyboard.press("Shift+Tab")
    assert fold.evaluate("fold => getComputedStyle(fold).outlineStyle") == "solid"
    panel.shoot("keyboard")


def test_plots_and_folds_have_names_for_a_screen_reader(simulated: LabServer, look: Look) -> None:
    panel = look(simulated).visit().open()
    panel.unfold(0)
    panel.wait_for_seq(panel.seq() + 2)
    region = panel.page.get_by_role("region", name="GPUs")
    expect(region).to_be_visible()
    plot = panel.device(0).get_by_role("img").first
    expect(plot).to_have_attribute("aria-label", re.compile(r"^Utilisation( \d|:)"))
    expect(panel.root.get_by_role("button", name="GPU 0: Simulated GPU 80GB")).to_have_attribute(
        "aria-expanded", "true"
    )
    for title in ("Devices", "Kernels here", "Machine"):
        expect(
            panel.root.get_by_role("region", name=re.compile(title, re.IGNORECASE))
        ).to_be_visible()
    nameless = panel.root.evaluate(
        """root => [...root.querySelectorAll('button, [role=img]')]
            .filter(e => e.getClientRects().length)
            .filter(e => !(e.getAttribute('aria-label') || e.title || e.innerText.trim()))
            .map(e => e.outerHTML)"""
    )
    assert nameless == []
    panel.device(0).locator(".gpuctl-Device-name").click()


def test_figures_are_not_announced_at_each_update(simulated: LabServer, look: Look) -> None:
    panel = look(simulated).visit().open()
    panel.wait_for_seq(1)
    status = panel.root.get_by_role("status")
    said = status.inner_text()
    panel.wait_for_seq(panel.seq() + 4)
    assert status.inner_text() == said


def test_forced_colours_leave_everything_readable(simulated: LabServer, look: Look) -> None:
    panel = look(simulated, forced_colors="active").visit().open()
    panel.unfold(0)
    panel.wait_for_seq(panel.seq() + 3)
    panel.shoot("forced-colours")
    assert panel.overflowing() == []
    panel.device(0).locator(".gpuctl-Device-name").click()
