"""How this server starts kernels: as ever, with the GPUs of their leases and within their limits.

Nothing of a kernelspec is copied or changed: kernelspecs that name no provisioner get this one
(``make_default``). Beside ``cells`` and ``live`` the only user of ``jupyter_client``.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from typing import Any, cast

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from .ports import Broker, Launch

NAME = "gpuctl-provisioner"
SETTING = "gpuctl_broker"
"""Where a ``ServerApp``'s web application keeps its :class:`.ports.Broker`."""
PATIENCE = 8.0
"""Seconds that a start of a kernel waits for the broker at most."""
_LOCAL = "local-provisioner"
_ENTER = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 > "$1"; shift; n=$((n-1)); done; exec "$@"'
"""A process that puts itself into a control group has its children there from the first on. Forked
by a shell, not by us: a server has threads, and may run no code of its own between fork and exec.
"""


class GpuCtlProvisioner(LocalProvisioner):
    """Asks this server's broker before each start and restart. Where there is none, where it is
    away or fails, the kernel starts as it would without us.
    """

    _asked = False
    _told = True
    _exit: int | None = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Set variables, and enter the control group. The arguments of the start, changed."""
        kwargs = await super().pre_launch(**kwargs)
        launch = await self._launch(kwargs)
        if launch is not None:
            kwargs["env"].update(launch.env)
            kwargs["cmd"] = _command(kwargs["cmd"], launch, kwargs["env"])
        return kwargs

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start it, and tell the broker."""
        info = await super().launch_kernel(cmd, **kwargs)
        broker = self._broker()
        if broker is not None and self.pid is not None:
            self._asked = self._told = False
            self._tell(broker.launched, self.kernel_id, self.pid, manager=self.parent)
            self._watch(self.pid)
        return info

    async def poll(self) -> int | None:
        """``None`` while it runs."""
        process = self.process
        code = await super().poll()
        if process is not None and code is not None:
            self._end(code)
        return code

    async def shutdown_requested(self, restart: bool = False) -> None:
        """It was told to end, over its own channel."""
        self._asked = True
        await super().shutdown_requested(restart=restart)

    async def terminate(self, restart: bool = False) -> None:
        """SIGTERM."""
        self._asked = True
        await super().terminate(restart=restart)

    async def kill(self, restart: bool = False) -> None:
        """SIGKILL."""
        self._asked = True
        await super().kill(restart=restart)

    async def cleanup(self, restart: bool = False) -> None:
        """It is gone, for good unless ``restart``."""
        await super().cleanup(restart=restart)
        if not self._told:
            self._end(None if self.process is None else self.process.poll())
        broker = self._broker()
        if broker is None or restart:
            return
        try:
            await asyncio.wait_for(broker.gone(self.kernel_id), PATIENCE)
        except Exception as error:
            self._complain("could not be told that it is gone", error)

    # --- the broker ---------------------------------------------------------------------------

    def _broker(self) -> Broker | None:
        for above in _parents(self):
            settings = getattr(getattr(above, "web_app", None), "settings", None)
            if settings is not None:
                return cast("Broker | None", settings.get(SETTING))
        return None

    async def _launch(self, kwargs: dict[str, Any]) -> Launch | None:
        broker = self._broker()
        if broker is None:
            return None
        try:
            asked = broker.before_launch(
                self.kernel_id, dict(kwargs["env"]), command=tuple(kwargs["cmd"])
            )
            return await asyncio.wait_for(asked, PATIENCE)
        except Exception as error:
            self._complain("starts as it would without gpuctl", error)
            return None

    def _tell(self, tell: Any, *args: Any, **options: Any) -> None:
        try:
            tell(*args, **options)
        except Exception as error:
            self._complain("is not followed", error)

    def _end(self, code: int | None) -> None:
        if self._told:
            return
        self._told = True
        broker = self._broker()
        if broker is not None:
            self._tell(broker.ended, self.kernel_id, code, asked=self._asked)

    def _watch(self, pid: int) -> None:
        """Hear of its end at once: Jupyter itself looks every three seconds."""
        loop = asyncio.get_running_loop()
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return

        def ended() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            process = self.process
            if process is not None and process.pid == pid and process.poll() is not None:
                self._end(process.returncode)

        try:
            loop.add_reader(descriptor, ended)
        except NotImplementedError:
            os.close(descriptor)

    def _complain(self, what: str, error: Exception) -> None:
        said = str(error) or type(error).__name__
        self.log.warning("gpuctl: the kernel %s %s: %s", self.kernel_id, what, said)


def make_default(kernel_manager: Any) -> bool:
    """Let kernelspecs that name no provisioner be started by ours; whether they are.

    Not where somebody has chosen another (in the configuration or by the environment variable
    ``JUPYTER_DEFAULT_PROVISIONER_NAME``), and not where a gateway starts the kernels.
    """
    if on_gateway(kernel_manager):
        return False
    if os.environ.get(KernelProvisionerFactory.default_provisioner_name_env):
        return False
    configured = kernel_manager.config.get("KernelProvisionerFactory", {})
    if configured.get("default_provisioner_name"):
        return False
    factory = KernelProvisionerFactory.instance(parent=kernel_manager)
    if factory.default_provisioner_name not in (_LOCAL, NAME):
        return False
    if NAME not in factory.get_provisioner_entries():
        return False  # Not installed, only found on the path: no kernel would start.
    factory.default_provisioner_name = NAME
    return True


def on_gateway(kernel_manager: Any) -> bool:
    """Whether the kernels of this server run elsewhere, behind a gateway."""
    kinds = type(kernel_manager).__mro__
    return any(kind.__module__.startswith("jupyter_server.gateway") for kind in kinds)


def _parents(provisioner: Any) -> Iterator[Any]:
    above = provisioner.parent
    while above is not None:
        yield above
        above = getattr(above, "parent", None)


def _command(command: list[str], launch: Launch, env: dict[str, str]) -> list[str]:
    if not (launch.prefix or launch.entrances):
        return command
    if command and shutil.which(os.path.expanduser(command[0]), path=env.get("PATH")) is None:
        return command  # The error names the kernel's own program, not a shell.
    command = [*launch.prefix, *command]
    if launch.entrances:
        count = str(len(launch.entrances))
        command = ["/bin/sh", "-c", _ENTER, "gpuctl", count, *launch.entrances, *command]
    return command
