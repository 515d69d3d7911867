"""The bodies of ``GET gpus``, each encoded once however many panels ask.

Two hundred panels that poll in one second ask for the same few bodies: the newest sample since
the one before. So a sample becomes JSON once, a body is joined once a tick, and an answer costs
a dictionary look-up.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
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


class Answers:
    """Bodies of ``GET gpus`` from the newest state; :meth:`publish` renews it.

    Not thread-safe: both methods are called on the event loop.
    """

    _CACHED_SAMPLES = 1024

    def __init__(self) -> None:
        self._history = History()
        self._devices: Sequence[Device] = ()
        self._state = b""
        self._bodies: dict[tuple[int | None, str], bytes] = {}
        self._encoded: OrderedDict[tuple[int, bool], bytes] = OrderedDict()

    def publish(
        self,
        *,
        driver: Driver,
        devices: Sequence[Device],
        notices: Sequence[Notice],
        interval: float,
        sample: Sample | None,
    ) -> None:
        """Renew the state; ``sample`` is the newest one, or ``None`` where there is none yet."""
        if sample is not None:
            self._history.append(sample)
        self._devices = tuple(devices)
        self._state = b'"interval":%s,"driver":%s,"warnings":%s,"devices":%s' % (
            encode(interval),
            encode(driver),
            encode(tuple(notices)),
            encode(self._devices),
        )
        self._bodies.clear()

    @property
    def newest(self) -> Sample | None:
        return self._history.newest

    def body(self, since: int | None, detail: str, now: datetime) -> bytes:
        """The JSON of a :class:`~jupyter_gpuctl.gpus.wire.GpusAnswer`.

        Raises:
            InvalidInput: ``since`` lies in the future, or ``detail`` is not one of the two.
        """
        seq = self.newest.seq if self.newest else 0
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
                self._samples(seq - 1 if since is None else since, detail),
            )
        return self._bodies[key] + encode(now) + b"}"

    def _samples(self, since: int, detail: str) -> bytes:
        newest = self.newest
        return b",".join(
            self._encode(sample, whole=detail == ALL or sample is newest)
            for sample in self._history.since(since)
        )

    def _encode(self, sample: Sample, *, whole: bool) -> bytes:
        key = (sample.seq, whole)
        encoded = self._encoded.get(key)
        if encoded is None:
            encoded = self._encoded[key] = encode(sample if whole else slim(sample))
            if len(self._encoded) > self._CACHED_SAMPLES:
                self._encoded.popitem(last=False)
        return encoded
