"""``jupyter gpuctl db``: bring the database up to date, or look whether it is as it should be."""

from __future__ import annotations

import click

_URL = click.option(
    "--database-url",
    metavar="URL",
    help="Such as sqlite:////srv/gpuctl/gpuctl.sqlite; left out: GpuCtl.database_url.",
)


@click.group()
def db() -> None:
    """Look after the database of leases."""


@db.command()
@_URL
def upgrade(database_url: str | None) -> int:
    """Bring the database up to date, with a backup beside it.

    Servers do that by themselves when they first use it. It is made where it is missing.
    """
    from ..store.location import database_file
    from ..store.lock import FileLock
    from ..store.migrate import bring_up_to_date
    from ..store.schema import REVISION

    file = database_file(_url(database_url))
    existed = file.exists()
    file.create()
    lock = FileLock(file.lock_path, file.mode)
    try:
        backup = bring_up_to_date(file, lock, timeout=30.0)
    finally:
        lock.close()
    what = "is up to date" if existed else "was made"
    click.echo(f"{file.place} {what} (revision {REVISION}).")
    if backup is not None:
        click.echo(f"As it was before: {backup}")
    return 0


@db.command()
@_URL
def check(database_url: str | None) -> int:
    """Look whether the database is whole and agrees with itself.

    Nothing is changed. Exit status 1 where something is wrong.
    """
    from ..store.check import problems
    from ..store.location import database_file

    file = database_file(_url(database_url))
    if not file.exists():
        click.echo(f"There is no database yet ({file.place}): nobody has asked for leases.")
        return 0
    found = problems(file)
    for problem in found:
        click.echo(problem)
    if not found:
        click.echo(f"{file.place} is whole, up to date, and agrees with itself.")
    return 1 if found else 0


def _url(given: str | None) -> str:
    if given is not None:
        return given
    from .settings import read_settings

    return read_settings().database_url
