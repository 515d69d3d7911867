"""The :class:`~jupyter_gpuctl.validation.ports.PastRuns` of this user's cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from ...core.errors import Unavailable
from ..model import CellResult, Limits, NotebookResult, Started
from ..ports import Expected
from .code import Code, read_code
from .environments import Environments
from .inputs import Stamp, Unsteady, hold, inputs_of, stamp, take
from .store import FORMAT, Figures, Kept, Store, covers, result_key, worth_keeping
from .watching import Watch, folders_below

LONGEST_TRUSTED = timedelta(days=30)
"""For so long at most a pass holds: a notebook may rest on more than can be seen from here."""
_MOST_ELSEWHERE = 500
"""Folders that are watched at most below one that the code names."""
_SYSTEM = {"bin", "boot", "dev", "etc", "lib", "lib64", "proc", "run", "sbin", "sys", "usr"}


@dataclass
class _Run:
    """A notebook that runs, or has run and waits to be kept."""

    path: str
    limits: Limits
    key: str
    token: object
    outside: dict[str, Stamp]
    """Files that its code names, and that aren't watched."""
    result: NotebookResult | None = None
    files: dict[str, Stamp] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    lists_folder: bool = True


class CachedRuns:
    """Remembers runs in ``store``; with ``results`` off only how long and large they were.

    ``tops`` are folders of courses: files are watched in the whole of the one that a notebook
    lies in, else of its git repository, else of its own folder. ``also`` stands for whatever else
    verdicts rest on.
    """

    def __init__(
        self, store: Store, *, results: bool = True, tops: Sequence[str] = (), also: str = ""
    ) -> None:
        self._store, self._results, self._also = store, results, also
        self._tops = tuple(os.path.realpath(top) for top in tops)
        self._environments = Environments()
        self._watch: Watch | None = None
        self._watched: set[str] = set()
        self._unwatched: dict[str, str] = {}
        self._made: set[str] = set()
        self._done: list[_Run] = []
        self._running: dict[str, _Run] = {}
        self.unkept: dict[str, str] = {}
        """Why a notebook that passed will run again, by path, in a few words."""

    def recall(
        self, path: str, limits: Limits, kernel: str | None, also: str = ""
    ) -> NotebookResult | None:
        """The result of an earlier run that still holds under ``limits``."""
        if not self._results:
            return None
        code = _code(path)
        if code is None:
            return None
        try:
            key = self._key(path, code, kernel, also)
        except (Unavailable, OSError):
            return None
        kept = self._store.find(key)
        if kept is None or not covers(kept.limits, limits):
            return None
        if datetime.now(UTC) - kept.made_at > LONGEST_TRUSTED:
            return None
        cells = _moved(kept.result.cells, code)
        if cells is None or not hold(kept.inputs, _folder(path)):
            return None
        self._store.used(key)
        return replace(kept.result, path=path, cells=cells, started=Started.CACHED)

    def expected(self, path: str) -> Expected:
        """What the last run of the notebook at ``path`` lets expect of the next."""
        figures = self._store.figures(path)
        code = _code(path)
        return Expected(
            seconds=figures.duration if figures else None,
            memory=figures.peak_memory if figures else None,
            cells=len(code.cells) if code else 0,
        )

    def prepare(self, paths: Sequence[str]) -> None:
        """These are going to run: watch the files around them."""
        if not self._results or not paths:
            return
        scratch = [os.path.realpath(tempfile.gettempdir())]
        for path in paths:
            top = self._top(path)
            if top not in self._watched and top not in self._unwatched:
                try:
                    self._watch_below(top, folders_below(top, scratch))
                except Unavailable as error:
                    self._unwatched[top] = error.message
            if top in self._unwatched:
                self.unkept[path] = self._unwatched[top]
            elif self._watch is None or not self._watch.hears(os.path.realpath(path)):
                self.unkept[path] = "which files are opened there isn't heard of"
            for folder in self._named_elsewhere(path):
                # The code names it: what lies there is likely to be read.
                with contextlib.suppress(Unavailable):
                    self._watch_below(folder, folders_below(folder, scratch, _MOST_ELSEWHERE))

    def _watch_below(self, top: str, folders: Sequence[str]) -> None:
        self._watch = self._watch or Watch()
        self._watch.add(folders)
        self._watched.add(top)

    def begin(self, path: str, limits: Limits, kernel: str | None, also: str = "") -> None:
        """The notebook at ``path`` starts now. Any thread."""
        if self._watch is None or path in self.unkept:
            return
        code = _code(path)
        if code is None:
            self.unkept[path] = "it is not in nbformat 4"
            return
        try:
            key = self._key(path, code, kernel, also)
        except (Unavailable, OSError) as error:
            self.unkept[path] = str(error)
            return
        run = _Run(path, limits, key, self._watch.begin(), self._outside(path, code))
        self._running[path] = run

    def end(self, path: str, kernel: str | None, result: NotebookResult, also: str = "") -> None:
        """It ended so. Any thread."""
        if result.duration is not None:
            self._store.note(path, Figures(result.duration, result.peak_memory))
        run = self._running.pop(path, None)
        if run is None or self._watch is None:
            return
        seen = self._watch.end(run.token)
        self._made |= seen.made
        if not worth_keeping(result):
            return
        code = _code(path)
        try:
            if code is None or self._key(path, code, kernel, also) != run.key:
                raise Unsteady("it was changed while it ran")
            own = os.path.realpath(path)
            run.files, run.folders = inputs_of(seen, own, ".ipynb" in code.text)
            run.lists_folder = code.lists_folders
            run.files |= {
                name: before for name, before in run.outside.items() if stamp(name) == before
            }
        except (Unsteady, Unavailable, OSError) as error:
            self.unkept[path] = str(error)
            return
        run.result = result
        self._done.append(run)

    def close(self) -> None:
        """Nothing runs any more: keep what is worth it. May be called twice."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        # Only now: files that are read here would count as read by whatever ran meanwhile.
        done, self._done = self._done, []
        self._watched.clear()
        for run in done:
            assert run.result is not None
            try:
                inputs = take(
                    run.files,
                    run.folders,
                    self._made,
                    _folder(run.path),
                    lists_base=run.lists_folder,
                )
            except Unsteady as error:
                self.unkept[run.path] = str(error)
                continue
            kept = Kept(FORMAT, datetime.now(UTC), run.limits, inputs, run.result)
            self._store.keep(run.key, kept)
            if self._store.problem:
                self.unkept[run.path] = self._store.problem
        self._made.clear()
        if done:
            self._store.prune()

    def _key(self, path: str, code: Code, kernel: str | None, also: str) -> str:
        name = kernel or code.kernel
        environment = self._environments.digest(name, code)
        whole = hashlib.blake2b(Path(path).read_bytes()).hexdigest() if also else ""
        rest = "\n".join((self._also, also, whole))
        return result_key(path, code.digest(), name, environment, rest)

    def _top(self, path: str) -> str:
        folder = _folder(path)
        for top in self._tops:
            if folder == top or folder.startswith(top.rstrip("/") + "/"):
                return top
        return _repository(folder) or folder

    def _named_elsewhere(self, path: str) -> list[str]:
        """Folders that its code names and that aren't watched yet, but for the system's own."""
        code = _code(path)
        named = [_resolved(path, name) for name in code.paths_outside()] if code else []
        return [
            folder
            for folder in named
            if os.path.isdir(folder)
            and folder.count("/") > 1
            and folder.split("/")[1] not in _SYSTEM
            and not self._is_watched(folder)
        ]

    def _is_watched(self, path: str) -> bool:
        return any(path == top or path.startswith(top.rstrip("/") + "/") for top in self._watched)

    def _outside(self, path: str, code: Code) -> dict[str, Stamp]:
        found = {}
        for quoted in code.paths_outside():
            name = _resolved(path, quoted)
            mark = None if self._is_watched(name) else stamp(name)
            if mark is not None:
                found[name] = mark
        return found


def _resolved(notebook: str, name: str) -> str:
    return os.path.realpath(os.path.join(_folder(notebook), os.path.expanduser(name)))


def _folder(path: str) -> str:
    return os.path.dirname(os.path.realpath(path))


@cache
def _repository(folder: str) -> str | None:
    """The top of the git repository that ``folder`` lies in."""
    for above in (Path(folder), *Path(folder).parents):
        if (above / ".git").exists():
            return str(above)
    return None


def _code(path: str) -> Code | None:
    with contextlib.suppress(OSError):
        # Whoever reads a named pipe waits.
        return read_code(Path(path).read_bytes()) if os.path.isfile(path) else None
    return None


def _moved(cells: Sequence[CellResult], code: Code) -> tuple[CellResult, ...] | None:
    """``cells`` where the code cells of the notebook are now: prose may have come between."""
    if len(cells) != len(code.cells):
        return None
    return tuple(
        replace(cell, index=now.index, id=now.id)
        for cell, now in zip(cells, code.cells, strict=True)
    )
