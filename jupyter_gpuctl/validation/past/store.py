"""Files in the user's cache folder: results that still hold, and figures of earlier runs.

    ~/.cache/jupyter-gpuctl/validation/results/3f/3f…json    one for each state of a notebook
                                      /history/a0/a0…json    one for each notebook

Several validators may use one folder at once: a file is written whole or not at all, and what
can't be read is as good as missing.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from ...core.decoding import decode
from ...core.encoding import encode
from ...core.version import __version__
from ..model import Limits, NotebookResult, Verdict
from .code import digest_of
from .inputs import Inputs

FORMAT = 1
"""Of the files. One more makes all that is there useless."""
LONGEST_UNUSED = 30 * 24 * 3600.0
"""Seconds after which a file that nobody used is removed."""
MOST_BYTES = 128 * 1024**2
"""Of all files together; beyond it the least used go."""
_PRUNE_EVERY = 24 * 3600.0
_LARGEST = 8 * 1024**2
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Made by jupyter gpuctl validate.\n"
"""So that backups pass by (https://bford.info/cachedir/)."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Kept:
    """A run that passed, and what it rested on."""

    format: int
    made_at: datetime
    limits: Limits
    """Under which it ran."""
    inputs: Inputs
    result: NotebookResult


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the last run of a notebook, however it ended."""

    duration: float
    """Seconds."""
    peak_memory: int | None
    """Bytes."""


def default_folder() -> Path:
    """``$XDG_CACHE_HOME/jupyter-gpuctl/validation``, by the XDG base directory rules."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if os.path.isabs(base) else Path("~/.cache").expanduser()
    return home / "jupyter-gpuctl" / "validation"


def worth_keeping(result: NotebookResult) -> bool:
    """Only what went well: who mends a notebook wants it run, and a failure may be chance."""
    if any(finding.fails for finding in result.findings):
        return False
    if result.verdict is Verdict.SKIPPED:
        return not result.reason.startswith("interrupted")
    return result.verdict is Verdict.PASSED


def covers(held: Limits, wanted: Limits) -> bool:
    """Whether what passed under ``held`` passes under ``wanted``: nowhere is that smaller."""
    for field in fields(Limits):
        before, now = getattr(held, field.name), getattr(wanted, field.name)
        if now is not None and (before is None or now < before):
            return False
    return True


def result_key(path: str, code: str, kernel: str, environment: str, also: str) -> str:
    """The name of a state of a notebook. All but the path are digests or names."""
    place = os.fsencode(os.path.realpath(path)).hex()
    return digest_of(FORMAT, __version__, place, code, kernel, environment, also)


class Store:
    """The cache folder. Nothing here raises for what the disk does; :attr:`problem` says it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.problem = ""
        """Why nothing could be written, in a few words."""

    def find(self, key: str) -> Kept | None:
        """What was kept under ``key``; what can't be understood is removed."""
        kept = self._read(self._path("results", key), Kept)
        return kept if kept is not None and kept.format == FORMAT else None

    def keep(self, key: str, kept: Kept) -> None:
        """Replaces what was kept under ``key``."""
        self._write(self._path("results", key), kept)

    def used(self, key: str) -> None:
        """``key`` was of use: it stays for longer."""
        with contextlib.suppress(OSError):
            os.utime(self._path("results", key))

    def figures(self, path: str) -> Figures | None:
        """Of the last run of the notebook at ``path``."""
        return self._read(self._path("history", _place(path)), Figures)

    def note(self, path: str, figures: Figures) -> None:
        """Replaces the figures of the notebook at ``path``."""
        self._write(self._path("history", _place(path)), figures)

    def prune(self, now: float | None = None, *, force: bool = False) -> None:
        """Remove what is old or too much; at most once a day unless ``force``."""
        now = time.time() if now is None else now
        marker = self._folder / "pruned"
        with contextlib.suppress(OSError):
            if not force and now - marker.stat().st_mtime < _PRUNE_EVERY:
                return
        files = sorted(self._files(), reverse=True)
        total = 0
        for used_at, size, path in files:
            total += size
            if now - used_at > LONGEST_UNUSED or total > MOST_BYTES:
                with contextlib.suppress(OSError):
                    path.unlink()
        with contextlib.suppress(OSError):
            marker.touch()

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        for kind in ("results", "history"):
            for folder, _, names in os.walk(self._folder / kind):
                for name in names:
                    path = Path(folder, name)
                    with contextlib.suppress(OSError):
                        found = path.stat()
                        yield found.st_mtime, found.st_size, path

    def _path(self, kind: str, key: str) -> Path:
        return self._folder / kind / key[:2] / f"{key}.json"

    def _read(self, path: Path, kind: type[_T]) -> _T | None:
        try:
            with open(path, "rb") as file:
                raw = file.read(_LARGEST + 1)
        except OSError:
            return None
        try:
            if len(raw) > _LARGEST:
                raise ValueError("too large")
            return decode(kind, json.loads(raw))
        except (ValueError, RecursionError):
            with contextlib.suppress(OSError):
                path.unlink()
            return None

    def _write(self, path: Path, value: Kept | Figures) -> None:
        try:
            self._prepare()
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".new")
            try:
                with open(descriptor, "wb") as file:
                    file.write(encode(value))
                os.replace(name, path)
            except BaseException:
                os.unlink(name)
                raise
        except OSError as error:
            self.problem = f"{self._folder}: {error.strerror}"

    def _prepare(self) -> None:
        if (self._folder / "CACHEDIR.TAG").exists():
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._folder / ".gitignore").write_text("*\n")
        (self._folder / "CACHEDIR.TAG").write_text(_TAG)


def _place(path: str) -> str:
    return digest_of(os.fsencode(os.path.realpath(path)).hex())
