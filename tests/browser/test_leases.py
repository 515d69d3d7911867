"""What people see and do of leases: two of them, each with a server, on two simulated GPUs."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .conftest import Look, Start
from .lab import LabServer
from .office import Desk, server_of, sit

Seat = Callable[..., Desk]

WEEK = {"default": {"gpu_hours": {"limit": 20, "window": "weekly"}, "max_lease": "8h"}}
CLOCK = r"\d\d:\d\d"


@pytest.fixture
def seat(tmp_path: Path, look: Look) -> Iterator[Seat]:
    """Starts a server for a user and shows its panel, 280 pixels wide."""
    with ExitStack() as stack:

        def _seat(user: str, *arguments: str, **options: object) -> Desk:
            server = server_of(user, tmp_path, *arguments, **options)  # type: ignore[arg-type]
            stack.callback(server.stop)
            server.start()
            return sit(look(server, height=1000))

        yield _seat


def test_two_people_take_turns_with_two_gpus(seat: Seat) -> None:
    a, b = seat("user-a", quotas=WEEK), seat("user-b", quotas=WEEK)

    # A takes both, with the form that opens from the panel.
    a.button("Request a GPU").click()
    a.fill(gpus="2", duration="90m")
    expect(a.outcome).to_contain_text(
        re.compile(rf"Starts now on GPU 0 and GPU 1, until ({CLOCK}|\w+ {CLOCK}), costs 3.0.GPU-h")
    )
    a.shoot("form", whole=True)
    a.page.keyboard.press("Enter")
    expect(a.dialog).to_be_hidden()
    expect(a.headline).to_have_text(re.compile(r"You hold 2 GPUs · 1.h (29|30).min left|1.h 29"))
    expect(a.toast("GPU 0 and GPU 1: yours until")).to_be_visible()
    a.shoot("holding")

    # B sees who has them until when, asks, and sees a place and a time.
    expect(b.panel.device(0).locator(".gpuctl-Device-lease")).to_have_text(
        re.compile(rf"user-a, until (\w+ )?{CLOCK}")
    )
    expect(b.section("Who holds what")).to_contain_text("user-a")
    b.shoot("taken")
    b.button("Get in line").click()
    b.fill(gpus="1", duration="25s")
    expect(b.outcome).to_contain_text(
        re.compile(rf"You would be 1st in line; expected start about (\w+ )?{CLOCK}")
    )
    b.shoot("form-queued", whole=True)
    b.page.keyboard.press("Enter")
    expect(b.headline).to_have_text(re.compile(rf"^You are 1st in line · about (\w+ )?{CLOCK}$"))
    expect(b.section("Waiting").locator("[data-mine=true]")).to_contain_text("you")
    expect(b.panel.status_bar).to_have_text(re.compile(" · 1st$"))
    b.shoot("waiting")
    expect(a.section("Waiting")).to_contain_text("user-b")

    # A gives back, and is told what is lost.
    a.button("Release").click()
    expect(a.dialog).to_contain_text("1 request is waiting in line")
    a.shoot("release", whole=True)
    a.dialog.get_by_role("button", name="Release").click()
    expect(a.headline).to_have_count(0)

    # B is offered one, sees the window, and accepts.
    expect(b.headline).to_have_text(re.compile(r"^A GPU is yours: accept within 9.min \d+.s$"))
    expect(b.toast("for you: accept within")).to_be_visible()
    b.shoot("offered", whole=True)
    b.shoot("offered")
    b.button("Accept").click()
    expect(b.headline).to_have_text(re.compile(r"^You hold 1 GPU · \d+.s left"))
    expect(b.toast("for you: accept within")).to_have_count(0)
    expect(b.panel.status_bar).to_have_text(re.compile(r" · \d+.s left$"))

    # B sees it count, extends, and lets it expire.
    before = b.headline.inner_text()
    expect(b.headline).not_to_have_text(before)
    b.button("Extend").click()
    b.page.get_by_role("menuitem", name="Another time…").click()
    b.wait_for_dialog()
    b.dialog.get_by_role("textbox").fill("10s")
    b.page.keyboard.press("Enter")
    expect(b.toast(re.compile("yours until"))).to_be_visible()
    expect(b.section("My leases").locator(".gpuctl-Lease-facts")).to_have_attribute(
        "title", re.compile("1 GPU for 35.s")
    )
    b.shoot("ending")
    expect(b.headline).to_have_count(0, timeout=120_000)
    expect(b.toast("has ended: its time was up")).to_be_visible()
    history = b.unfold("History")
    expect(history.locator(".gpuctl-Past")).to_have_count(1)
    expect(history).to_contain_text("time was up")
    b.shoot("expired", whole=True)
    b.shoot("expired")


def test_what_is_refused_names_the_limit_and_what_would_help(seat: Seat) -> None:
    desk = seat("user-a", quotas={"default": {"gpus": 1, "max_lease": "2h"}})
    desk.button("Request a GPU").click()
    expect(desk.dialog.get_by_label("How many?")).to_be_focused()
    presets = desk.dialog.get_by_role("group", name="Usual requests").get_by_role("button")
    expect(presets).to_have_text(["1 GPU for 1 h", "1 GPU for 2 h"])
    desk.fill(gpus="2", duration="1h")
    expect(desk.outcome).to_have_attribute("data-tone", "no")
    expect(desk.outcome.locator("p")).to_have_count(2)
    desk.shoot("refused", whole=True)
    # Asked for all the same, it stays open and says why.
    desk.page.keyboard.press("Enter")
    expect(desk.outcome).to_have_attribute("data-tone", "no")
    expect(desk.dialog).to_be_visible()
    # What can't be read is said beside its field.
    desk.fill(gpus="1", duration="soon")
    row = desk.dialog.locator(".gpuctl-Form-row", has=desk.page.get_by_label("For how long?"))
    expect(row.locator(".gpuctl-Form-problem")).to_contain_text("is not a duration")
    desk.shoot("wrong-field", whole=True)
    desk.page.keyboard.press("Escape")
    expect(desk.dialog).to_be_hidden()
    expect(desk.button("Request a GPU")).to_be_focused()


def test_a_share_of_a_gpu_is_asked_for_with_its_memory(seat: Seat) -> None:
    desk = seat("user-a")
    desk.button("Request a GPU").click()
    desk.dialog.get_by_label("Whole GPUs or a share of one").select_option("share")
    desk.dialog.get_by_label("Its memory").fill("8GiB")
    desk.fill(gpus="25", duration="1h")
    expect(desk.outcome).to_have_attribute("data-tone", "now")
    desk.shoot("share", whole=True)
    desk.dialog.get_by_role("button", name="Request", exact=True).dblclick()
    expect(desk.dialog).to_be_hidden()
    expect(desk.headline).to_have_text(re.compile(r"You hold 0\.25 GPU · "))
    assert len(desk.panel.server.get("gpuctl/api/v1/leases")["items"]) == 1


def test_the_devices_of_a_lease_are_copied_for_cuda(seat: Seat) -> None:
    desk = seat("user-a")
    desk.request(gpus="2", duration="1h")
    copy = desk.section("My leases").get_by_role("button", name=re.compile("^Copy"))
    expect(copy).to_have_attribute("title", re.compile("For programs outside of notebooks"))
    desk.page.context.grant_permissions(["clipboard-read"])
    copy.click()
    expect(desk.toast("Copied")).to_be_visible()
    (lease,) = desk.panel.server.get("gpuctl/api/v1/leases")["items"]
    assert len(lease["devices"]) == 2
    copied = desk.page.evaluate("navigator.clipboard.readText()")
    assert copied == f"CUDA_VISIBLE_DEVICES={','.join(lease['devices'])}"
    desk.shoot("copied")


def test_counting_down_takes_neither_focus_nor_menu(seat: Seat) -> None:
    desk = seat("user-a")
    desk.request(gpus="1", duration="5m")
    release = desk.button("Release")
    release.focus()
    before = desk.headline.inner_text()
    expect(desk.headline).not_to_have_text(before)
    expect(release).to_be_focused()
    desk.button("Extend").press("Enter")
    menu = desk.page.locator(".lm-Menu")
    expect(menu).to_be_visible()
    before = desk.headline.inner_text()
    expect(desk.headline).not_to_have_text(before)
    expect(menu).to_be_visible()
    desk.shoot("extend", whole=True)
    desk.page.keyboard.press("ArrowDown")
    desk.page.keyboard.press("Enter")
    expect(desk.headline).to_have_text(re.compile(r"You hold 1 GPU · (19|20).min left"))
    # Where the pressed button goes away, the focus stays in its place.
    desk.button("Release").press("Enter")
    desk.page.keyboard.press("Enter")
    expect(desk.headline).to_have_count(0)


def test_the_palette_offers_what_can_be_done_now(seat: Seat) -> None:
    desk = seat("user-a")

    def enabled(command: str) -> bool:
        found: bool = desk.page.evaluate("id => jupyterapp.commands.isEnabled(id)", command)
        return found

    assert enabled("gpuctl:request")
    assert not enabled("gpuctl:release")
    assert not enabled("gpuctl:accept")
    desk.panel.run_in_palette("Request a GPU")
    expect(desk.dialog.get_by_label("How many?")).to_be_focused()
    expect(desk.outcome).to_have_attribute("data-tone", "now")
    desk.page.keyboard.press("Enter")
    expect(desk.headline).to_have_text(re.compile("You hold 1 GPU"))
    assert enabled("gpuctl:release")
    assert enabled("gpuctl:extend")


def test_an_administrator_revokes_with_a_reason_and_the_owner_is_told(
    seat: Seat, tmp_path: Path
) -> None:
    withdrawn = tmp_path / "withdrawn"
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "gpuctl_admins.py").write_text(
        "import os\n"
        "from jupyter_server.auth import Authorizer\n\n"
        "class Admins(Authorizer):\n"
        "    def is_authorized(self, handler, user, action, resource):\n"
        f"        return action != 'admin' or not os.path.exists({str(withdrawn)!r})\n"
    )
    user = seat("user-a", quotas={"names": "hidden"})
    admin = seat(
        "admin",
        "--ServerApp.authorizer_class=gpuctl_admins.Admins",
        quotas={"names": "hidden"},
        environment={"PYTHONPATH": str(tmp_path / "modules")},
    )
    user.request(gpus="1", duration="2h")
    holds = admin.section("Who holds what")
    expect(holds).to_contain_text("user-a")
    holds.get_by_role("button", name=re.compile("^Revoke")).click()
    expect(admin.dialog).to_contain_text("user-a loses GPU 0 at once")
    revoke = admin.dialog.get_by_role("button", name="Revoke", exact=True)
    revoke.click()
    expect(admin.dialog.get_by_label("Reason")).to_be_focused()
    admin.wait_for_dialog()
    admin.dialog.get_by_label("Reason").fill(" ")
    expect(revoke).to_be_disabled()
    admin.dialog.get_by_label("Reason").fill("the machine is needed for a class")
    admin.shoot("revoke", whole=True)
    revoke.click()
    expect(user.headline).to_have_count(0)
    expect(user.toast("the machine is needed for a class")).to_be_visible()
    user.shoot("revoked", whole=True)

    # Whose rights are withdrawn meanwhile is told so, and is not asked again.
    user.request(gpus="1", duration="1h")
    holds.get_by_role("button", name=re.compile("^Revoke")).click()
    admin.dialog.get_by_label("Reason").fill("again")
    withdrawn.touch()
    admin.dialog.get_by_role("button", name="Revoke", exact=True).click()
    told = "You are not an administrator any more: the lease of user-a goes on."
    expect(admin.toast(told)).to_be_visible()
    expect(holds.get_by_role("button", name=re.compile("^Revoke"))).to_have_count(0)
    admin.shoot("not-admin", whole=True)


def test_hidden_names_are_somebody(seat: Seat) -> None:
    hidden = {"names": "hidden"}
    a, b = seat("user-a", quotas=hidden), seat("user-b", quotas=hidden)
    a.request(gpus="2", duration="1h")
    expect(b.panel.device(0).locator(".gpuctl-Device-lease")).to_have_text(
        re.compile("^somebody, until ")
    )
    expect(b.panel.root).not_to_contain_text("user-a")
    b.shoot("names-hidden")


def test_while_the_server_is_away_nothing_can_be_done_and_it_says_why(seat: Seat) -> None:
    desk = seat("user-a")
    desk.request(gpus="1", duration="1h")
    server: LabServer = desk.panel.server
    server.stop(signal.SIGKILL)
    release = desk.button("Release")
    expect(release).to_have_attribute("aria-disabled", "true")
    expect(release).to_have_attribute("title", re.compile("does not answer"))
    expect(desk.headline).to_have_text(re.compile("You hold 1 GPU"))
    # Without a server no other theme can be chosen.
    desk.shoot_panel("server-away")
    server.start()
    expect(release).to_have_attribute("aria-disabled", "false")
    expect(desk.headline).to_have_text(re.compile("You hold 1 GPU"))
    # The lease is the one from before, so nothing is told of its beginning.
    expect(desk.toast("Your lease has begun")).to_have_count(0)


def test_a_store_that_is_away_leaves_the_gpus_as_they_are(
    start: Start, look: Look, tmp_path: Path
) -> None:
    broken = tmp_path / "gpuctl.sqlite"
    broken.write_text("This is not a database. " * 200)
    server = start("--GpuCtl.simulate_gpus=2", f"--GpuCtl.database_url=sqlite:///{broken}")
    panel = look(server).visit().open()
    expect(panel.notices.filter(has_text="No leases")).to_be_visible()
    expect(panel.devices).to_have_count(2)
    panel.wait_for_seq(panel.seq() + 3)
    panel.widen(280)
    desk = Desk(panel)
    expect(desk.section("My leases")).to_have_count(0)
    expect(desk.button("Request a GPU")).to_have_count(0)
    desk.shoot_panel("store-away")


def test_high_contrast_and_forced_colours_keep_every_word(seat: Seat, look: Look) -> None:
    desk = seat("user-a", quotas=WEEK)
    desk.request(gpus="1", duration="5m")
    desk.panel.use_theme("JupyterLab Dark High Contrast")
    desk.panel.wait_for_seq(desk.panel.seq() + 2)
    desk.shoot_panel("high-contrast")
    forced = sit(look(desk.panel.server, forced_colors="active", height=1000))
    expect(forced.headline).to_have_text(re.compile("You hold 1 GPU"))
    forced.shoot_panel("forced-colours")


def test_notebook_7_has_leases_too(look: Look, tmp_path: Path) -> None:
    server = server_of("user-a", tmp_path / "office", command="notebook")
    server.add_notebook("train.ipynb", "x = 1")
    server.start()
    try:
        panel = look(server).visit("notebooks/train.ipynb")
        panel.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        panel.page.evaluate("jupyterapp.commands.execute('gpuctl:show-panel')")
        expect(panel.root).to_be_visible()
        panel.wait_for_seq(1)
        desk = Desk(panel)
        desk.request(gpus="1", duration="1h")
        expect(desk.headline).to_have_text(re.compile("You hold 1 GPU"))
        panel.shoot("leases-notebook-7", whole=True)
        assert panel.overflowing() == []
    finally:
        server.stop()
