"""The newest sample as Prometheus metrics, on the server's own ``/metrics``.

A scrape reads memory; it never asks the driver and doesn't count as somebody who looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .model import Device, DeviceReading, DeviceStatus
from .service import Monitor

_DEVICE_GAUGES: tuple[tuple[str, str, Callable[[Device, DeviceReading], float | None]], ...] = (
    ("up", "1 where the GPU could be read", lambda d, r: float(r.status is DeviceStatus.OK)),
    (
        "utilization_ratio",
        "Part of the time in which a kernel ran",
        lambda d, r: None if r.utilization is None else r.utilization / 100,
    ),
    ("memory_used_bytes", "Device memory in use", lambda d, r: r.memory_used),
    ("memory_total_bytes", "Device memory", lambda d, r: d.memory_total),
    ("temperature_celsius", "Temperature", lambda d, r: r.temperature),
    ("power_watts", "Power drawn", lambda d, r: r.power),
    ("power_limit_watts", "Most power that may be drawn", lambda d, r: r.power_limit),
    (
        "processes",
        "Processes on the GPU",
        lambda d, r: None if r.processes is None else len(r.processes),
    ),
)


class GpuCollector(Collector):
    """Metrics of one monitor. A reading that the driver doesn't give has no line."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def register(self) -> None:
        """Put the metrics on ``/metrics``."""
        REGISTRY.register(self)

    def unregister(self) -> None:
        """Take them off again."""
        REGISTRY.unregister(self)

    def describe(self) -> list[Metric]:
        """Nothing in advance: so registering doesn't need a sample."""
        return []

    def collect(self) -> Iterator[Metric]:
        found = self._monitor.newest
        if found is None:
            return
        labels = ("uuid", "index", "name")
        rows = [
            ((device.uuid, "" if device.index is None else str(device.index), device.name), device)
            for device in found.devices
        ]
        readings = {reading.uuid: reading for reading in found.sample.devices}
        for suffix, text, value_of in _DEVICE_GAUGES:
            family = GaugeMetricFamily(f"gpuctl_gpu_{suffix}", text, labels=labels)
            for names, device in rows:
                value = value_of(device, readings[device.uuid])
                if value is not None:
                    family.add_metric(names, value)
            yield family
        memory = GaugeMetricFamily(
            "gpuctl_kernel_memory_bytes",
            "Host memory of a kernel and what it started",
            labels=("kernel_id",),
        )
        for kernel in found.sample.kernels:
            if kernel.memory is not None:
                memory.add_metric((kernel.kernel_id,), kernel.memory)
        yield memory
        home = found.sample.host.home
        if home is not None:
            yield GaugeMetricFamily(
                "gpuctl_home_free_bytes", "Free on the disk of the home", home.free
            )
        yield CounterMetricFamily("gpuctl_samples", "Samples taken", found.sample.seq)
        yield GaugeMetricFamily(
            "gpuctl_sample_timestamp_seconds",
            "When the newest sample was taken",
            found.sample.time.timestamp(),
        )
        yield CounterMetricFamily(
            "gpuctl_monitor_cpu_seconds",
            "Processor time spent on sampling",
            self._monitor.cpu_seconds,
        )
