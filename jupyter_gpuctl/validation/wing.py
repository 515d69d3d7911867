"""The validations of a server: what the extension makes, and what the handlers ask.

Nothing of the validator is loaded before somebody asks for a validation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from ..core.errors import Unavailable
from .places import Places

if TYPE_CHECKING:
    from .runs import Runs

_T = TypeVar("_T")


class ValidationWing:
    """Made and asked on the event loop; what takes time is done on a thread.

    ``most``: how many validations run at a time. ``places``: where the contents lie.
    """

    def __init__(self, most: int, places: Callable[[], Places], *, log: logging.Logger) -> None:
        self._most, self._places, self._log = most, places, log
        self._runs: Runs | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False

    async def ask(self, call: Callable[[Runs, Places], _T]) -> _T:
        """``call(runs, places)`` on a worker thread.

        Raises:
            GpuCtlError: what the call raises.
            Unavailable: the server is going down.
        """
        if self._closed:
            raise Unavailable("validation.closed", "This Jupyter server is going down.")
        if self._pool is None:
            # One thread: the validations themselves run elsewhere.
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="gpuctl-validations")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: call(self._open(), self._places()))

    def _open(self) -> Runs:
        if self._runs is None:
            from ..core.clock import SystemClock
            from .runs import Runs

            self._runs = Runs(self._most, clock=SystemClock(), log=self._log)
        return self._runs

    async def stop(self) -> None:
        """Stop all validations, and wait for their end."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is None:
            return

        def end() -> None:
            pool.shutdown()
            if self._runs is not None:
                self._runs.close()

        await asyncio.get_running_loop().run_in_executor(None, end)
