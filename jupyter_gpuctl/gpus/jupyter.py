"""The kernels of the Jupyter server that we run in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .ports import Kernel


class ServerKernels:
    """The :class:`~jupyter_gpuctl.gpus.ports.KernelDirectory` of a Jupyter server."""

    def __init__(self, kernel_manager: Any, session_manager: Any) -> None:
        self._kernels = kernel_manager
        self._sessions = session_manager
        self._pids: tuple[int, ...] = ()

    def pids(self) -> Sequence[int]:
        """Of the kernels at the last look. May be called on any thread."""
        return self._pids

    async def kernels(self) -> Sequence[Kernel]:
        ids = self._kernels.list_kernel_ids()
        if not ids:
            self._pids = ()
            return ()
        sessions = {
            session["kernel"]["id"]: session for session in await self._sessions.list_sessions()
        }
        found = tuple(self._kernel(kernel_id, sessions.get(kernel_id)) for kernel_id in ids)
        self._pids = tuple(kernel.pid for kernel in found if kernel.pid is not None)
        return found

    def _kernel(self, kernel_id: str, session: dict[str, Any] | None) -> Kernel:
        manager = self._kernels.get_kernel(kernel_id)
        # Only a process on this machine has a pid: a gateway's or a remote provisioner's has none.
        provisioner = getattr(manager, "provisioner", None)
        return Kernel(
            kernel_id=kernel_id,
            name=manager.kernel_name,
            notebook=session["path"] if session else None,
            kind=session["type"] if session else None,
            state=getattr(manager, "execution_state", None) or "unknown",
            pid=getattr(provisioner, "pid", None),
        )
