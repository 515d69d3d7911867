"""Real JupyterLab servers and one real Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from .lab import LabServer, chromium
from .panel import PanelPage

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
BUNDLE = Path(__file__).parents[2] / "jupyter_gpuctl" / "labextension" / "package.json"

Start = Callable[..., LabServer]
Look = Callable[..., PanelPage]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """Nothing: pytest-jupyter makes an event loop for each test, and here Playwright runs one."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """Nothing: these tests start no server in this process."""


# Not for the whole session: while Playwright is started, no other test could run an event loop.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("there is no Chromium: install it, or name it in CHROMIUM")
    if not BUNDLE.exists():
        pytest.skip("the Lab extension is not built: run 'make test', or 'jlpm build'")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server that this test has for itself."""
    with ExitStack() as stack:

        def _start(*arguments: str, **options: object) -> LabServer:
            server = LabServer(tmp_path / "lab", *arguments, **options)  # type: ignore[arg-type]
            stack.callback(server.stop)
            server.start()
            return server

        yield _start


@pytest.fixture(scope="package")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """A server with two simulated GPUs, for all tests that leave it as it was."""
    server = LabServer(tmp_path_factory.mktemp("simulated"), "--GpuCtl.simulate_gpus=2")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def look(browser: Browser) -> Iterator[Look]:
    """Opens a page on a server, with its own cookies, as a new visitor."""
    with ExitStack() as stack:

        def _look(
            server: LabServer, *, width: int = 1280, height: int = 900, **options: object
        ) -> PanelPage:
            context = browser.new_context(
                viewport={"width": width, "height": height},
                **options,  # type: ignore[arg-type]
            )
            stack.callback(context.close)
            return PanelPage(context.new_page(), server)

        yield _look
