"""The files that a run has read, so that it can be told later whether they are as they were."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass

from .code import digest_of
from .watching import PASSED_BY, Seen

LARGE = 64 * 1024**2
"""Bytes from which on a file's size and time speak for its contents."""
MOST_FILES = 5000
_IMPORTED = (".py", ".pyc", ".so")
_UNLISTED = PASSED_BY | {"__pycache__"}


@dataclass(frozen=True, slots=True)
class FilePrint:
    """A file as it was. ``digest`` is of its contents; empty for large files."""

    path: str
    """From the notebook's folder, or absolute."""
    size: int
    mtime_ns: int
    digest: str


@dataclass(frozen=True, slots=True)
class FolderPrint:
    """A folder whose names were looked through."""

    path: str
    digest: str
    """Of the names in it, but notebooks, ``without``, and what no course is made of."""
    without: tuple[str, ...]
    """What came into being while the validation ran."""
    modules_only: bool = False
    """Only folders and names that Python imports: each import goes through the notebook's folder,
    which makes no notebook rest on all that lies there."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that a run has read below the watched folders, and what its code names elsewhere."""

    files: tuple[FilePrint, ...] = ()
    folders: tuple[FolderPrint, ...] = ()


Stamp = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds."""


class Unsteady(Exception):
    """A run whose inputs can't be named; the message says why, in a few words."""


def stamp(path: str) -> Stamp | None:
    """``None`` for what is no regular file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def inputs_of(seen: Seen, notebook: str, notebooks_too: bool) -> tuple[dict[str, Stamp], set[str]]:
    """Files with their stamps, and listed folders, that the run of ``notebook`` rests on.

    Other notebooks count with ``notebooks_too`` only: the validator opens them itself.

    Raises:
        Unsteady: not all was heard, or an input did not stay as it was.
    """
    if seen.lost:
        raise Unsteady("too many files were opened meanwhile")
    files: dict[str, Stamp] = {}
    for opened in sorted(seen.inputs):
        path = _source_of(opened)
        if path.endswith(".ipynb") and (path == notebook or not notebooks_too):
            continue
        if path in seen.written:
            raise Unsteady(f"{os.path.basename(path)} was changed while it ran")
        mark = stamp(path)
        if mark is not None:
            files[path] = mark
        elif path == opened and not os.path.lexists(path):
            raise Unsteady(f"{os.path.basename(path)} was removed while it ran")
    if len(files) > MOST_FILES:
        raise Unsteady(f"it read more than {MOST_FILES:,} files")
    listed = {folder for folder in seen.listed if os.path.basename(folder) not in _UNLISTED}
    return files, listed


def take(
    files: dict[str, Stamp],
    folders: Iterable[str],
    made: Iterable[str],
    base: str,
    *,
    lists_base: bool = True,
) -> Inputs:
    """The prints of files and folders.

    ``base`` is the notebook's folder; with ``lists_base`` off only what could be imported of it
    counts, since the code doesn't look as if it went through its names.

    Raises:
        Unsteady: a file is no longer as its stamp says.
    """
    prints = []
    for path, before in sorted(files.items()):
        contents = _digest(path, before[0])
        if contents is None or stamp(path) != before:
            raise Unsteady(f"{os.path.basename(path)} was changed after it ran")
        prints.append(FilePrint(_relative(path, base), *before, contents))
    new: dict[str, list[str]] = {}
    for path in made:
        new.setdefault(os.path.dirname(path), []).append(os.path.basename(path))
    listed = []
    for folder in sorted(folders):
        without = tuple(sorted(new.get(folder, ())))
        modules_only = folder == base and not lists_base
        names = _names(folder, without, modules_only=modules_only)
        if names is not None:
            listed.append(FolderPrint(_relative(folder, base), names, without, modules_only))
    return Inputs(tuple(prints), tuple(listed))


def hold(inputs: Inputs, base: str) -> bool:
    """Whether all of ``inputs`` are as they were, seen from the notebook's folder ``base``."""
    return all(_file_holds(one, base) for one in inputs.files) and all(
        _names(os.path.join(base, one.path), one.without, modules_only=one.modules_only)
        == one.digest
        for one in inputs.folders
    )


def _file_holds(one: FilePrint, base: str) -> bool:
    path = os.path.join(base, one.path)
    found = stamp(path)
    if found is None or found[0] != one.size:
        return False
    # A fresh checkout has other times and the same contents.
    return found[1] == one.mtime_ns or (one.digest != "" and _digest(path, found[0]) == one.digest)


def _digest(path: str, size: int) -> str | None:
    if size > LARGE:
        return ""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).hexdigest()
    except OSError:
        return None


def _names(folder: str, without: Iterable[str], *, modules_only: bool) -> str | None:
    left_out = {*without, *_UNLISTED}
    try:
        with os.scandir(folder) as listed:
            names = [
                entry.name
                for entry in listed
                if entry.name not in left_out
                and not entry.name.endswith(".ipynb")
                and (not modules_only or entry.name.endswith(_IMPORTED) or entry.is_dir())
            ]
    except OSError:
        return None
    return digest_of(sorted(names))


def _source_of(path: str) -> str:
    """The source of a compiled module, where there is one: that is what people change."""
    if path.endswith(".pyc"):
        try:
            source = importlib.util.source_from_cache(path)
        except ValueError:
            return path
        return source if os.path.isfile(source) else path
    return path


def _relative(path: str, base: str) -> str:
    return os.path.relpath(path, base) if path.startswith(os.path.dirname(base)) else path
