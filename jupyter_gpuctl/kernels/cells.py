"""Which cell a kernel runs: the execution counts on its IOPub channel, and nothing else of it.

The only user of ``zmq``. Subscribes as Jupyter's own ``start_watching_activity`` does.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from typing import Any

import zmq
from zmq.eventloop.zmqstream import ZMQStream

from .limits.deaths import Cell
from .records import Records

_DELIMITER = b"<IDS|MSG>"
_AFTERMATH = 2.0
"""Seconds after its end in which what happens still counts as a cell's doing: it may have ended
because its child was killed, and limits are looked at a few times a second.
"""


class Cells:
    """Lives on the event loop."""

    def __init__(self, records: Records, log: logging.Logger) -> None:
        self._records = records
        self._log = log
        self._streams: dict[str, ZMQStream] = {}
        self._ended: dict[str, float] = {}

    def watch(self, kernel_id: str, manager: Any, *, once: bool = False) -> None:
        """From its start on; ``once``: until its first cell. Ports may be others than before."""
        self.leave(kernel_id)
        self._ended.pop(kernel_id, None)
        stream = manager.connect_iopub()
        if isinstance(stream, zmq.Socket):
            stream = ZMQStream(stream)
        self._streams[kernel_id] = stream
        stream.on_recv(lambda frames: self._hear(kernel_id, frames, once=once))

    def leave(self, kernel_id: str) -> None:
        """No longer."""
        stream = self._streams.pop(kernel_id, None)
        if stream is not None and not stream.closed():
            stream.close()

    def current(self, kernel_id: str) -> Cell | None:
        """The cell that runs, or ran last since its start."""
        count = self._records.get(kernel_id).execution_count
        if count is None:
            return None
        ended = self._ended.get(kernel_id)
        return Cell(count, ended is None or time.monotonic() - ended < _AFTERMATH)

    def close(self) -> None:
        """Watch none any more."""
        for kernel_id in list(self._streams):
            self.leave(kernel_id)

    def _hear(self, kernel_id: str, frames: Sequence[bytes], *, once: bool) -> None:
        try:
            start = frames.index(_DELIMITER)
            header, parent, content = frames[start + 2], frames[start + 3], frames[start + 5]
        except (ValueError, IndexError):
            return
        # Most of what a kernel says is output: told by a look at its header, unread.
        if b'"execute_input"' in header:
            count = _count(content)
            if count is not None:
                self._ended.pop(kernel_id, None)
                self._records.change(kernel_id, execution_count=count, death=None)
                if once:
                    self.leave(kernel_id)
        elif b'"status"' in header and b'"execute_request"' in parent and b'"idle"' in content:
            self._ended[kernel_id] = time.monotonic()


def _count(content: bytes) -> int | None:
    try:
        count = json.loads(content)["execution_count"]
    except (ValueError, KeyError, TypeError):
        return None
    return count if isinstance(count, int) else None
