"""What people are told when a kernel is ended, or is about to be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.fake_driver.driver import FakeMachine
from tests.fake_driver.scenario import Process, h200s

from .bench import NOBODY, Sit, bench, seats
from .conftest import Look
from .lab import LabServer, eventually


@pytest.fixture
def sit(tmp_path: Path, look: Look) -> Iterator[Sit]:
    with seats(tmp_path, look) as sit:
        yield sit


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
