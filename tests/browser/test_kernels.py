"""What people see and do of the GPUs of a notebook: real kernels, two simulated GPUs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.fake_driver.driver import FakeMachine
from tests.fake_driver.scenario import Process, h200s

from .conftest import Look
from .lab import LabServer, eventually
from .office import THEMES, Desk, server_of
from .office import sit as office_seat
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


@pytest.fixture
def sit(tmp_path: Path, look: Look) -> Iterator[Sit]:
    """A server with a notebook that is open beside the panel, 280 pixels wide."""
    with ExitStack() as stack:

        def _sit(*arguments: str, **options: object) -> Bench:
            server = server_of("user-a", tmp_path, *arguments, **options)  # type: ignore[arg-type]
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
    expect(bench.desk.toast("its time was up")).to_be_visible()
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


def test_a_kernel_that_runs_out_of_memory_is_told_with_its_limit_and_its_cell(sit: Sit) -> None:
    bench = sit('--GpuCtl.default_limits={"memory": "400MiB"}', quotas=NOBODY)
    expect(bench.line.locator(".gpuctl-Kernel-memory")).to_have_text(re.compile("/ 400.MiB"))
    bench.begin("kept = [bytearray(1 << 20) for _ in range(900)]")
    expect(bench.desk.toast("out of memory")).to_contain_text(re.compile("limit 400.MiB"))
    expect(bench.line.locator(".gpuctl-Kernel-death")).to_contain_text("cell [1]")
    bench.shoot("out-of-memory")


def test_an_idle_gpu_is_kept_with_one_click(sit: Sit) -> None:
    bench = sit("--GpuCtl.idle_after=15s", "--GpuCtl.idle_grace=10m", quotas=NOBODY)
    bench.request("1h")
    toast = bench.desk.toast("nothing has run for")
    expect(toast).to_be_visible()
    bench.shoot("idle")
    toast.get_by_role("button", name="Keep").click()
    expect(bench.panel.root.get_by_role("button", name="Keep")).to_have_count(0)


def test_the_guard_warns_can_be_obeyed_and_ends_what_goes_on_after_its_lease(
    look: Look, tmp_path: Path, fake_machine: FakeMachine
) -> None:
    fake_machine.show(h200s(2, []))
    server = LabServer(
        tmp_path / "lab",
        "--GpuCtl.enforcement=guarded",
        "--GpuCtl.guard_mode=enforce",
        environment={
            **fake_machine.environment(),
            "GPUCTL_DATABASE_URL": f"sqlite:///{tmp_path}/gpuctl.sqlite",
            "GPUCTL_QUOTAS": json.dumps(NOBODY | {"expiry_grace": "12s"}),
        },
    )
    server.add_notebook("train.ipynb", "import time; time.sleep(600)")
    server.start()
    try:
        guarded = bench(look(server, width=1280, height=1000))
        guarded.panel.run_notebook()
        process = Process(server.kernel_pid("train.ipynb"))
        fake_machine.show(h200s(2, []).with_gpu(1, processes=(process,)))
        toast = guarded.desk.toast("is on GPU 1, which it doesn’t hold: interrupted in")
        expect(toast).to_be_visible()
        expect(guarded.desk.section("Guard").locator(".gpuctl-Finding")).to_contain_text(
            "here every program needs one"
        )
        guarded.shoot("guard")
        toast.get_by_role("button", name="Stop it yourself").click()
        expect(guarded.page.locator(".jp-Notebook")).to_contain_text("KeyboardInterrupt")
        fake_machine.show(h200s(2, []))
        expect(toast).to_have_count(0)

        # After the end of a lease there is a grace, counted down in the notebook.
        guarded.request("10s")
        eventually(guarded.sees, "the kernel is told")
        fake_machine.show(h200s(2, []).with_gpu(0, processes=(process,)))
        guarded.begin("import time\nwhile True:\n try: time.sleep(9)\n except BaseException: pass")
        expect(guarded.text).to_have_text(re.compile(r"^GPU 0 ended · \d+.s$"))
        expect(
            guarded.desk.toast(
                re.compile("in (10.s|less than 10.s) it is stopped, and its variables")
            )
        ).to_be_visible()
        guarded.shoot("grace")
        expect(guarded.desk.toast("whose lease is over: was interrupted.")).to_be_visible()
        # It has not let go of the GPU, and is ended.
        ended = guarded.desk.toast(re.compile("stopped at .*the lease of GPU 0 that it ran on"))
        expect(ended).to_be_visible()
        fake_machine.show(h200s(2, []))
        expect(guarded.line.locator(".gpuctl-Kernel-death")).to_contain_text("The guard stopped")
        expect(guarded.text).to_have_text("GPU ▾")
        guarded.shoot("stopped")
        guarded.page.locator(".jp-Dialog").get_by_role("button", name="Ok").click()
        eventually(lambda: guarded.sees() == "", "the new kernel sees none")
    finally:
        server.stop()


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
