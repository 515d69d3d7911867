"""The monitor: one sampling pass a tick for everybody, however many look."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from ..api.checks import Check, CheckStatus
from ..core.clock import Clock
from ..core.quantities import format_bytes
from .answers import Answers, Kept
from .model import Driver, DriverStatus
from .ports import Kernel, KernelDirectory
from .sampler import Pass, Sampler

IDLE_INTERVAL = 10.0
"""Seconds between samples while nobody looks, at least."""
LOOKING = 15.0
"""Seconds for which one request counts as somebody who looks, at least."""

_T = TypeVar("_T")

_STARTING = Driver(
    DriverStatus.UNRESPONSIVE, "none", message="The driver has been asked and not answered yet."
)


class Monitor:
    """Samples in the background and answers from memory. Lives on the event loop."""

    def __init__(
        self,
        sampler: Sampler,
        kernels: KernelDirectory,
        *,
        clock: Clock,
        interval: float,
        log: logging.Logger,
    ) -> None:
        self._sampler = sampler
        self._kernels = kernels
        self._clock = clock
        self._interval = interval
        self._log = log
        self._answers = Answers()
        self._pass: Pass | None = None
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._looked: float | None = None
        self._failures = 0
        self._encoding = 0.0
        self._publish()

    def start(self) -> None:
        """Begin to sample; call on the event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="gpuctl-monitor")

    async def stop(self) -> None:
        """End sampling and give the drivers back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            await _in_thread(self._sampler.close)

    @property
    def newest(self) -> Pass | None:
        """What the newest sampling pass found."""
        return self._pass

    @property
    def interval(self) -> float:
        """Seconds between samples at present."""
        if self._looked is not None:
            ago = self._clock.monotonic() - self._looked
            if ago <= max(LOOKING, 3 * self._interval):
                return self._interval
        return max(self._interval, IDLE_INTERVAL)

    @property
    def cpu_seconds(self) -> float:
        """Processor time that sampling has cost so far."""
        return self._sampler.cpu_seconds + self._encoding

    def look(self, since: int | None, detail: str) -> bytes:
        """The body of ``GET gpus``; somebody looks, so sampling goes at full pace.

        Raises:
            InvalidInput: as :meth:`Answers.body`.
        """
        slow = self.interval > self._interval
        self._looked = self._clock.monotonic()
        if slow:
            self._wake.set()
        return self._answers.body(since, detail, self._clock.now())

    def checks(self) -> Mapping[str, Check]:
        """Driver, monitor and disk, for ``GET health``."""
        driver = self._pass.driver if self._pass else _STARTING
        return {
            "driver": Check(
                _DRIVER_CHECK.get(driver.status, CheckStatus.ERROR),
                driver.message,
                driver.hint,
                {
                    "status": driver.status,
                    "probe": driver.probe,
                    "version": driver.version,
                    "cuda_version": driver.cuda_version,
                    "devices": len(self._pass.devices) if self._pass else 0,
                },
            ),
            "monitor": self._own_check(),
            "home": self._home_check(),
        }

    def _own_check(self) -> Check:
        sample = self._pass.sample if self._pass else None
        count = sample.seq if sample else 0
        age = (self._clock.now() - sample.time).total_seconds() if sample else None
        detail = {
            "interval": self.interval,
            "samples": count,
            "failures": self._failures,
            "age": age,
            "cpu_seconds": self.cpu_seconds,
            "cpu_seconds_per_sample": self.cpu_seconds / count if count else None,
        }
        if age is not None and age > 3 * self.interval + 10:
            return Check(
                CheckStatus.ERROR,
                f"The newest sample is {age:.0f} s old: the sampling thread hangs.",
                "Restart the Jupyter server; please report its log.",
                detail,
            )
        return Check(CheckStatus.OK, detail=detail)

    def _home_check(self) -> Check:
        home = self._pass.sample.host.home if self._pass else None
        if self._pass is None or home is None:
            return Check(CheckStatus.WARNING, "The disk of the home has not answered (yet).")
        detail = {"path": home.path, "free": home.free, "total": home.total}
        for notice in self._pass.notices:
            return Check(CheckStatus.WARNING, notice.message, notice.hint, detail)
        return Check(CheckStatus.OK, f"{format_bytes(home.free)} free", detail=detail)

    async def _run(self) -> None:
        while True:
            began = self._clock.monotonic()
            try:
                kernels = await self._kernels.kernels()
                self._pass, kept = await _in_thread(partial(self._sample, kernels))
                self._publish(kept)
            except asyncio.CancelledError:
                raise
            except Exception:
                # A defect of ours must not end the sampling for good, nor fill the log.
                self._failures += 1
                if self._failures & (self._failures - 1) == 0:
                    self._log.exception("gpuctl: sampling failed %d times", self._failures)
            self._wake.clear()
            try:
                spent = self._clock.monotonic() - began
                await asyncio.wait_for(self._wake.wait(), max(0.05, self.interval - spent))
            except TimeoutError:
                pass

    def _sample(self, kernels: Sequence[Kernel]) -> tuple[Pass, Kept]:
        """On the sampling thread: a pass, and its sample made ready to answer with."""
        found = self._sampler.sample(kernels)
        began = time.thread_time()
        kept = Answers.keep(found.sample)
        self._encoding += time.thread_time() - began
        return found, kept

    def _publish(self, kept: Kept | None = None) -> None:
        found = self._pass
        self._answers.publish(
            driver=found.driver if found else _STARTING,
            devices=found.devices if found else (),
            notices=found.notices if found else (),
            interval=self.interval,
            kept=kept,
        )


_DRIVER_CHECK = {
    DriverStatus.OK: CheckStatus.OK,
    DriverStatus.SIMULATED: CheckStatus.WARNING,
    DriverStatus.MISSING: CheckStatus.WARNING,
}


async def _in_thread(call: Callable[[], _T]) -> _T:
    """``call()`` on a daemon thread of its own.

    Not a pool: a thread that hangs in a driver must not hold up the end of the server.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def finish(result: _T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        try:
            outcome: tuple[_T | None, BaseException | None] = (call(), None)
        except BaseException as error:
            outcome = (None, error)
        try:
            loop.call_soon_threadsafe(finish, *outcome)
        except RuntimeError:
            pass  # The loop was closed meanwhile: nobody waits.

    threading.Thread(target=run, name="gpuctl-sampler", daemon=True).start()
    return await future
