"""Running kernels of this server, told something between two cells, over their own channels.

The only user of ``jupyter_client``'s client. A kernel is told by a silent request: no output, no
history, no execution count, nothing left in the user's names.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_client.session import Session

from . import languages
from .model import Applied
from .ports import Told
from .touched import used_cuda

PATIENCE = 3.0
"""Seconds that an answer is waited for; then it is looked for again at the next asking."""
_EXPRESSION = "gpuctl"
_BUSY_STATES = ("busy", "restarting", "autorestarting")
_BUSY = Told(Applied.WHEN_IDLE, "It runs a cell.")
_USED = Told(Applied.RESTART, "It has used CUDA, which chooses its GPUs once.")
_DEAD = Told(Applied.RESTART, "It has ended.")


@dataclass(frozen=True, slots=True)
class _Request:
    """What a kernel was told and has not answered yet."""

    pid: int
    env: Mapping[str, str | None]
    answer: asyncio.Task[Told]


class ServerLiveKernels:
    """The :class:`.ports.LiveKernel` of a Jupyter server.

    ``ours`` says whether a provisioner is gpuctl's; ``on_devices`` gives the pids that the driver
    has seen on real devices.
    """

    def __init__(
        self,
        kernel_manager: Any,
        *,
        ours: Callable[[Any], bool],
        on_devices: Callable[[], Collection[int]],
        log: logging.Logger,
    ) -> None:
        self._kernels = kernel_manager
        self._ours = ours
        self._on_devices = on_devices
        self._log = log
        self._requests: dict[str, _Request] = {}

    async def set_devices(self, kernel_id: str, env: Mapping[str, str | None]) -> Told:
        """Tell it, if that has a meaning."""
        try:
            return await self._set(kernel_id, env)
        except Exception as error:
            # A kernel that dies meanwhile is told when it is started again.
            self._log.debug("gpuctl: kernel %s could not be told", kernel_id, exc_info=True)
            return Told(Applied.WHEN_IDLE, f"It doesn't answer ({type(error).__name__}).")

    def waits(self, kernel_id: str) -> bool:
        """Whether an answer is still to come."""
        return kernel_id in self._requests

    def retain(self, kernel_ids: Collection[str]) -> None:
        """Forget what was asked of kernels that are gone."""
        for kernel_id in self._requests.keys() - set(kernel_ids):
            self._drop(kernel_id)

    def close(self) -> None:
        """Wait for no answer any more."""
        self.retain(())

    async def _set(self, kernel_id: str, env: Mapping[str, str | None]) -> Told:
        try:
            manager = self._kernels.get_kernel(kernel_id)
        except KeyError:
            return Told(Applied.UNSUPPORTED, "It is gone.")
        provisioner = getattr(manager, "provisioner", None)
        if provisioner is not None and not self._ours(provisioner):
            name = type(provisioner).__name__
            return Told(Applied.UNSUPPORTED, f"another provisioner ({name}) starts it.")
        pid = getattr(provisioner, "pid", None)
        if pid is None or getattr(manager, "execution_state", None) == "dead":
            return _DEAD
        if await asyncio.to_thread(used_cuda, pid, self._on_devices()):
            return _USED
        request = self._request(kernel_id, manager, pid, env)
        if isinstance(request, Told):
            return request
        await asyncio.wait({request.answer}, timeout=PATIENCE)
        if not request.answer.done():
            return _BUSY
        if self._requests.get(kernel_id) is request:
            del self._requests[kernel_id]
        return request.answer.result()

    def _request(
        self, kernel_id: str, manager: Any, pid: int, env: Mapping[str, str | None]
    ) -> _Request | Told:
        """The request that asks this of that process: an earlier one, or one made now."""
        request = self._requests.get(kernel_id)
        if request is not None:
            if (request.pid, request.env) == (pid, env):
                return request
            self._drop(kernel_id)
        if getattr(manager, "execution_state", None) in _BUSY_STATES:
            return _BUSY
        language = manager.kernel_spec.language or ""
        code, expressions = "", {}
        if language.lower() == "python":
            expressions = {_EXPRESSION: languages.python_expression(env)}
        else:
            statement = languages.statement(language, env)
            if statement is None:
                why = f"Kernels in {language or 'its language'} are told at their start only."
                return Told(Applied.RESTART, why)
            code = statement
        answer = asyncio.create_task(_ask(manager, code, expressions))
        request = self._requests[kernel_id] = _Request(pid, dict(env), answer)
        return request

    def _drop(self, kernel_id: str) -> None:
        self._requests.pop(kernel_id).answer.cancel()


async def _ask(manager: Any, code: str, expressions: Mapping[str, str]) -> Told:
    """What the kernel answers, however long that takes: a cell may have come first."""
    theirs = manager.session
    # A session of our own: its id is the address that replies go to, and the manager's may be in
    # use by somebody who waits for one.
    own = Session(config=theirs.config, key=theirs.key, signature_scheme=theirs.signature_scheme)
    client = manager.client(session=own)
    client.start_channels(iopub=False, stdin=False, hb=False, control=False)
    try:
        asked = client.execute(
            code,
            silent=True,
            store_history=False,
            user_expressions=dict(expressions),
            allow_stdin=False,
            stop_on_error=False,
        )
        while True:
            reply = await client.get_shell_msg()
            if reply["parent_header"].get("msg_id") == asked:
                return _understood(reply["content"], expressions)
    finally:
        # Not stop_channels(): it would open the other channels, to close them.
        client.shell_channel.stop()
        client.context.destroy(linger=0)


def _understood(content: Mapping[str, Any], expressions: Mapping[str, str]) -> Told:
    """What the reply to the request means."""
    if content["status"] == "aborted":
        return _BUSY  # A cell before it has failed, which takes what waits along.
    if content["status"] != "ok":
        return Told(Applied.RESTART, f"It answers {content.get('ename') or content['status']}.")
    if not expressions:
        return Told(Applied.LIVE)
    said = content.get("user_expressions", {}).get(_EXPRESSION, {})
    text = str(said.get("data", {}).get("text/plain", ""))
    if languages.LIVE in text:
        return Told(Applied.LIVE)
    if languages.RESTART in text:
        return _USED
    return Told(Applied.RESTART, f"It answers {said.get('ename') or 'nothing'}.")
