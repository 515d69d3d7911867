"""What the tests of leases over HTTP share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_gpuctl.composition import participant
from jupyter_gpuctl.config import GpuCtl
from jupyter_gpuctl.host.identity import server_user
from jupyter_gpuctl.leases.model import Request
from jupyter_gpuctl.leases.service import Actor, Authority

ME = server_user().name
OTHER = Actor("user-b")
HOUR = {"gpus": 1, "duration": "1h"}
BOTH = {"gpus": 2, "duration": "1h"}


def wants(gpus: int = 1, seconds: int = 3600, *, interactive: bool = False) -> Request:
    return Request(milli=1000 * gpus, duration=seconds, interactive=interactive)


@contextmanager
def another_program(database: Path, *, simulate_gpus: int = 2, **more: Any) -> Iterator[Authority]:
    """On the same database, such as another user's server."""
    settings = GpuCtl(simulate_gpus=simulate_gpus, database_url=f"sqlite:///{database}", **more)
    with participant(settings, log=logging.getLogger("neighbour")) as authority:
        yield authority
