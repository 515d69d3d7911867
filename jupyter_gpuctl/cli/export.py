"""``jupyter gpuctl export``: what is kept, as a file for other programs."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import click

from ..core.encoding import to_json
from ..core.errors import InvalidInput
from .participation import database_option, participating
from .words import plural

if TYPE_CHECKING:
    from ..leases.service import Actor, Authority

PAGE = 1000
COLUMNS = (
    "id",
    "owner",
    "group",
    "status",
    "reason",
    "gpus",
    "gpu_memory",
    "gpu_model",
    "devices",
    "duration",
    "created_at",
    "started_at",
    "expires_at",
    "ended_at",
    "gpu_hours",
    "interactive",
    "kernel_id",
    "note",
    "remark",
)


@click.group()
def export() -> None:
    """Write what is kept to a file, for other programs."""


@export.command()
@click.option("-o", "--output", required=True, metavar="FILE", help="'-' for standard output.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl"]),
    help="Left out: what FILE ends in, else csv.",
)
@click.option("--since", type=click.DateTime(), metavar="TIME", help="Asked for at or after, UTC.")
@click.option("--until", type=click.DateTime(), metavar="TIME", help="Asked for before, UTC.")
@database_option
def leases(output: str, form: str | None, since: Any, until: Any, database_url: str | None) -> None:
    """Your leases, the live ones first; for root those of all.

    Times are UTC, sizes bytes, durations seconds. Several UUIDs have a space between them.
    """
    form = form or ("jsonl" if output.endswith((".jsonl", ".ndjson")) else "csv")
    count = 0
    with participating(database_url) as (authority, actor), _opened(output) as file:
        writer = _Rows(file, form)
        for lease in _all(authority, actor):
            asked = lease["created_at"][:19]
            if (since and asked < since.isoformat()) or (until and asked >= until.isoformat()):
                continue
            writer.write(lease)
            count += 1
    click.echo(f"{plural(count, 'lease')} written.", err=True)


def _all(authority: Authority, actor: Actor) -> Iterator[dict[str, Any]]:
    answer = authority.leases(actor)
    yield from (to_json(lease) for lease in answer.items if lease.mine or actor.admin)
    cursor = None
    while True:
        answer = authority.leases(actor, ended=True, limit=PAGE, cursor=cursor)
        yield from (to_json(lease) for lease in answer.items)
        if (cursor := answer.next) is None:
            return


class _Rows:
    def __init__(self, file: IO[str], form: str) -> None:
        self._file = file
        self._csv = csv.writer(file, lineterminator="\n") if form == "csv" else None
        if self._csv is not None:
            self._csv.writerow(COLUMNS)

    def write(self, lease: dict[str, Any]) -> None:
        if self._csv is None:
            self._file.write(json.dumps({name: lease[name] for name in COLUMNS}) + "\n")
            return
        row = {**lease, "devices": " ".join(lease["devices"])}
        self._csv.writerow([_cell(row[name]) for name in COLUMNS])


def _cell(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula is marked as text."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@")):
        return f"'{value}"
    return value


@contextmanager
def _opened(output: str) -> Iterator[IO[str]]:
    """The file to write; it takes its name once all is written, so that none is left half."""
    if output == "-":
        yield sys.stdout
        return
    partial = f"{output}.part"
    try:
        with open(partial, "w", encoding="utf-8", newline="") as file:
            yield file
        os.replace(partial, output)
    except OSError as error:
        raise InvalidInput(
            "export.unwritable",
            f"{output} can't be written: {error.strerror}.",
            hint="Name a file in a folder that you may write.",
        ) from error
    finally:
        if os.path.exists(partial):
            os.unlink(partial)
