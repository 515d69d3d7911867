"""The pictures of the README: ``python -m tests.browser.pictures``. Takes some minutes, as plots
that show something need a past. No test; two simulated GPUs, and a real kernel."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from .conftest import FLAGS
from .lab import LabServer, chromium
from .panel import PanelPage

IMAGES = Path(__file__).parents[2] / "docs" / "images"
PAST = 240
"""Seconds of history in the plots."""

TRAINING = """\
import time
weights = bytearray(600 * 1024**2)
loss = 2.31
for epoch in range(1, 400):
    start = time.perf_counter()
    while time.perf_counter() - start < 0.7:
        pass
    loss = 0.21 + 0.985 * (loss - 0.21)
    if epoch % 25 == 0:
        print(f"epoch {epoch:3d}   loss {loss:.3f}")
    time.sleep(0.3)"""


def main() -> None:
    path = chromium()
    if path is None:
        sys.exit("There is no Chromium: install it, or name it in CHROMIUM.")
    with tempfile.TemporaryDirectory() as folder:
        server = LabServer(Path(folder) / "lab", "--GpuCtl.simulate_gpus=2")
        server.add_notebook("train.ipynb", "learning_rate = 3e-4\nbatch_size = 256", TRAINING)
        server.add_notebook("explore.ipynb", "import pandas as pd")
        server.start()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
                take(browser, server)
        finally:
            server.stop()


def take(browser: Browser, server: LabServer) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    page = browser.new_page(viewport={"width": 1240, "height": 800})
    lab = PanelPage(page, server).visit("lab/tree/explore.ipynb").open()
    lab.run_notebook()
    lab.visit("lab/tree/train.ipynb").open()
    lab.run_notebook()
    lab.widen(320)
    time.sleep(PAST)
    lab.unfold(0)
    page.mouse.move(600, 700)
    lab.wait_for_seq(lab.seq() + 2)
    lab.shoot_to(IMAGES / "lab.png", whole=True)
    narrow = {"width": 1000, "height": 1000}
    for name, theme in (("light", "JupyterLab Light"), ("dark", "JupyterLab Dark")):
        panel = PanelPage(browser.new_page(viewport=narrow, device_scale_factor=1.5), server)
        panel.visit("lab/tree/train.ipynb").open()
        panel.use_theme(theme)
        panel.widen(320)
        panel.unfold(0)
        panel.wait_for_seq(panel.seq() + 2)
        panel.shoot_to(IMAGES / f"panel-{name}.png")
        panel.page.close()


if __name__ == "__main__":
    main()
