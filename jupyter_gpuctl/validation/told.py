"""What a validation tells the server that started it: one JSON object a line.

    planned   {paths, limits}            once, before anything runs
    started   {path}
    cells     {path, runs: [[index, first line], …]}
    cell      {path, index}              it has begun
    finished  {result}                   a ``NotebookResult``
    report    {format, text}             at the end, each of them
    done      {interrupted, summary, results}     the last; results as they are in the end

The validation writes them to its standard output. Its standard input is the server's word to stop:
it is closed on purpose, or by the death of the server.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Sequence
from typing import IO, Any

from ..core.encoding import to_json
from .events import CellStarted, Event, Planned
from .model import Limits, NotebookResult, Tier, Validation, summary
from .reports import renderer
from .wire import ReportFormat


class Teller:
    """The :class:`~jupyter_gpuctl.validation.ports.Listener` that tells a server."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def planned(self, paths: Sequence[str], limits: Limits, jobs: int, tier: Tier) -> None:
        self._tell("planned", paths=list(paths), limits=to_json(limits))

    def started(self, path: str) -> None:
        self._tell("started", path=path)

    def event(self, path: str, event: Event) -> None:
        if isinstance(event, Planned):
            runs = [
                (cell.index, (cell.first_line or "")[:200]) for cell in event.cells if cell.runs
            ]
            self._tell("cells", path=path, runs=runs)
        elif isinstance(event, CellStarted):
            self._tell("cell", path=path, index=event.index)

    def finished(self, result: NotebookResult) -> None:
        self._tell("finished", result=to_json(result))

    def done(self, validation: Validation) -> None:
        """All reports, and the last word."""
        for name in ReportFormat:
            self._tell("report", format=name, text=renderer(name)(validation))
        told = summary(validation.notebooks, os.path.basename)
        results = to_json(validation.notebooks)
        self._tell("done", interrupted=validation.interrupted, summary=told, results=results)

    def _tell(self, kind: str, **values: Any) -> None:
        line = json.dumps({"kind": kind, **values}).encode() + b"\n"
        # A server that is gone has closed our input too: that stops what runs.
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(line)
            self._stream.flush()


def stop_with(stream: IO[bytes], stop: Callable[[], None]) -> None:
    """Call ``stop``, on a thread of its own, when ``stream`` has ended."""

    def wait() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(stream.fileno(), 4096):
                pass
        stop()

    threading.Thread(target=wait, name="validate-stop", daemon=True).start()
