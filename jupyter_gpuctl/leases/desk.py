"""Where the event loop meets the authority: opened when first needed, called on worker threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from ..api.checks import Check, CheckStatus
from ..core.errors import GpuCtlError, Unavailable

if TYPE_CHECKING:
    from .service import Authority

WORKERS = 4
"""Threads. Writers take turns in the database anyway."""
_T = TypeVar("_T")


class LeaseDesk:
    """Takes calls of the authority on the event loop; every one runs on a thread of a small pool.

    The authority is opened by the first call: a server on which nobody leases never loads the
    database's library.
    """

    def __init__(self, open_authority: Callable[[], Authority]) -> None:
        self._open_authority = open_authority
        self._authority: Authority | None = None
        self._opening = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False
        self._loaded = False
        self._problem: GpuCtlError | None = None
        self.asked = asyncio.Event()
        """Set once anybody has asked for anything."""

    async def load(self) -> None:
        """Import what decides, once, on a worker thread: it takes a tenth of a second."""
        if not self._loaded:
            await self._in_pool(_import_authority)
            self._loaded = True

    async def ask(self, call: Callable[[Authority], _T]) -> _T:
        """``call(authority)``, on a worker thread.

        Raises:
            GpuCtlError: what the call raises, or ``Unavailable`` where the store can't be opened.
        """
        self.asked.set()
        return await self._in_pool(lambda: self._run(call))

    async def _in_pool(self, call: Callable[[], _T]) -> _T:
        if self._closed:
            raise Unavailable(
                "leases.closed",
                "This Jupyter server is going down.",
                hint="Your leases stay as they are; ask again when it is up.",
            )
        if self._pool is None:
            self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="gpuctl-leases")
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def close(self) -> None:
        """End: calls that run are waited for, those that wait are dropped."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.get_running_loop().run_in_executor(
                None, lambda: pool.shutdown(cancel_futures=True)
            )
        authority, self._authority = self._authority, None
        if authority is not None:
            await asyncio.get_running_loop().run_in_executor(None, authority.close)

    def checks(self) -> Mapping[str, Check]:
        """Store and authority, for ``GET health``; from memory."""
        if self._authority is not None:
            return self._authority.checks()
        if self._problem is not None:
            check = Check(CheckStatus.ERROR, self._problem.message, self._problem.hint)
            return {"store": check, "authority": check}
        idle = Check(CheckStatus.OK, "Nobody has asked for leases since this server started.")
        return {"store": idle, "authority": idle}

    def _run(self, call: Callable[[Authority], _T]) -> _T:
        if self._authority is None:
            with self._opening:
                if self._authority is None:
                    try:
                        self._authority = self._open_authority()
                        self._problem = None
                    except GpuCtlError as error:
                        self._problem = error
                        raise
        return call(self._authority)


def _import_authority() -> None:
    from . import service  # noqa: F401
