"""Validation in JupyterLab, as an author meets it: real notebooks, real kernels, real Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from .conftest import Look, Start
from .lab import LabServer
from .panel import SCREENSHOTS, PanelPage

pytestmark = pytest.mark.timeout(180)


class Author:
    """Who validates."""

    def __init__(self, lab: PanelPage) -> None:
        self.lab, self.page = lab, lab.page

    def select(self, name: str, *, choose: str) -> None:
        """Pick an entry of the file browser's context menu."""
        self.page.locator(".jp-DirListing-item", has_text=name).click(button="right")
        self.page.locator(".lm-Menu-itemLabel", has_text=choose).click()

    def validate(self, **limits: str) -> None:
        """Fill in the dialog."""
        dialog = self.page.locator(".jp-Dialog")
        for name, text in limits.items():
            dialog.locator(f"#gpuctl-Limits-{name}").fill(text)
        dialog.get_by_role("button", name="Validate", exact=True).click()

    @property
    def tab(self) -> Locator:
        """The validation in front."""
        return self.page.locator(".gpuctl-Validation:visible")

    def when(self, status: str) -> Locator:
        tab = self.page.locator(f".gpuctl-Validation[data-status='{status}']:visible")
        tab.wait_for()
        return tab

    def checked(self, path: str) -> Locator:
        return self.tab.locator(f".gpuctl-Checked[data-path='{path}']")

    def shoot(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"validation-{name}.png")


@pytest.fixture
def server(start: Start) -> LabServer:
    return start()


def test_a_folder_is_validated_followed_and_reported(server: LabServer, look: Look) -> None:
    (server.notebooks / "course").mkdir()
    server.add_notebook("course/1-intro.ipynb", "x = 1", "print(x)")
    server.add_notebook("course/2-division.ipynb", "# Divide", "y = 2\ny / 0", "print(y)")
    author = Author(look(server).visit())
    author.select("course", choose="Validate This Folder")

    author.validate(time="soon")
    problem = author.page.locator("#gpuctl-Limits-time-problem")
    expect(problem).to_contain_text("'soon' is not a duration")
    author.shoot("dialog")
    author.validate(time="2m", memory="1GiB")

    done = author.when("done")
    expect(done).to_contain_text("1 of 2 notebooks did not pass")
    expect(done).to_contain_text("Each notebook may take 2 min and 1.0 GiB.")
    failed = author.checked("course/2-division.ipynb")
    expect(failed).to_have_attribute("data-verdict", "failed")
    expect(failed).to_contain_text("ZeroDivisionError")
    passed = author.checked("course/1-intro.ipynb")
    expect(passed).to_have_attribute("data-verdict", "passed")
    author.shoot("light")
    author.lab.use_theme("JupyterLab Dark")
    expect(author.page.locator("#jupyterlab-splash")).to_have_count(0)
    author.shoot("dark")
    author.lab.use_theme("JupyterLab Light")

    done.get_by_role("button", name="Report", exact=True).click()
    frame = author.page.frame_locator(".gpuctl-ReportTab iframe")
    expect(frame.locator("body")).to_contain_text("2-division.ipynb")
    sandbox = author.page.locator(".gpuctl-ReportTab iframe").get_attribute("sandbox")
    assert sandbox == "allow-scripts", "it has no origin, so it can reach nothing of Lab's"
    author.shoot("report")

    author.page.locator(".lm-TabBar-tab", has_text="Validation: course").click()
    with author.page.expect_download() as download:
        author.tab.get_by_role("button", name="Download JUnit").click()
    assert "<testsuites" in download.value.path().read_text()
    failed.get_by_role("button", name="Go to cell 2").click()
    active = author.page.locator(".jp-Notebook .jp-Cell.jp-mod-active")
    expect(active).to_contain_text("y / 0")
    author.shoot("cell")

    # What was asked for is remembered.
    author.page.evaluate("void jupyterapp.commands.execute('gpuctl:validate-notebook')")
    expect(author.page.locator("#gpuctl-Limits-time")).to_have_value("2m")
    author.page.keyboard.press("Escape")


def test_a_long_one_is_followed_by_cell_and_cancelled(server: LabServer, look: Look) -> None:
    server.add_notebook("long.ipynb", "x = 1", "import time\ntime.sleep(600)", "print(x)")
    server.add_notebook("short.ipynb", "x = 1")
    author = Author(look(server, width=800, height=700).visit())
    author.select("long", choose="Validate This Notebook")
    author.validate()
    running = author.tab.locator("li[data-path='long.ipynb']")
    expect(running).to_contain_text("cell 2 of 3")
    expect(running).to_contain_text("import time")
    author.shoot("running")

    author.select("short", choose="Validate This Notebook")
    author.validate()
    queued = author.when("queued")
    expect(queued).to_contain_text("Waits for another validation")
    author.page.locator(".lm-TabBar-tab", has_text="Validation: long.ipynb").click()
    author.tab.get_by_role("button", name="Cancel").click()
    cancelled = author.when("cancelled")
    expect(cancelled).to_contain_text("Cancelled: 0 of 1 notebooks had been run")
    author.shoot("narrow")
    author.page.locator(".lm-TabBar-tab", has_text="Validation: short.ipynb").click()
    expect(author.when("done")).to_contain_text("nothing went wrong")


def test_a_folder_without_notebooks_says_so(server: LabServer, look: Look) -> None:
    (server.notebooks / "empty").mkdir()
    author = Author(look(server).visit())
    author.select("empty", choose="Validate This Folder")
    author.validate()
    expect(author.when("failed")).to_contain_text("holds no notebook")
