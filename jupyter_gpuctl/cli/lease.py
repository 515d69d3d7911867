"""``jupyter gpuctl lease VERB``: the panel's buttons for a terminal and for scripts.

It takes part in the same database as the servers, so no server need run.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..core.encoding import to_json
from ..core.errors import InvalidConfig, InvalidInput, NotFound, Unavailable
from ..leases.model import LeaseStatus
from ..leases.requests import parse_limit, parse_patch, parse_reason, parse_request
from .lease_errors import in_words_of_the_terminal
from .lease_tables import leases_table, preview_lines, quota_lines
from .participation import database_option, participating
from .words import local_times, plural, read_time, short, until, when

if TYPE_CHECKING:
    from ..leases.service import Actor, Authority
    from ..leases.wire import LeaseAnswer

TICK = 1.0
"""Seconds between two looks at whether somebody else has changed something, with --wait."""
AWAY = 5.0
"""Seconds between two attempts while the database is away: the request is safe in there."""
_F = TypeVar("_F", bound=Callable[..., Any])


class _Verbs(click.Group):
    """Says what is wrong as the command line has it, whichever verb finds it."""

    def invoke(self, ctx: click.Context) -> Any:
        with in_words_of_the_terminal():
            return super().invoke(ctx)


@click.group(cls=_Verbs)
def lease() -> None:
    """Ask for GPUs, see the queue, extend, give back.

    GPUs are shared by leases: the right to use them until a time. Times are
    written as 90m, 2h or 1h30m; an id may be cut short.
    """


def _common(command: _F) -> _F:
    """The options that every verb has."""
    option = click.option("--json", "as_json", is_flag=True, help="For programs, as REST answers.")
    return option(database_option(command))


@lease.command()
@click.option("--gpus", type=float, default=1, show_default=True, help="How many, or a share: 0.5.")
@click.option("--duration", default="1h", show_default=True, help="How long.")
@click.option("--model", help="Only of this model, such as H100; 'a100|h100' for either.")
@click.option("--memory", help="Of a share: its cap. Of whole GPUs: the least of each.")
@click.option("--group", help="Charge this group of yours.")
@click.option("--note", help="For other people: what it is for.")
@click.option(
    "--offer/--no-offer",
    default=None,
    help="After a wait: offer it to be accepted, or start it at once. Offered, where you "
    "don't --wait.",
)
@click.option("--wait", is_flag=True, help="Go on until it starts.")
@click.option("--dry-run", is_flag=True, help="Only say what would become of it.")
@_common
def request(
    gpus: float,
    duration: str,
    model: str | None,
    memory: str | None,
    group: str | None,
    note: str | None,
    offer: bool | None,
    wait: bool,
    dry_run: bool,
    as_json: bool,
    database_url: str | None,
) -> int:
    """Ask for GPUs.

    Exit status 0 when granted or queued, 1 when refused, 3 when the database is away. Ctrl-C with
    --wait leaves the request in the queue.
    """
    wanted, _ = parse_request(
        {
            "gpus": gpus,
            "duration": duration,
            "gpu_model": model,
            "gpu_memory": memory,
            "group": group,
            "note": note,
            "interactive": not wait if offer is None else offer,
        }
    )
    with participating(database_url) as (authority, actor):
        if dry_run:
            preview = to_json(authority.preview(actor, wanted))
            _print(preview, as_json, preview_lines)
            return 1 if preview["verdict"]["outcome"] == "refused" else 0
        found = authority.request(actor, wanted, None)
        if wait:
            found = _wait(authority, actor, found)
    _print(to_json(found), as_json, _lease_lines)
    return 1 if found.status is LeaseStatus.ENDED else 0


@lease.command(name="list")
@click.option("--ended", is_flag=True, help="Yours that are over, newest first.")
@click.option("--mine", is_flag=True, help="Only yours.")
@click.option("--limit", type=int, default=100, show_default=True, help="At most so many.")
@_common
def list_(ended: bool, mine: bool, limit: int, as_json: bool, database_url: str | None) -> None:
    """Show who holds GPUs until when, and who waits."""
    with participating(database_url) as (authority, actor):
        answer = to_json(
            authority.leases(actor, ended=ended, limit=parse_limit(limit), cursor=None)
        )
    if mine:
        answer["items"] = [item for item in answer["items"] if item["mine"]]
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    elif not answer["items"]:
        click.echo("No lease is over yet." if ended else "Nobody holds GPUs or waits for them.")
    else:
        from rich.console import Console

        console = Console(highlight=False)
        console.print(leases_table(answer))
        for item in answer["items"]:
            if item["problem"]:
                said = local_times(item["problem"], _now())
                console.print(f"Lease {short(item['id'])}: {said}", markup=False)


class _Longer(click.Command):
    """Takes a duration below 0 for what it is: click would take it for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for text in args:
            if _BELOW_0.match(text):
                raise InvalidInput(
                    "request.invalid",
                    f"DURATION={text!r} is below 0: a lease can be made longer, not shorter.",
                    hint="To give it back early: jupyter gpuctl lease release",
                )
        return super().parse_args(ctx, args)


_BELOW_0 = re.compile(r"-\s*[\d.]")


@lease.command(cls=_Longer)
@click.argument("lease_id", metavar="ID")
@click.argument("duration")
@_common
def extend(lease_id: str, duration: str, as_json: bool, database_url: str | None) -> None:
    """Make a lease end later, by DURATION."""
    seconds = parse_patch({"extend": duration})
    assert isinstance(seconds, int)
    with participating(database_url) as (authority, actor):
        found = authority.extend(actor, _resolve(authority, actor, lease_id), seconds)
    _print(to_json(found), as_json, _lease_lines)


@lease.command()
@click.argument("lease_id", metavar="[ID]", required=False)
@_common
def accept(lease_id: str | None, as_json: bool, database_url: str | None) -> None:
    """Accept an offer; without ID your only one."""
    with participating(database_url) as (authority, actor):
        found = authority.accept(actor, _resolve(authority, actor, lease_id, LeaseStatus.OFFERED))
    _print(to_json(found), as_json, _lease_lines)


@lease.command()
@click.argument("lease_id", metavar="[ID]", required=False)
@_common
def keep(lease_id: str | None, as_json: bool, database_url: str | None) -> None:
    """Keep a lease though nothing runs on it; without ID your only active one."""
    with participating(database_url) as (authority, actor):
        wanted = _resolve(authority, actor, lease_id, LeaseStatus.ACTIVE)
        found = authority.bindings.keep(actor, wanted)
    _print(to_json(found), as_json, _lease_lines)


@lease.command()
@click.argument("lease_id", metavar="[ID]", required=False)
@click.option("--reason", default="", help="Root must say why, when it ends somebody else's.")
@_common
def release(lease_id: str | None, reason: str, as_json: bool, database_url: str | None) -> None:
    """Give GPUs back, leave the queue, or decline an offer.

    Without ID your only lease.
    """
    reason = parse_reason(reason)
    with participating(database_url) as (authority, actor):
        found = authority.release(actor, _resolve(authority, actor, lease_id), reason)
    _print(to_json(found), as_json, _lease_lines)


@lease.command()
@_common
def quota(as_json: bool, database_url: str | None) -> None:
    """Show your limits, what is used, and when it resets."""
    with participating(database_url) as (authority, actor):
        answer = to_json(authority.quota(actor))
    if not answer["known"]:
        raise InvalidConfig("config.invalid", answer["problem"])
    _print(answer, as_json, quota_lines)


def _wait(authority: Authority, actor: Actor, found: LeaseAnswer) -> LeaseAnswer:
    """Until the lease is active or over; tells on standard error how it stands meanwhile."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    said = ""
    try:
        with console.status("Asked.") as status:
            while found.status in (LeaseStatus.QUEUED, LeaseStatus.OFFERED):
                if found.status is LeaseStatus.OFFERED:
                    found = authority.accept(actor, found.id)
                    continue
                line = f"{_standing(found)}. Ctrl-C leaves it in the queue."
                status.update(line)
                if line != said and not console.is_terminal:
                    console.print(line)
                said = line
                time.sleep(TICK)
                try:
                    authority.cycle()
                    found = authority.lease(actor, found.id)
                except Unavailable as error:
                    status.update(f"{error} Trying again.")
                    time.sleep(AWAY)
    except KeyboardInterrupt:
        click.echo(
            f"The request stays in the queue ({_standing(found)}). To withdraw it: "
            f"jupyter gpuctl lease release {short(found.id)}",
            err=True,
        )
        raise
    return found


def _standing(found: LeaseAnswer) -> str:
    return until(to_json(found), _now())


def _resolve(
    authority: Authority, actor: Actor, text: str | None, status: LeaseStatus | None = None
) -> str:
    """The id of the own live lease that ``text`` begins; without it, of the only one.

    Raises:
        NotFound: there is none.
        InvalidInput: there are several.
    """
    answer = authority.leases(actor, ended=False, limit=1000, cursor=None)
    known = [item for item in answer.items if item.mine or (actor.admin and text)]
    fitting = [
        item for item in known if _meant(item.id, text or "") and status in (None, item.status)
    ]
    if len(fitting) == 1:
        return fitting[0].id
    if text and not fitting:
        return text  # The authority says what it is, if it is anything.
    what = "open offer" if status is LeaseStatus.OFFERED else "lease"
    if not fitting:
        raise NotFound(
            "lease.unknown", f"You have no {what}.", hint="See: jupyter gpuctl lease list"
        )
    ids = ", ".join(short(item.id) for item in fitting)
    begun = f" that begin with {text}" if text else ""
    raise InvalidInput(
        "request.invalid",
        f"You have {plural(len(fitting), what)}{begun}: {ids}.",
        hint="Name one.",
    )


def _meant(lease_id: str, text: str) -> bool:
    return lease_id.startswith(text) or short(lease_id).startswith(text)


def _lease_lines(found: dict[str, Any]) -> Iterator[str]:
    """One lease, as an answer to what was just done."""
    now = _now()
    name = short(found["id"])
    match found["status"]:
        case "active":
            end = read_time(found["expires_at"])
            what = plural(found["gpus"], "GPU")
            yield f"Lease {name}: {what} until {when(end, now)}, {until(found, now)}."
            yield "To use it in a shell:"
            yield f"  export CUDA_VISIBLE_DEVICES={','.join(found['devices'])}"
        case "offered":
            yield f"Lease {name}: {until(found, now)}."
            yield "To accept:"
            yield f"  jupyter gpuctl lease accept {name}"
        case "queued":
            yield f"Lease {name}: {until(found, now)}."
        case _:
            yield f"Lease {name} is over: {until(found, now)}."
    if found["remark"]:
        yield found["remark"]
    if found["problem"]:
        yield local_times(found["problem"], now)
    verdict = found["verdict"]
    if found["status"] == "queued" and verdict["message"]:
        yield local_times(f"{verdict['message']} {verdict['hint']}".strip(), now)


def _now() -> Any:
    from ..core.clock import SystemClock

    return SystemClock().now()


def _print(
    answer: dict[str, Any], as_json: bool, lines: Callable[[dict[str, Any]], Iterator[str]]
) -> None:
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    for line in lines(answer):
        # What is to be copied, and what is drawn, stays on its line.
        console.print(line, soft_wrap=line.startswith("  "))
