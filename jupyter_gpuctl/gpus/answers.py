"""The bodies of ``GET gpus``, each encoded once however many panels ask.

Two hundred panels that poll in one second ask for the same few bodies: the newest sample since
the one before. So a sample becomes JSON once, a body is joined once a tick, and an answer costs
a dictionary look-up.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..core.encoding import encode
from ..core.errors import InvalidInput
from .model import Device, Driver, History, Sample
from .wire import Notice

NEWEST = "newest"
ALL = "all"


def slim(sample: Sample) -> Sample:
    """``sample`` without processes and kernels: what plots of the past need."""
    return replace(
        sample,
        kernels=(),
        devices=tuple(
            reading if not reading.processes else replace(reading, processes=())
            for reading in sample.devices
        ),
    )


@dataclass(frozen=True, slots=True)
class KeptText:
    """A sample as JSON text. Text costs Python's garbage collector nothing; objects would, and a
    server whose hour of history they fill would halt for it.
    """

    seq: int
    time: datetime
    slim: bytes
    whole: bytes
    """Compressed: few ask for it, and it holds every process."""


Kept = tuple[KeptText, bytes]
"""A sample as it is kept, and as it is answered while it is the newest."""


class Answers:
    """Bodies of ``GET gpus`` from the newest state; :meth:`publish` renews it.

    Not thread-safe: all methods are called on the event loop, but for :meth:`keep`.
    """

    def __init__(self) -> None:
        self._history: History[KeptText] = History()
        self._newest = b""
        self._state = b""
        self._bodies: dict[tuple[int | None, str], bytes] = {}

    @staticmethod
    def keep(sample: Sample) -> Kept:
        """``sample`` as it is kept and as it is answered. The costly part; on any thread."""
        whole = encode(sample)
        return KeptText(
            sample.seq, sample.time, encode(slim(sample)), zlib.compress(whole, 1)
        ), whole

    def publish(
        self,
        *,
        driver: Driver,
        devices: Sequence[Device],
        notices: Sequence[Notice],
        interval: float,
        kept: Kept | None,
    ) -> None:
        """Renew the state; ``kept`` is the newest sample, or ``None`` where there is none yet."""
        if kept is not None:
            self._history.append(kept[0])
            self._newest = kept[1]
        self._state = b'"interval":%s,"driver":%s,"warnings":%s,"devices":%s' % (
            encode(interval),
            encode(driver),
            encode(tuple(notices)),
            encode(tuple(devices)),
        )
        self._bodies.clear()

    def body(self, since: int | None, detail: str, now: datetime) -> bytes:
        """The JSON of a :class:`~jupyter_gpuctl.gpus.wire.GpusAnswer`.

        Raises:
            InvalidInput: ``since`` lies in the future, or ``detail`` is not one of the two.
        """
        newest = self._history.newest
        seq = newest.seq if newest else 0
        if detail not in (NEWEST, ALL):
            raise InvalidInput(
                "request.invalid",
                f"detail={detail[:40]!r} is neither 'newest' nor 'all'.",
                hint="Leave it out for processes and kernels of the newest sample only.",
                detail={"name": "detail", "value": detail[:40]},
            )
        if since is not None and since > seq:
            raise InvalidInput(
                "gpus.since_in_future",
                f"since={since} lies in the future: the newest sample is {seq}.",
                hint="The server may have been started again; ask with since=0.",
                detail={"since": since, "newest": seq},
            )
        key = (since, detail)
        if key not in self._bodies:
            self._bodies[key] = b'{"seq":%d,%s,"samples":[%s],"time":' % (
                seq,
                self._state,
                b",".join(self._samples(seq - 1 if since is None else since, detail)),
            )
        return self._bodies[key] + encode(now) + b"}"

    def _samples(self, since: int, detail: str) -> list[bytes]:
        kept = self._history.since(since)
        if not kept:
            return []
        older = [zlib.decompress(k.whole) if detail == ALL else k.slim for k in kept[:-1]]
        return [*older, self._newest]
