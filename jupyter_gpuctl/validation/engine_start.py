"""The engine as a process: its job comes by standard input, its events go to a descriptor."""

from __future__ import annotations

import os
import queue
import sys
import threading
import traceback

from . import kernel_manager, notebooks
from .engine import run
from .events import Broken, Event, from_line, to_line

_DEEPEST = 5000
"""Calls within calls; Python's own limit is 1000."""


def get_ready() -> None:
    """Do in the warm process what every engine would do once; it starts no thread."""
    notebooks.get_ready()
    kernel_manager.get_ready()


def main() -> None:
    """Run the job on standard input; the first argument is the descriptor for the events."""
    serve(int(sys.argv[1]))


def forked() -> None:
    """In a child of the warm process: descriptor 3 is for the events, 4 for the kernel's word."""
    status = 1
    try:
        serve(3)
        status = 0
    except Exception:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    # Nothing of the warm process needs taking apart.
    os._exit(status)


def serve(descriptor: int) -> None:
    """Run the job on standard input and write events to ``descriptor``."""
    os.set_inheritable(descriptor, False)
    # Outputs may be nested as deep as the kernel's JSON, and nbformat needs several calls a level.
    sys.setrecursionlimit(_DEEPEST)
    lines = _lines_of_worker()

    def emit(event: Event) -> None:
        os.write(descriptor, to_line(event))

    try:
        run(from_line(lines.get()), emit, lines.get)
    except Exception as error:
        emit(Broken(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"))
        raise


def _lines_of_worker() -> queue.SimpleQueue[bytes]:
    """What the worker says. When it says nothing more it is gone, and so is this process."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen() -> None:
        partial = b""
        # Not by a buffered reader, whose lock would be held when the process ends.
        while data := os.read(0, 65536):
            *whole, partial = (partial + data).split(b"\n")
            for line in whole:
                lines.put(line)
        os._exit(1)

    threading.Thread(target=listen, name="worker", daemon=True).start()
    return lines
