"""From paths of the server's contents to files, and never out of the contents' root."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.errors import NotFound, Refused


@dataclass(frozen=True, slots=True)
class Course:
    """Where a validation is run, as a person would on the command line."""

    folder: str
    """The nearest that holds all that was asked for; settings are looked for from it upwards."""
    arguments: tuple[str, ...]
    """What is validated, from there."""
    base: str
    """Where the folder lies below the root of the contents; empty: it is the root."""
    root: str
    """Of the contents: no link may lead out of it."""

    def contents_path(self, path: str) -> str:
        """The path, below the root of the contents, of what is ``path`` in the folder."""
        return posixpath.normpath(posixpath.join(self.base, path))


class Places:
    """Knows the root of the contents; ``None``: they don't lie on this machine."""

    def __init__(self, root: str | None, *, hidden: bool) -> None:
        self._root = root
        self._hidden = hidden

    def course(self, paths: Sequence[str]) -> Course:
        """What ``paths`` mean. Looks at the disk.

        Raises:
            Refused: the contents are elsewhere, or a path is neither a notebook nor a folder.
            NotFound: there is no such path below the root, or it is hidden.
        """
        if self._root is None:
            raise Refused(
                "validation.contents",
                "The contents of this server don't lie in a folder of this machine.",
                hint="Validate where the files are: jupyter gpuctl validate.",
            )
        files = [self._file(path) for path in paths]
        folders = [
            path if os.path.isdir(file) else posixpath.dirname(path)
            for path, file in zip(paths, files, strict=True)
        ]
        base = posixpath.commonpath(folders) if all(folders) else ""
        return Course(
            folder=os.path.join(self._root, *base.split("/")),
            arguments=tuple(posixpath.relpath(path or ".", base or ".") for path in paths),
            base=base,
            root=self._root,
        )

    def _file(self, path: str) -> str:
        assert self._root is not None
        parts = [part for part in path.split("/") if part]
        file = os.path.join(self._root, *parts)
        hidden = not self._hidden and any(part.startswith(".") for part in parts)
        if hidden or not self._is_inside(file) or not os.path.exists(file):
            raise NotFound(
                "validation.path_not_found",
                f"{path!r} is not there.",
                hint="Paths begin at the root of the file browser; what is hidden, or leads out of "
                "it, is not taken.",
                detail={"path": path},
            )
        if not os.path.isdir(file) and not path.endswith(".ipynb"):
            raise Refused(
                "validation.not_a_notebook",
                f"{path!r} is neither a notebook nor a folder.",
                hint="Name a file that ends in .ipynb, or a folder.",
                detail={"path": path},
            )
        return file

    def _is_inside(self, file: str) -> bool:
        return is_below(file, self._root or "")


def is_below(path: str, folder: str) -> bool:
    """Whether it lies there, symbolic links followed."""
    top = os.path.realpath(folder)
    return os.path.commonpath([top, os.path.realpath(path)]) == top
