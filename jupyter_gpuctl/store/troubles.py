"""What SQLite refuses, as the errors that people are told."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from ..core.errors import Conflict, GpuCtlError, Unavailable

_MENDS: dict[str, tuple[str, str, str]] = {
    "SQLITE_FULL": (
        "store.full",
        "The disk under the database {path} is full; nothing was changed.",
        "Free some space and try again.",
    ),
    "SQLITE_IOERR": (
        "store.failed",
        "The database {path} can't be read or written ({error}); nothing was changed.",
        "Look at the disk under it, and at the limits on file sizes.",
    ),
    "SQLITE_READONLY": (
        "store.unwritable",
        "The database {path} can't be written by this user.",
        "Make it, its side files (-wal, -shm) and its folder writable for this user.",
    ),
    "SQLITE_CANTOPEN": (
        "store.unwritable",
        "The database {path} can't be opened ({error}).",
        "Make it, its side files (-wal, -shm) and its folder writable for this user.",
    ),
    "SQLITE_BUSY": (
        "store.locked",
        "Another program holds the database {path}.",
        "Try again. If this stays, look for a program that has it open (fuser -v names it).",
    ),
    "SQLITE_NOTADB": (
        "store.not_a_database",
        "{path} is not a SQLite database.",
        "Set GpuCtl.database_url to another file, or move this one away.",
    ),
    "SQLITE_CORRUPT": (
        "store.damaged",
        "The database {path} is damaged ({error}).",
        "Stop the servers that use it, then put a backup in its place; what is left can be read "
        "by: sqlite3 FILE .recover",
    ),
}
_MENDS["SQLITE_LOCKED"] = _MENDS["SQLITE_PROTOCOL"] = _MENDS["SQLITE_BUSY"]


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what the database at ``path`` says within into our errors.

    Raises:
        Conflict: a constraint forbids it.
        Unavailable: anything else.
    """
    try:
        yield
    except sa.exc.IntegrityError as error:
        raise Conflict(
            "store.conflict",
            f"The database forbids it: {error.orig}.",
            hint="Look again at what is free, and ask anew.",
            detail={"error": str(error.orig)},
        ) from error
    except sa.exc.SQLAlchemyError as error:
        raise explain(path, getattr(error, "orig", None) or error) from error
    except sqlite3.Error as error:
        raise explain(path, error) from error


def need_room(path: Path, size: int) -> None:
    """See whether ``size`` bytes can be written beside ``path``, and leave nothing there.

    Raises:
        Unavailable: the disk is full, or this user's share of it is.
    """
    try:
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(os.urandom(size))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _told(_MENDS["SQLITE_FULL"], path, error) from error


def explain(path: Path, error: BaseException) -> GpuCtlError:
    """``error`` of the database at ``path``, with its mend."""
    name = getattr(error, "sqlite_errorname", "")
    # Extended names add to the primary one: SQLITE_IOERR_WRITE.
    found = next((mend for key, mend in _MENDS.items() if name.startswith(key)), None)
    return _told(found, path, error, name)


def _told(
    mend: tuple[str, str, str] | None, path: Path, error: BaseException, name: str = ""
) -> Unavailable:
    code, message, hint = mend or (
        "store.failed",
        "The database {path} failed: {error}.",
        "Run: jupyter gpuctl db check",
    )
    return Unavailable(
        code,
        message.format(path=path, error=error),
        hint=hint,
        detail={"path": str(path), "error": f"{name} {error}".strip()},
    )
