"""A notebook beside the panel, and its GPUs: real kernels, two simulated GPUs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from .conftest import Look
from .office import THEMES, Desk, server_of
from .panel import PanelPage

SHOW = "import os; print('sees', os.environ.get('CUDA_VISIBLE_DEVICES', 'everything'))"
NOBODY = {"without_lease": "none"}


class Bench:
    """One notebook in front, its toolbar, and the panel beside it."""

    def __init__(self, panel: PanelPage, name: str) -> None:
        self.panel = panel
        self.desk = Desk(panel)
        self.page: Page = panel.page
        self.name = name

    @property
    def item(self) -> Locator:
        """The GPU item of the notebook's toolbar."""
        return self.page.locator(".gpuctl-KernelGpus:visible")

    @property
    def button(self) -> Locator:
        return self.item.locator(".jp-ToolbarButtonComponent")

    @property
    def text(self) -> Locator:
        return self.item.locator(".jp-ToolbarButtonComponent-label")

    @property
    def menu(self) -> Locator:
        return self.page.locator(".gpuctl-KernelMenu")

    @property
    def line(self) -> Locator:
        """The line of the kernel in the panel."""
        return self.panel.root.locator(".gpuctl-Kernel", has_text=self.name)

    def choose(self, name: str | re.Pattern[str]) -> None:
        """An entry of the item's menu."""
        self.button.click()
        self.menu.get_by_role("menuitem", name=name).click()

    def run(self, code: str) -> None:
        """Run ``code`` in the notebook's own kernel, and wait for its end."""
        self.page.evaluate(
            """async code => {
                const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
                await kernel.requestExecute({ code }).done;
            }""",
            code,
        )

    def begin(self, code: str) -> None:
        """Run ``code`` there, and don't wait."""
        self.page.evaluate(
            """code => {
                const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
                kernel.requestExecute({ code });
            }""",
            code,
        )

    def sees(self) -> str:
        """What a cell of the notebook prints of the devices that it may use."""
        found: str = self.page.evaluate(
            """async code => {
                const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
                let text = '';
                const future = kernel.requestExecute({ code });
                future.onIOPub = message => { text += message.content.text ?? ''; };
                await future.done;
                return text;
            }""",
            SHOW,
        )
        return found.strip().removeprefix("sees").strip()

    def uuids(self) -> list[str]:
        """The devices of the live leases, as the server tells."""
        leases = self.panel.server.get("gpuctl/api/v1/leases")["items"]
        return [uuid for lease in leases for uuid in lease["devices"]]

    def request(self, duration: str) -> None:
        """One GPU, for the notebook, by the item of its toolbar."""
        self.choose(re.compile("^Request a GPU for "))
        self.desk.fill(gpus="1", duration=duration)
        self.page.keyboard.press("Enter")
        expect(self.desk.dialog).to_be_hidden()

    def shoot(self, name: str) -> None:
        """The whole page in light and in dark."""
        for theme, full in THEMES.items():
            self.panel.use_theme(full)
            self.panel.shoot(f"kernels-{name}-{theme}", whole=True)
        self.panel.use_theme(THEMES["light"])
        assert self.panel.overflowing() == []

    def shoot_in_forced_colours(self, name: str) -> None:
        """The whole page as Windows' high contrast shows it."""
        self.page.emulate_media(forced_colors="active")
        self.panel.shoot(f"kernels-{name}-forced", whole=True)
        self.page.emulate_media(forced_colors="none")

    def shoot_narrow(self, name: str) -> None:
        """A page with so little room that the toolbar's end is folded away, and unfolded."""
        before = self.page.viewport_size
        assert before is not None
        self.page.set_viewport_size({"width": 800, "height": 700})
        self.page.locator("[data-jp-item-name='toolbar-popup-opener']:visible").last.click()
        expect(self.item).to_be_visible()
        self.panel.shoot(f"kernels-{name}-narrow", whole=True)
        self.page.keyboard.press("Escape")
        self.page.set_viewport_size(before)

    def is_focused(self, element: Locator) -> bool:
        found: bool = element.evaluate("element => element === document.activeElement")
        return found

    def walk_to_the_item(self) -> None:
        """From the notebook's cell to the item of its toolbar, by the keys that Lab has for it."""
        self.page.locator(".jp-Notebook .jp-CodeCell").first.click()
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("Shift+Tab")
        for _ in range(20):
            if self.is_focused(self.button):
                return
            self.page.keyboard.press("ArrowRight")
        raise AssertionError("the keyboard doesn't reach the item")


Sit = Callable[..., Bench]


@contextmanager
def seats(folder: Path, look: Look) -> Iterator[Sit]:
    """Gives a server with a notebook that is open beside the panel, 280 pixels wide."""
    with ExitStack() as stack:

        def _sit(*arguments: str, **options: object) -> Bench:
            server = server_of("user-a", folder, *arguments, **options)  # type: ignore[arg-type]
            server.add_notebook("train.ipynb", SHOW)
            server.add_notebook("eval.ipynb", SHOW)
            stack.callback(server.stop)
            server.start()
            return bench(look(server, width=1280, height=1000))

        yield _sit


def bench(panel: PanelPage, name: str = "train.ipynb") -> Bench:
    panel.visit(f"lab/tree/{name}?reset")
    found = Bench(panel, name)
    panel.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    panel.open()
    panel.wait_for_seq(1)
    panel.widen(280)
    expect(found.button).to_be_enabled()
    in_front(found, name)
    return found


def in_front(bench: Bench, name: str) -> None:
    """Open a notebook, or bring it to the front, and wait for its kernel."""
    bench.name = name
    bench.page.evaluate(
        """async path => {
            const { commands } = jupyterapp;
            const widget = await commands.execute('docmanager:open', { path });
            await widget.sessionContext.ready;
            jupyterapp.shell.activateById(widget.id);
            while (jupyterapp.shell.currentWidget !== widget) {
                await new Promise(requestAnimationFrame);
            }
        }""",
        name,
    )
