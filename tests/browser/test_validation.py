"""Validation in JupyterLab, as an author meets it: real notebooks, real kernels, real Chromium."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from .conftest import Look
from .lab import LabServer, eventually
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
        # What is written before Lab has moved the focus there would be written there.
        expect(dialog.locator(":focus")).to_have_count(1)
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

    def reload(self) -> None:
        """Load the page again, once Lab has written down which tabs are open."""
        files = self.lab.server.folder / "workspaces"
        eventually(
            lambda: any("gpuctl-validation:" in file.read_text() for file in files.iterdir()),
            "the tab in the workspace",
        )
        self.page.reload()
        self.page.wait_for_function("() => window.jupyterapp")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """One for all: each test has a workspace, and files, of its own."""
    server = LabServer(tmp_path_factory.mktemp("validation") / "lab")
    server.start()
    yield server
    server.stop()


def test_a_folder_is_validated_followed_and_reported(server: LabServer, look: Look) -> None:
    (server.notebooks / "course").mkdir()
    hostile = "course/<img src=x onerror=alert(1)>.ipynb"
    server.add_notebook(hostile, "raise ValueError('<img src=y>' + 'word ' * 200)")
    server.add_notebook("course/1-intro.ipynb", "x = 1", "print(x)")
    server.add_notebook("course/2-division.ipynb", "# Divide", "y = 2\ny / 0", "print(y)")
    author = Author(look(server).visit("lab/workspaces/folder"))
    author.select("course", choose="Validate This Folder")

    author.validate(time="soon")
    problem = author.page.locator("#gpuctl-Limits-time-problem")
    expect(problem).to_have_text(re.compile("^'soon' is not a duration"))
    expect(author.page.locator("#gpuctl-Limits-time")).to_be_focused()
    author.shoot("dialog")
    author.validate(time="2m", memory="1GiB")

    done = author.when("done")
    expect(done).to_contain_text("2 of 3 notebooks did not pass")
    expect(done).to_contain_text("Each notebook may take 2 min and 1.0 GiB.")
    failed = author.checked("course/2-division.ipynb")
    expect(failed).to_have_attribute("data-verdict", "failed")
    expect(failed).to_contain_text("ZeroDivisionError")
    passed = author.checked("course/1-intro.ipynb")
    expect(passed).to_have_attribute("data-verdict", "passed")
    told = author.checked(hostile)
    expect(told).to_contain_text("ValueError: <img src=y>word")
    expect(told).not_to_contain_text("word " * 150)
    told.get_by_role("button", name="Show all").click()
    expect(told).to_contain_text("word " * 150)
    expect(done.locator("img")).to_have_count(0)
    told.get_by_role("button", name="Show less").click()
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

    # What was asked for is remembered; what is run is what is seen.
    author.page.keyboard.press("b")
    author.page.evaluate("void jupyterapp.commands.execute('gpuctl:validate-notebook')")
    expect(author.page.locator("#gpuctl-Limits-time")).to_have_value("2m")
    expect(author.page.locator(".jp-Dialog")).to_contain_text("A notebook with changes was saved")
    author.page.keyboard.press("Escape")


def test_a_long_one_is_followed_by_cell_and_cancelled(server: LabServer, look: Look) -> None:
    server.add_notebook("long.ipynb", "x = 1", "import time\ntime.sleep(600)", "print(x)")
    server.add_notebook("short.ipynb", "x = 1")
    author = Author(look(server, width=800, height=700).visit("lab/workspaces/long"))
    author.select("long", choose="Validate This Notebook")
    author.validate()
    running = author.tab.locator("li[data-path='long.ipynb']")
    expect(running).to_contain_text("cell 2 of 3")
    expect(running).to_contain_text("import time")
    author.reload()
    expect(running).to_contain_text("cell 2 of 3")
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


def test_what_can_not_be_validated_is_told_with_the_mend(server: LabServer, look: Look) -> None:
    (server.notebooks / "empty").mkdir()
    text = server.add_notebook("text.ipynb")
    author = Author(look(server).visit("lab/workspaces/troubles"))
    author.select("empty", choose="Validate This Folder")
    author.validate(time="", memory="1KiB")
    problem = author.page.locator("#gpuctl-Limits-memory-problem")
    expect(problem).to_contain_text("'1KiB' leaves nothing to run in. Give at least 16.0 MiB")
    author.validate(memory="")
    expect(author.when("failed")).to_contain_text("'empty' holds no notebook")

    author.select("text.ipynb", choose="Validate This Notebook")
    author.validate()
    expect(author.when("done")).to_contain_text("There was nothing to run")
    text.unlink()
    author.checked("text.ipynb").get_by_role("button").click()
    expect(author.page.locator(".Toastify__toast")).to_contain_text("is not there any more")


def test_where_there_are_gpus_their_memory_can_be_limited(
    server: LabServer, simulated: LabServer, look: Look
) -> None:
    field = "#gpuctl-Limits-gpuMemory"
    for where, count in ((server, 0), (simulated, 1)):
        where.add_notebook("gpus.ipynb", "x = 1")
        author = Author(look(where).visit("lab/workspaces/gpu-memory"))
        author.select("gpus.ipynb", choose="Validate This Notebook")
        expect(author.page.locator("#gpuctl-Limits-memory")).to_be_visible()
        expect(author.page.locator(field)).to_have_count(count)
    author.validate(gpuMemory="lots")
    expect(author.page.locator(f"{field}-problem")).to_contain_text("'lots' is not")
    author.shoot("gpu-memory")


def test_a_server_that_ends_is_told_and_so_is_the_next(server: LabServer, look: Look) -> None:
    server.add_notebook("endless.ipynb", "import time\ntime.sleep(600)")
    author = Author(look(server).visit("lab/workspaces/away"))
    author.select("endless", choose="Validate This Notebook")
    author.validate()
    expect(author.tab).to_contain_text("cell 1 of 1")
    server.stop(signal.SIGKILL)
    expect(author.tab).to_contain_text("The Jupyter server does not answer.")
    author.shoot("away")
    server.start()
    lost = author.when("lost")
    expect(lost).to_contain_text("Ended early: 0 of 1 notebooks had been run")
    expect(lost.get_by_role("button")).to_have_text(["Validate again…"])
    # Another page on the new server doesn't keep a tab that has nothing to say.
    author.reload()
    expect(author.page.locator(".lm-TabBar-tab", has_text="Launcher")).to_be_visible()
    expect(author.page.locator(".gpuctl-Validation")).to_have_count(0)
