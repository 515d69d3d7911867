"""What the kernels' routes take and give, for the OpenAPI document."""

from __future__ import annotations

from ..api.routes import Operation
from .wire import AttachBody, KernelAnswer, KernelsAnswer

KERNELS = (
    Operation(
        "GET",
        "The kernels of this server with their GPUs, idle leases, and what the guard has found",
        KernelsAnswer,
    ),
)
ATTACH = (
    Operation(
        "POST",
        "Attach a lease to a kernel; says whether the kernel must be restarted",
        KernelAnswer,
        body=AttachBody,
        errors=(400, 403, 404, 409, 422, 503),
    ),
    Operation(
        "DELETE",
        "Detach all leases from a kernel; they stay",
        KernelAnswer,
        errors=(403, 404, 422, 503),
    ),
)
