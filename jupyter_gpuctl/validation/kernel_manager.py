"""Starts kernels for the engine, and waits for them no longer than they take.

A kernel is started as jupyter_client does it; or, where a process to become one waits (``Seed``),
by telling that. Besides the engine, the only importer of jupyter_client.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Empty
from typing import Any

import zmq
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.kernelspec import (
    NATIVE_KERNEL_NAME,
    KernelSpec,
    KernelSpecManager,
    NoSuchKernel,
)
from jupyter_client.localinterfaces import localhost
from jupyter_client.manager import AsyncKernelManager

from ..core.errors import InvalidInput
from .containers.model import command_of
from .events import KernelWanted

_CONNECT_EVERY = 10
"""Milliseconds."""
_LOOK_EVERY = 0.1
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Seed:
    """A process that waits to become a kernel. It is not our child."""

    pid: int
    word: int
    """The pipe on which it waits."""
    entrances: tuple[str, ...]
    """Files by which it enters its control group, before anything else."""

    def become(self, command: list[str], environment: dict[str, str], folder: str) -> int:
        """Tell it what to run: ``command`` as jupyter_client would start it. Its pid.

        Raises:
            OSError: it is gone.
        """
        wanted = {
            "entrances": self.entrances,
            "environment": environment,
            "folder": folder,
            "command": command,
        }
        with open(self.word, "wb") as file:
            file.write(json.dumps(wanted).encode())
        return self.pid


@dataclass(frozen=True, slots=True)
class Contained:
    """A kernel that is to be started in a container, which the worker does."""

    kernel: Mapping[str, Any]
    """What the image has of it."""
    link: str
    """The folder that both sides have, for its connection file and sockets."""
    ask: Callable[[KernelWanted], Mapping[str, Any]]
    """The worker's answer: the ``pid`` of the container's first process, or the ``error``."""

    def prepare(self, manager: KernelManager) -> None:
        """Before the kernel is started: what is installed here doesn't matter."""
        manager.transport, manager.ip = "ipc", f"{self.link}/kernel"
        manager.connection_file = f"{self.link}/kernel.json"
        spec = KernelSpec(
            argv=list(self.kernel["argv"]),
            name=manager.kernel_name,
            language=str(self.kernel.get("language") or ""),
            interrupt_mode=str(self.kernel.get("interrupt_mode") or "signal"),
        )
        manager._kernel_spec = spec
        manager.seed = self

    def become(self, command: list[str], environment: dict[str, str], folder: str) -> int:
        """As :meth:`Seed.become`. Nothing of this machine's ``environment`` is for the container.

        A signal to that process reaches the kernel and its process group.

        Raises:
            InvalidInput: it can't be started.
        """
        own = {
            # Its user has no home there, and the root is read-only.
            "HOME": "/tmp",  # noqa: S108
            "TINI_KILL_PROCESS_GROUP": "1",
            "NVIDIA_VISIBLE_DEVICES": "void",
        }
        named = {str(name): str(value) for name, value in (self.kernel.get("env") or {}).items()}
        answer = self.ask(KernelWanted(tuple(command), {**named, **own}, folder))
        if answer.get("error"):
            raise InvalidInput(
                "validation.container",
                f"its kernel can't be started: {answer['error']}",
                hint="See what `docker info` and the image say.",
            )
        return int(answer["pid"])


class ForkedProcess:
    """As much of a ``subprocess.Popen`` as jupyter_client asks for, of a process not our child.

    With what status it ended is its parent's to know: the worker puts that into the events.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor: int | None = None
        if pid > 0:
            with contextlib.suppress(ProcessLookupError):
                self._descriptor = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """``None`` while it lives."""
        return None if self._descriptor is not None and not self._wait(0) else 0

    def wait(self, timeout: float | None = None) -> int:
        """Until it has ended."""
        self._wait(timeout)
        return 0

    def _wait(self, timeout: float | None) -> bool:
        if self._descriptor is None:
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))

    def send_signal(self, number: int) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class KernelManager(AsyncKernelManager):
    """jupyter_client's manager; ``seed`` is set before the kernel is started."""

    seed: Seed | Contained | None = None

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        """Its command; jupyter_client would put our Python in the place of an image's."""
        if isinstance(self.seed, Contained):
            return command_of(self.seed.kernel, self.connection_file) + (extra_arguments or [])
        return super().format_kernel_cmd(extra_arguments)

    def try_often(self) -> None:
        """Connect again soon where the kernel's sockets aren't there yet; zmq waits 100 ms."""
        self.context.setsockopt(zmq.RECONNECT_IVL, _CONNECT_EVERY)

    def client(self, **named: Any) -> Any:
        """As jupyter_client's; connects again soon, too. Its context is another than ours, but not
        where nothing is taken apart at the end.
        """
        if isinstance(self.seed, Seed):
            named.setdefault("context", self.context)
        found: Any = super().client(**named)
        found.context.setsockopt(zmq.RECONNECT_IVL, _CONNECT_EVERY)
        return found

    def avoid_ports(self) -> None:
        """Let kernels that are known to know them have sockets of names instead of ports.

        jupyter_client gives a kernel ports that were free a moment ago. When many kernels start at
        once, one of them may be taken until it binds it; ipykernel then hangs or dies. A random
        name in Linux's abstract namespace nobody else has, and its length doesn't depend on a path.
        """
        spec = self.kernel_spec
        if sys.platform == "linux" and spec is not None and "ipykernel_launcher" in spec.argv:
            self.transport, self.ip = "ipc", f"@jupyter-gpuctl-{uuid.uuid4().hex}"

    async def _async_launch_kernel(self, kernel_cmd: list[str], **kw: Any) -> None:
        if self.seed is None:
            await super()._async_launch_kernel(kernel_cmd, **kw)
            return
        provisioner: Any = self.provisioner
        pid = self.seed.become(
            kernel_cmd, kw.get("env") or dict(os.environ), kw.get("cwd") or os.getcwd()
        )
        provisioner.process = ForkedProcess(pid)
        # No process group: a signal is for the first process of a container alone.
        provisioner.pid, provisioner.pgid = pid, None if isinstance(self.seed, Contained) else pid
        provisioner.cwd = kw.get("cwd")
        self._reconcile_connection_info(provisioner.connection_info)

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        """Nothing where the kernel was forked: there this process was too, and ends without more,
        and the worker removes the files. It would wait 30 ms for sockets of a kernel that is gone.
        """
        if not isinstance(self.seed, Seed):
            await super()._async_cleanup_resources(restart)

    cleanup_resources = _async_cleanup_resources

    async def _async_wait(self, pollinterval: float = 0.1) -> None:
        """Until the process has ended; jupyter_client looks every 0.1 s, here its end wakes us."""
        process: Any = getattr(self.provisioner, "process", None)
        try:
            descriptor = os.pidfd_open(process.pid)
        except (AttributeError, TypeError, OSError):
            await super()._async_wait(pollinterval)
            return
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        await super()._async_wait(pollinterval)


class ShellChannel(AsyncZMQSocketChannel):
    """A channel on which one part may send while another waits for a message.

    zmq tells once that something has come. jupyter_client sends past asyncio, and a send that
    happens in that moment hears it instead of who waits, who then waits for ever: so looks again.
    nbclient sends when a widget shows what a cell prints, just before the cell's reply comes.
    """

    async def get_msg(  # type: ignore[override]
        self,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> dict[str, Any]:
        """Raises Empty: nothing came in ``timeout`` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _LOOK_EVERY if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                return await super().get_msg(timeout=min(left, _LOOK_EVERY))
            except Empty:
                if left < _LOOK_EVERY:
                    raise


async def wait_until_ready(client: Any, timeout: float) -> None:  # noqa: ASYNC109
    """As the client's ``wait_for_ready``, without its wait until nothing comes any more (0.2 s).

    What comes late answers to another request, and nbclient passes over that.

    Raises:
        RuntimeError: the kernel died, or did not answer in ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        client.kernel_info()
        try:
            reply = await client.shell_channel.get_msg(timeout=1)
            if reply["msg_type"] == "kernel_info_reply":
                await client.iopub_channel.get_msg(timeout=0.2)
                client._handle_kernel_info_reply(reply)
                return
        except Empty:
            pass
        if not await client.is_alive():
            raise RuntimeError("Kernel died before replying to kernel_info")
        if time.monotonic() > deadline:
            raise RuntimeError(f"Kernel didn't respond in {timeout:.0f} seconds")


def _really(name: str) -> str:
    """The kernel that jupyter_client starts under this name: old notebooks have ``python``."""
    return NATIVE_KERNEL_NAME if name == "python" else name


def require_kernel(name: str) -> None:
    """Raises InvalidInput: no kernel of this name is installed; the hint lists those that are."""
    specs = KernelSpecManager()
    try:
        specs.get_kernel_spec(_really(name))
    except NoSuchKernel:
        known = ", ".join(sorted(specs.find_kernel_specs())) or "none"
        raise InvalidInput(
            "validation.kernel",
            f"kernel {name!r} is not installed",
            hint=f"Install it, or give --kernel. Installed here: {known}.",
        ) from None


def specification(name: str) -> dict[str, Any]:
    """What is installed under this name, as far as forking asks; empty: nothing."""
    try:
        spec = KernelSpecManager().get_kernel_spec(_really(name))
    except (NoSuchKernel, ValueError, OSError):
        return {}
    return {"argv": spec.argv, "env": spec.env, "metadata": spec.metadata}


def get_ready() -> None:
    """Do in a warm process what each kernel manager would do once; it starts no thread."""
    KernelSpecManager().find_kernel_specs()
    # It looks at the network's interfaces.
    localhost()
