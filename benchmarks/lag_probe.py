"""A server extension that measures how long the event loop keeps others waiting.

It asks to be called every 5 ms and notes by how much the call was late. Of that it takes off the
time in which the loop's thread could have run and the machine gave it no core, since that is the
doing of other programs; waiting for Python's lock, which our own threads cause, is left in. The
longest delays since the last question, as they were and so reduced, are written to the file that
``GPUCTL_BENCH_LAG`` names whenever ``SIGUSR1`` comes.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

STEP = 0.005


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "benchmarks.lag_probe"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    pass


async def _start_jupyter_server_extension(serverapp: Any) -> None:
    loop = asyncio.get_running_loop()
    longest = own = 0.0
    schedstat = os.open("/proc/thread-self/schedstat", os.O_RDONLY)

    def waited() -> float:
        """Seconds that this thread has stood in a run queue so far."""
        return int(os.pread(schedstat, 100, 0).split()[1]) / 1e9

    def tell() -> None:
        nonlocal longest, own
        file = Path(os.environ["GPUCTL_BENCH_LAG"])
        file.with_suffix(".new").write_text(f"{longest} {own}")
        file.with_suffix(".new").replace(file)
        longest = own = 0.0

    def tick(due: float, queued: float) -> None:
        nonlocal longest, own
        now, queued_now = loop.time(), waited()
        longest = max(longest, now - due)
        own = max(own, now - due - (queued_now - queued))
        loop.call_at(now + STEP, tick, now + STEP, queued_now)

    loop.add_signal_handler(signal.SIGUSR1, tell)
    loop.call_soon(tick, loop.time(), waited())
