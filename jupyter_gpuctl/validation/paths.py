"""Which notebooks are meant by the paths that a person names.

The only importer of pathspec.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pathspec import GitIgnoreSpec

from ..core.errors import InvalidInput
from .places import is_below

_NEVER = {".ipynb_checkpoints", ".git"}


@dataclass(frozen=True, slots=True)
class Found:
    """A notebook, or a folder that could not be looked into."""

    path: str
    problem: str = ""


class Patterns:
    """Patterns as in a ``.gitignore`` that lies in ``folder``."""

    def __init__(self, lines: Sequence[str], folder: str) -> None:
        self._spec = GitIgnoreSpec.from_lines(lines)
        self._folder = os.path.realpath(folder)

    def match(self, path: str) -> bool:
        """Whether they mean the file at ``path``; never one outside of the folder."""
        place = os.path.join(os.path.realpath(os.path.dirname(path) or "."), os.path.basename(path))
        name = os.path.relpath(place, self._folder)
        return not name.startswith("../") and self._spec.match_file(name)


def find_notebooks(
    paths: Sequence[str], ignore: Patterns | None = None, below: str | None = None
) -> list[Found]:
    """The notebooks of files, folders and globs, each once, in the order named, then by name.

    A file that is named is taken as it is. Folders are searched with all that lies below, left out
    what git ignores, what ``ignore`` means, ``.ipynb_checkpoints``, folders behind symbolic links,
    and, wherever they are named, files that lie outside of the folder ``below``.

    Raises:
        InvalidInput: a path is not there, can't be read, or holds no notebook.
    """
    found: dict[str, Found] = {}
    for path in paths:
        some = list(_find(path))
        if ignore is not None and (os.path.isdir(path) or not os.path.lexists(path)):
            some = [one for one in some if one.problem or not ignore.match(one.path)]
        if below is not None:
            some = [one for one in some if is_below(one.path, below)]
        if not some:
            if os.path.isdir(path):
                # "." says nothing to who has chosen the folder in a file browser.
                name = os.path.basename(os.path.abspath(path)) if path in (".", "..") else path
                message = f"{name!r} holds no notebook."
            else:
                message = f"{path!r} matches no notebook."
            raise InvalidInput(
                "validate.nothing",
                message,
                hint="What git or a setting ignores is left out; name such files to have them run.",
                detail={"path": path},
            )
        for one in some:
            found.setdefault(os.path.realpath(one.path), one)
    return list(found.values())


def _find(path: str) -> Iterator[Found]:
    if os.path.isdir(path):
        yield from _below(path)
    elif os.path.lexists(path):
        _require_readable(path)
        yield Found(path)
    elif glob.has_magic(path):
        for match in sorted(glob.glob(path, recursive=True)):
            if os.path.isdir(match):
                if not _IGNORED.of(match, folder=True):
                    yield from _below(match)
            elif match.endswith(".ipynb") and not _IGNORED.of(match):
                yield Found(match)
    else:
        raise InvalidInput(
            "validate.missing",
            f"{path!r} is not there.",
            hint="Name notebooks, folders or globs.",
            detail={"path": path},
        )


def _require_readable(path: str) -> None:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: OSError) -> InvalidInput:
    return InvalidInput(
        "validate.unreadable",
        f"{path!r} can't be read: {error.strerror}.",
        hint="Check its mode and owner.",
        detail={"path": path},
    )


def _below(top: str) -> Iterator[Found]:
    try:
        os.scandir(top).close()
    except OSError as error:
        raise _unreadable(top, error) from None
    problems: list[OSError] = []
    # A folder that is named is wanted, even if the rules above it would leave it out.
    wanted = _IGNORED.of(top, folder=True)
    ignored = _Ignored(stop_at=os.path.abspath(top)) if wanted else _IGNORED
    for folder, folders, files in os.walk(top, onerror=problems.append):
        folders[:] = sorted(
            name
            for name in folders
            if name not in _NEVER and not ignored.of(os.path.join(folder, name), folder=True)
        )
        for name in sorted(files):
            path = os.path.join(folder, name)
            if name.endswith(".ipynb") and not ignored.of(path):
                yield Found(os.path.normpath(path))
    for problem in problems:
        yield Found(str(problem.filename), f"it can't be read: {problem.strerror}")


class _Ignored:
    """What the ``.gitignore`` files say, from the folder of the file up to the repository's top.

    The deepest file that says anything about a path decides, as in gitignore(5).
    """

    def __init__(self, stop_at: str | None = None) -> None:
        self._stop_at = stop_at

    def of(self, path: str, *, folder: bool = False) -> bool:
        """Whether git would leave ``path`` out."""
        whole = os.path.abspath(path)
        for above in Path(whole).parents:
            spec = _spec(str(above))
            if spec is not None:
                name = os.path.relpath(whole, above) + ("/" if folder else "")
                said = spec.check_file(name).include
                if said is not None:
                    return said
            if (above / ".git").exists() or str(above) == self._stop_at:
                break
        return False


_IGNORED = _Ignored()


@cache
def _spec(folder: str) -> GitIgnoreSpec | None:
    lines: list[str] = []
    for name in (".git/info/exclude", ".gitignore"):
        try:
            text = Path(folder, name).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            continue
        lines += text.splitlines()
    return GitIgnoreSpec.from_lines(lines) if lines else None
