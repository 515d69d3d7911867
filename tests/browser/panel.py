"""The panel as a person meets it: what they press and what they read."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from .lab import PATIENCE, TOKEN, LabServer

SCREENSHOTS = Path(__file__).parents[2] / "artefacts" / "screenshots"
TIMEOUT = PATIENCE * 1000


class PanelPage:
    """One browser page on one server."""

    def __init__(self, page: Page, server: LabServer) -> None:
        self.page = page
        self.server = server
        self.polls: list[str] = []
        """The addresses of the API that the page has asked, in order."""
        page.set_default_timeout(TIMEOUT)
        expect.set_options(timeout=TIMEOUT)
        page.on(
            "request",
            lambda request: (
                self.polls.append(request.url) if "/gpuctl/api/" in request.url else None
            ),
        )

    def visit(self, path: str = "lab") -> PanelPage:
        separator = "&" if "?" in path else "?"
        self.page.goto(f"{self.server.url}/{path}{separator}token={TOKEN}")
        # Until then, Lab moves the focus as it puts its own parts in place.
        self.page.wait_for_function("() => window.jupyterapp")
        self.page.evaluate("jupyterapp.restored.then(() => undefined)")
        return self

    def open(self) -> PanelPage:
        """Show the panel by its tab, as a person does."""
        self.tab.wait_for()
        if not self.root.is_visible():
            self.tab.click()
        self.root.wait_for()
        return self

    def hide(self) -> None:
        self.tab.click()
        expect(self.root).to_be_hidden()

    def wait_for_focus(self) -> None:
        """Until Lab has given the focus to its launcher or notebook, as it does at the end of its
        start; before that, it would take the focus away again."""
        self.page.wait_for_function("() => document.activeElement !== document.body")

    def run_in_palette(self, label: str) -> None:
        """Run the command of that label as a person does: once the palette has it in front."""
        self.page.keyboard.press("Control+Shift+C")
        self.page.locator(".lm-CommandPalette-input").fill(label)
        front = self.page.locator(".lm-CommandPalette-item.lm-mod-active")
        expect(front).to_contain_text(label)
        self.page.keyboard.press("Enter")

    def run_notebook(self) -> None:
        """Run all cells of the notebook in front, once its kernel is connected."""
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        self.page.evaluate(
            """async () => {
                const { shell, commands } = jupyterapp;
                const notebook = [...shell.widgets('main')].find(
                    widget => widget.sessionContext && widget.isVisible);
                await notebook.context.ready;
                await notebook.sessionContext.ready;
                shell.activateById(notebook.id);
                while (shell.currentWidget !== notebook) {
                    await new Promise(requestAnimationFrame);
                }
                void commands.execute('notebook:run-all-cells');
            }"""
        )

    @property
    def tab(self) -> Locator:
        return self.page.locator("li[data-id='jupyter-gpuctl-panel']")

    @property
    def root(self) -> Locator:
        return self.page.locator("#jupyter-gpuctl-panel")

    @property
    def content(self) -> Locator:
        return self.root.locator(".gpuctl-Content")

    @property
    def answer(self) -> Locator:
        return self.root.locator(".gpuctl-Answer-line")

    @property
    def devices(self) -> Locator:
        return self.root.locator(".gpuctl-Device")

    @property
    def notices(self) -> Locator:
        return self.root.locator(".gpuctl-Notice")

    @property
    def status_bar(self) -> Locator:
        return self.page.locator(".gpuctl-Status")

    def device(self, index: int) -> Locator:
        return self.devices.nth(index)

    def unfold(self, index: int) -> Locator:
        device = self.device(index)
        fold = device.locator(".gpuctl-Device-name")
        if fold.get_attribute("aria-expanded") == "false":
            fold.click()
        device.locator(".gpuctl-Detail").wait_for()
        return device

    def seq(self) -> int:
        return int(self.content.get_attribute("data-seq") or 0)

    def wait_for_seq(self, seq: int) -> None:
        """Until the panel shows sample ``seq`` or a later one."""
        self.page.wait_for_function(
            "seq => Number(document.querySelector('.gpuctl-Content')?.dataset.seq) >= seq", arg=seq
        )

    def plot_pixels(self, index: int) -> str:
        """The small utilisation plot of a device, as the canvas has it."""
        pixels: str = (
            self.device(index)
            .locator(".gpuctl-Device-util canvas")
            .evaluate("canvas => canvas.toDataURL()")
        )
        return pixels

    def use_theme(self, name: str) -> None:
        """Change the theme as the Settings menu does."""
        self.page.evaluate(
            """async name => {
                await window.jupyterapp.commands.execute('apputils:change-theme', {theme: name});
            }""",
            name,
        )
        self.page.locator(f"body[data-jp-theme-name='{name}']").wait_for(state="attached")

    def widen(self, width: int) -> None:
        """Drag the splitter until the panel is ``width`` pixels wide."""
        box = self.root.bounding_box()
        assert box is not None
        y = box["y"] + 300
        handle = box["x"] - 2
        self.page.mouse.move(handle, y)
        self.page.mouse.down()
        self.page.mouse.move(handle + box["width"] - width, y, steps=4)
        self.page.mouse.up()

    def shoot(self, name: str, *, whole: bool = False) -> Path:
        """Keep what is seen, as artefacts/screenshots/NAME.png."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        return self.shoot_to(SCREENSHOTS / f"{name}.png", whole=whole)

    def shoot_to(self, path: Path, *, whole: bool = False) -> Path:
        # What slides in has arrived.
        (self.page if whole else self.root).screenshot(path=path, animations="disabled")
        return path

    def overflowing(self) -> list[str]:
        """Class names of visible parts that stick out of the panel, or whose text is cut without
        a tooltip to read it in full."""
        found: list[str] = self.root.evaluate(
            """root => {
                const edge = root.getBoundingClientRect().right + 0.5;
                const shown = [...root.querySelectorAll('*')].filter(
                    e => e.getClientRects().length && !e.closest('.gpuctl-Announcer'));
                const out = shown.filter(e => e.getBoundingClientRect().right > edge);
                const cut = shown.filter(e => !e.children.length && e.textContent.trim()
                    && e.scrollWidth > e.clientWidth + 1
                    && getComputedStyle(e).overflowX === 'hidden' && !e.closest('[title]'));
                return [...out, ...cut].map(e => `${e.className}: ${e.textContent}`);
            }"""
        )
        return found
