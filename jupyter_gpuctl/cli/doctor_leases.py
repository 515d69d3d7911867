"""What ``doctor`` says of leases: the quotas, the database, and who may write it."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..api.checks import Check, CheckStatus
from ..config import GpuCtl
from ..core.errors import GpuCtlError
from .settings import read_settings
from .words import plural

if TYPE_CHECKING:
    from ..leases.policy import Policy
    from ..store.location import DatabaseFile

OLDEST_SQLITE = (3, 35)
"""Has ``RETURNING`` and ``DROP COLUMN``, which SQLAlchemy and the migrations use."""


def examine_quotas() -> Iterator[tuple[str, Check]]:
    """Whether the quotas can be read."""
    from ..leases.policy import Policy
    from ..leases.quotas import file as quota_file

    settings = _settings()
    if settings is None:
        return
    if settings.quotas is None:
        yield (
            "quotas",
            Check(
                CheckStatus.OFF,
                "There are no quotas: whoever asks first holds what there is.",
                "Set GpuCtl.quotas to the path of a YAML file.",
            ),
        )
        return
    policy = quota_file.source(settings.quotas, Policy()).policy()
    if policy.unread:
        yield "quotas", Check(CheckStatus.ERROR, policy.unread, policy.unread_hint)
        return
    where = settings.quotas if isinstance(settings.quotas, str) else "GpuCtl.quotas"
    counts = (
        plural(len(policy.users), "user"),
        plural(len(policy.groups), "group"),
        plural(len(policy.reservations), "reservation"),
    )
    yield "quotas", Check(CheckStatus.OK, f"{where}: {', '.join(counts)}.")
    for notice in _promises(settings, policy):
        yield "quotas", Check(CheckStatus.WARNING, notice)


def _promises(settings: GpuCtl, policy: Policy) -> tuple[str, ...]:
    """What the quotas promise and the devices here can't keep."""
    from ..composition import sampler
    from ..core.clock import SystemClock
    from ..leases.devices import OwnSamples
    from ..leases.quotas.notices import notices

    clock = SystemClock()
    own = sampler(settings, log=logging.getLogger("gpuctl"))
    try:
        devices = OwnSamples(own, clock).view().devices
    finally:
        own.close()
    return notices(policy, devices, clock.now().timestamp())


def examine_store() -> Iterator[tuple[str, Check]]:
    """Whether the database of leases can be used. Nothing is made or brought up to date."""
    from ..store.location import database_file

    settings = _settings()
    if settings is None:
        return
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        yield (
            "sqlite",
            Check(
                CheckStatus.ERROR,
                f"SQLite {sqlite3.sqlite_version} is older than 3.35.",
                "Use a newer Python, or its build of a newer system.",
            ),
        )
    else:
        yield "sqlite", Check(CheckStatus.OK, f"SQLite {sqlite3.sqlite_version}")
    file = database_file(settings.database_url)
    yield "store", _file(file) if file.exists() else _place(file.path)


def _settings() -> GpuCtl | None:
    """The settings; what is wrong with them is told elsewhere."""
    try:
        return read_settings()
    except GpuCtlError:
        return None


def _place(path: Path) -> Check:
    folder = next((p for p in path.parents if p.exists()), Path("/"))
    if os.access(folder, os.W_OK | os.X_OK):
        return Check(CheckStatus.OFF, f"Nobody has leased yet; leases will be kept in {path}.")
    return Check(
        CheckStatus.ERROR,
        f"{path} can't be made: {folder} is not writable.",
        "Mend the permissions, or set GpuCtl.database_url.",
    )


def _file(file: DatabaseFile) -> Check:
    from ..store.check import problems

    if not os.access(file.path, os.R_OK | os.W_OK):
        return Check(
            CheckStatus.ERROR,
            f"{file.place} can't be read and written by this user.",
            "Mend its permissions: all who share it need a group that may write it.",
        )
    try:
        found = problems(file)
    except GpuCtlError as error:
        return Check(CheckStatus.ERROR, error.message, error.hint)
    if found:
        return Check(CheckStatus.ERROR, f"{file.place}: {found[0]}", "Run: jupyter gpuctl db check")
    shared = stat.S_IMODE(file.path.stat().st_mode) & 0o060
    return Check(CheckStatus.OK, f"{file.place}, {'of a group' if shared else 'of one user'}")
