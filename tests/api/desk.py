"""A user of a real server with kernels, as the tests play one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.api.leasing import HOUR

SEES = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'))"
UNSET = "None"


class Desk:
    """The API, and the kernels of the server as a user meets them."""

    def __init__(self, api, fetch, serverapp) -> None:
        self.api = api
        self._fetch = fetch
        self.manager = serverapp.kernel_manager
        self._clients: dict[str, Any] = {}

    async def start(self, name: str = "python3") -> str:
        answer = await self._fetch("api", "kernels", method="POST", body=json.dumps({"name": name}))
        kernel_id = json.loads(answer.body)["id"]
        await self._client(kernel_id)
        return kernel_id

    def hang_up(self, kernel_id: str) -> None:
        """A restarted kernel may have spoken before channels are connected to it again."""
        self._clients.pop(kernel_id).stop_channels()

    async def restart(self, kernel_id: str) -> None:
        self.hang_up(kernel_id)
        await self._fetch("api", "kernels", kernel_id, "restart", method="POST", body="{}")
        await self._client(kernel_id)

    async def shut_down(self, kernel_id: str) -> None:
        self.hang_up(kernel_id)
        await self._fetch("api", "kernels", kernel_id, method="DELETE")

    async def run(self, kernel_id: str, code: str) -> str:
        """What a cell prints; the server knows by then that the kernel is idle again."""
        printed = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        client = await self._client(kernel_id)
        reply = await client.execute_interactive(code, output_hook=hear, allow_stdin=False)
        assert reply["content"]["status"] == "ok", reply["content"]
        while self.manager.get_kernel(kernel_id).execution_state == "busy":
            await asyncio.sleep(0.02)
        return "".join(printed).strip()

    async def sees(self, kernel_id: str) -> str:
        return await self.run(kernel_id, SEES)

    async def begin(self, kernel_id: str, code: str) -> None:
        """Run a cell, and go on once the server knows that the kernel is busy."""
        (await self._client(kernel_id)).execute(code)
        while self.manager.get_kernel(kernel_id).execution_state != "busy":
            await asyncio.sleep(0.02)

    async def kernel(self, kernel_id: str) -> dict[str, Any]:
        items = (await self.api.get("kernels"))["items"]
        (found,) = [item for item in items if item["kernel_id"] == kernel_id]
        return found

    async def kernel_when(self, kernel_id: str, **fields: Any) -> dict[str, Any]:
        """The kernel, once it has these fields."""
        for _ in range(400):
            found = await self.kernel(kernel_id)
            if fields.items() <= found.items():
                return found
            await asyncio.sleep(0.05)
        pytest.fail(f"never {fields}: {found}")

    async def attach(self, kernel_id: str, lease: dict[str, Any]) -> dict[str, Any]:
        return await self.api.post(f"kernels/{kernel_id}/attach", {"lease_id": lease["id"]})

    async def detach(self, kernel_id: str) -> dict[str, Any]:
        return await self.api.delete(f"kernels/{kernel_id}/attach")

    async def lease(self, **more: Any) -> dict[str, Any]:
        return await self.api.post("leases", HOUR | more)

    async def _client(self, kernel_id: str) -> Any:
        if kernel_id not in self._clients:
            client = self.manager.get_kernel(kernel_id).client()
            client.start_channels()
            await client.wait_for_ready(60)
            self._clients[kernel_id] = client
        return self._clients[kernel_id]

    async def close(self) -> None:
        for client in self._clients.values():
            client.stop_channels()
        await self.manager.shutdown_all(now=True)
