"""What this server knows of its kernels; gone with the server, as they are."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from .model import KernelRecord


class Records:
    """One record a kernel. Read and changed on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[str, KernelRecord] = {}

    def get(self, kernel_id: str) -> KernelRecord:
        """What is known; an empty record where nothing is."""
        return self._records.get(kernel_id) or KernelRecord(kernel_id)

    def change(self, kernel_id: str, **values: Any) -> KernelRecord:
        """Replace some fields; the record as it is then."""
        with self._lock:
            record = replace(self.get(kernel_id), **values)
            self._records[kernel_id] = record
        return record

    def forget(self, kernel_id: str) -> None:
        """It is gone for good."""
        with self._lock:
            self._records.pop(kernel_id, None)
