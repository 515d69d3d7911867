"""Where the database is, and whether there is one yet. Light: nothing here loads SQLAlchemy."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import InvalidConfig, Unavailable

if TYPE_CHECKING:
    from ..leases.ports import LeaseStore

SHARED_FOLDER = stat.S_ISGID | stat.S_IWGRP
"""The mode bits of a folder whose files belong to a group that may write."""

_PREFIX = "sqlite:///"


@dataclass(frozen=True, slots=True)
class DatabaseFile:
    """A SQLite database, given by its path; it need not exist yet.

    The source of the lease store (:class:`..leases.ports.StoreSource`).
    """

    path: Path

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(self.path)

    @property
    def lock_path(self) -> Path:
        """Of the lock that writers hold."""
        return self.path.with_name(f"{self.path.name}.lock")

    def exists(self) -> bool:
        """Whether there is a file. Cheap."""
        return self.path.exists()

    def open(self) -> LeaseStore:
        """The store, its tables brought up to date.

        Raises:
            Unavailable: it can't be opened or brought up to date; says why, with the mend.
        """
        from .leases import SqliteLeaseStore

        return SqliteLeaseStore(self.path)

    @property
    def mode(self) -> int:
        """The permissions that its files are created with.

        They are the owner's alone; in a folder that is group-writable with the set-group-ID bit,
        the group's too, so that several users' servers can share it.
        """
        bits = self.path.parent.stat().st_mode
        return 0o660 if bits & SHARED_FOLDER == SHARED_FOLDER else 0o600

    def create(self) -> None:
        """Make the folder (0700) and the empty file, where they are missing.

        SQLite gives its side files (``-wal``, ``-shm``) the permissions of the file itself.

        Raises:
            Unavailable: the folder or the file can't be made; names it.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            touch(self.path, self.mode)
        except OSError as error:
            raise Unavailable(
                "store.unwritable",
                f"The database {self.path} can't be created: {error.strerror}.",
                hint=f"Make {self.path.parent} writable for this user, or set "
                "GpuCtl.database_url to a place that is.",
                detail={"path": str(self.path)},
            ) from error


def touch(path: Path, mode: int) -> None:
    """Create ``path`` with exactly ``mode``, whatever the umask; leave it alone if it is there.

    Raises:
        OSError: it can't be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        return
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def database_file(url: str = "") -> DatabaseFile:
    """The database that ``url`` names; empty: the user's own, in the Jupyter data directory.

    Raises:
        InvalidConfig: not the URL of a SQLite file.
    """
    if not url:
        from jupyter_core.paths import jupyter_data_dir

        return DatabaseFile(Path(jupyter_data_dir(), "gpuctl", "gpuctl.sqlite"))
    path = url.removeprefix(_PREFIX)
    if path == url or not path or path == ":memory:" or "?" in path:
        raise InvalidConfig(
            "config.invalid",
            f"GpuCtl.database_url={url!r} is not the URL of a SQLite file.",
            hint="Write sqlite:////absolute/path/gpuctl.sqlite, or leave it empty for a file in "
            "the Jupyter data directory.",
        )
    return DatabaseFile(Path(path).expanduser().absolute())
