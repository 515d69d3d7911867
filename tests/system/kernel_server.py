"""What of a Jupyter server kernels need: a kernel manager below something that knows a broker."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from traitlets.config import LoggingConfigurable

from jupyter_gpuctl.kernels.provisioner import SETTING


class Server(LoggingConfigurable):
    """What of a ``ServerApp`` the provisioner looks for."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.web_app = SimpleNamespace(settings=settings)


class Kernels:
    """Real kernels of a real kernel manager, and clients to talk to them."""

    def __init__(self, broker: Any) -> None:
        settings = {} if broker is None else {SETTING: broker}
        # As a server's runtime directory: else connection files lie where the tests are run.
        self._folder = TemporaryDirectory(prefix="gpuctl-kernels-")
        self.manager = AsyncMappingKernelManager(
            parent=Server(**settings), connection_dir=self._folder.name
        )
        self._clients: dict[str, Any] = {}

    async def client(self, kernel_id: str) -> Any:
        self.leave(kernel_id)
        client = self.manager.get_kernel(kernel_id).client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        self._clients[kernel_id] = client
        return client

    def leave(self, kernel_id: str) -> None:
        """Two clients with one name at a time would take each other's answers."""
        if kernel_id in self._clients:
            self._clients.pop(kernel_id).stop_channels()

    async def restart(self, kernel_id: str) -> None:
        self.leave(kernel_id)
        await (await self.manager.restart_kernel(kernel_id))

    async def run(self, client: Any, code: str) -> dict[str, Any]:
        """The reply to a cell."""
        # Else what follows soon after an error is aborted.
        reply = await client.execute(code, reply=True, timeout=60, stop_on_error=False)
        return reply["content"]

    async def prints(self, client: Any, code: str) -> str:
        """What a cell prints."""
        said = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                said.append(message["content"]["text"])

        await client.execute_interactive(code, output_hook=hear, allow_stdin=False)
        return "".join(said).strip()

    async def close(self) -> None:
        for kernel_id in list(self._clients):
            self.leave(kernel_id)
        for kernel_id in self.manager.list_kernel_ids():
            await self.manager.shutdown_kernel(kernel_id, now=True)
        self._folder.cleanup()
