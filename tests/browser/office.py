"""Two people on one machine: a server for each, one database, the same two simulated GPUs; and what
they press and read of leases."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, expect

from .lab import LabServer
from .panel import PanelPage

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


def server_of(
    user: str,
    folder: Path,
    *arguments: str,
    quotas: Mapping[str, Any] | None = None,
    simulated: int = 2,
    **options: Any,
) -> LabServer:
    """A server of ``user``. Those with the same parent folder share one database."""
    environment = {
        **os.environ,
        "JUPYTERHUB_USER": user,
        "GPUCTL_DATABASE_URL": f"sqlite:///{folder}/gpuctl.sqlite",
        **({} if quotas is None else {"GPUCTL_QUOTAS": json.dumps(quotas)}),
        **options.pop("environment", {}),
    }
    return LabServer(
        folder / user,
        f"--GpuCtl.simulate_gpus={simulated}",
        *arguments,
        environment=environment,
        **options,
    )


class Desk:
    """The leases in the panel of one page."""

    def __init__(self, panel: PanelPage) -> None:
        self.panel = panel
        self.page = panel.page

    @property
    def headline(self) -> Locator:
        """What the person holds or waits for, as the panel's first line."""
        return self.panel.root.locator(".gpuctl-Mine-line").first

    @property
    def dialog(self) -> Locator:
        return self.page.locator(".jp-Dialog")

    @property
    def outcome(self) -> Locator:
        """The live verdict under the request form."""
        return self.dialog.locator(".gpuctl-Form-outcome")

    def button(self, name: str) -> Locator:
        """At the top of the panel."""
        return self.panel.root.locator(".gpuctl-Answer").get_by_role(
            "button", name=name, exact=True
        )

    def section(self, title: str) -> Locator:
        return self.panel.root.get_by_role("region", name=re.compile(f"^{title}", re.IGNORECASE))

    def unfold(self, title: str) -> Locator:
        section = self.section(title)
        fold = section.get_by_role("button").first
        if fold.get_attribute("aria-expanded") == "false":
            fold.click()
        return section

    def toast(self, text: str | re.Pattern[str]) -> Locator:
        return self.page.locator(".Toastify__toast", has_text=text)

    def wait_for_dialog(self) -> None:
        """Until it has the focus, as JupyterLab gives it once all is drawn: what is typed before
        goes elsewhere."""
        expect(self.dialog.locator(":focus")).to_have_count(1)

    def fill(self, *, gpus: str, duration: str) -> None:
        """Fill in the open form, and wait for the verdict on it."""
        self.wait_for_dialog()
        self.dialog.get_by_label("How many?").fill(gpus)
        self.dialog.get_by_label("For how long?").fill(duration)
        expect(self.outcome).to_have_attribute("data-checking", "false")

    def request(self, *, gpus: str, duration: str) -> None:
        """From the top of the panel to the closed form, with the keyboard where it is shorter."""
        self.button("Request a GPU").or_(self.button("Get in line")).click()
        self.fill(gpus=gpus, duration=duration)
        self.page.keyboard.press("Enter")
        expect(self.dialog).to_be_hidden()

    def shoot_panel(self, name: str) -> None:
        """A picture of the panel, without what lies over it."""
        hide = self.page.add_style_tag(content=".Toastify { display: none; }")
        self.panel.shoot(f"leases-{name}")
        hide.evaluate("style => style.remove()")
        assert self.panel.overflowing() == []

    def shoot(self, name: str, *, whole: bool = False) -> None:
        """Pictures of the panel in light and dark, or of the whole page in light."""
        if whole:
            self.panel.shoot(f"leases-{name}", whole=True)
            return
        for theme, full in THEMES.items():
            self.panel.use_theme(full)
            self.shoot_panel(f"{name}-{theme}")
        self.panel.use_theme(THEMES["light"])


def sit(panel: PanelPage) -> Desk:
    """The leases in the panel of a page, 280 pixels wide."""
    panel.visit()
    panel.wait_for_focus()
    panel.open()
    panel.wait_for_seq(1)
    panel.widen(280)
    desk = Desk(panel)
    expect(desk.section("My leases")).to_be_visible()
    return desk
