"""What verbs that take part in the leases share: the authority, and for whom they ask."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..host.identity import server_user
from .settings import read_settings

if TYPE_CHECKING:
    from ..leases.service import Actor, Authority

_F = TypeVar("_F", bound=Callable[..., Any])


def database_option(command: _F) -> _F:
    """The option that names the database."""
    return click.option(
        "--database-url",
        metavar="URL",
        help="Where leases are kept, such as sqlite:////srv/gpuctl/gpuctl.sqlite; left out: "
        "GpuCtl.database_url.",
    )(command)


@contextmanager
def participating(database_url: str | None) -> Iterator[tuple[Authority, Actor]]:
    """The authority on the database of the settings, and who asks.

    Root is an administrator, but not under JupyterHub, where everybody may be root of a container.
    Where it could be looked but nothing stored, standard error says so in the end.
    """
    from ..api.checks import CheckStatus
    from ..composition import participant
    from ..leases.service import Actor

    settings = read_settings(database_url=database_url)
    user = server_user()
    with participant(settings, log=logging.getLogger("gpuctl")) as authority:
        yield authority, Actor(user.name, admin=os.geteuid() == 0 and not user.from_hub)
        store = authority.checks()["store"]
        if store.status is CheckStatus.ERROR:
            click.echo(f"{store.message} {store.hint}", err=True)
