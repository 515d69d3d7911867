"""A server extension that measures how long the event loop keeps others waiting.

It asks to be called every 5 ms and notes by how much the call was late. The longest delay since the
last question is written to the file that ``GPUCTL_BENCH_LAG`` names whenever ``SIGUSR1`` comes.
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
    longest = 0.0

    def tell() -> None:
        nonlocal longest
        file = Path(os.environ["GPUCTL_BENCH_LAG"])
        file.with_suffix(".new").write_text(f"{longest}")
        file.with_suffix(".new").replace(file)
        longest = 0.0

    def tick(due: float) -> None:
        nonlocal longest
        now = loop.time()
        longest = max(longest, now - due)
        loop.call_at(now + STEP, tick, now + STEP)

    loop.add_signal_handler(signal.SIGUSR1, tell)
    loop.call_soon(tick, loop.time())
