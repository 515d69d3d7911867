"""The server extension: reads the settings, joins the parts, adds the routes, starts and stops."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.utils import url_path_join

from .api.base import GpuCtlHandler
from .api.checks import Check, CheckStatus
from .api.health import HealthHandler
from .api.routes import PREFIX, Route
from .config import GpuCtl, load_config
from .core.errors import GpuCtlError
from .routes import ROUTES, MisconfiguredHandler

if TYPE_CHECKING:
    from .gpus.jupyter import ServerKernels
    from .gpus.prometheus import GpuCollector
    from .gpus.service import Monitor
    from .kernels.wing import KernelWing
    from .leases.desk import LeaseDesk
    from .leases.runner import LeaseRunner
    from .leases.service import Authority
    from .validation.wing import ValidationWing


class GpuCtlApp(ExtensionApp):
    """jupyter-gpuctl in a Jupyter server. Configured by the traits of ``GpuCtl``."""

    name = "jupyter_gpuctl"
    load_other_extensions = True

    _monitor: Monitor | None = None
    _collector: GpuCollector | None = None
    _runner: LeaseRunner | None = None
    _kernels: KernelWing | None = None
    _validations: ValidationWing | None = None

    def initialize_handlers(self) -> None:
        """Join the parts and add every route; a broken configuration is told, not thrown."""
        assert self.serverapp is not None
        try:
            self._compose(load_config(self.serverapp.config))
        except GpuCtlError as error:
            self.log.error("gpuctl: %s", error)  # noqa: TRY400
            self._add_misconfigured(error)

    def _compose(self, settings: GpuCtl) -> None:
        # Imported here, so that an extension that is listed but not loaded costs nothing.
        from .composition import sampler
        from .core.clock import SystemClock
        from .gpus.handlers import GpusHandler
        from .gpus.jupyter import ServerKernels
        from .gpus.service import Monitor
        from .kernels.handlers import KernelHandler
        from .leases.handlers import LeaseHandler
        from .validation.handlers import ValidationHandler

        server = self.serverapp
        assert server is not None
        kernels = ServerKernels(server.kernel_manager, server.session_manager)
        self._monitor = monitor = Monitor(
            sampler(settings, log=self.log, local_pids=kernels.pids),
            kernels,
            clock=SystemClock(),
            interval=settings.sample_interval,
            log=self.log,
        )

        desk = self._lease_desk(settings, monitor)
        self._kernels = wing = self._kernel_wing(settings, monitor, kernels, desk)
        self._validations = validations = self._validation_wing(settings)

        def checks() -> Mapping[str, Check]:
            return {
                "config": Check(CheckStatus.OK),
                **monitor.checks(),
                **desk.checks(),
                **wing.checks(),
            }

        self._add(
            {
                GpusHandler: {"monitor": monitor},
                HealthHandler: {"checks": checks},
                LeaseHandler: {"desk": desk},
                KernelHandler: {"service": wing.service, "desk": desk},
                ValidationHandler: {"validations": validations},
            }
        )

    def _lease_desk(self, settings: GpuCtl, monitor: Monitor) -> LeaseDesk:
        from .composition import authority, database_exists
        from .host.identity import server_user
        from .leases.desk import LeaseDesk
        from .leases.runner import LeaseRunner

        def open_authority() -> Authority:
            from .leases.devices import SampledDevices

            devices = SampledDevices(lambda: monitor.newest)
            return authority(settings, devices, log=self.log, announce=runner.announce)

        desk = LeaseDesk(open_authority)
        self._runner = runner = LeaseRunner(
            desk,
            owner=server_user().name,
            exists=lambda: database_exists(settings),
            log=self.log,
        )
        return desk

    def _kernel_wing(
        self, settings: GpuCtl, monitor: Monitor, kernels: ServerKernels, desk: LeaseDesk
    ) -> KernelWing:
        from .composition import somebody_leases
        from .host.identity import server_user
        from .kernels.provisioner import SETTING, make_default
        from .kernels.wing import KernelWing

        server = self.serverapp
        assert server is not None
        wing = KernelWing(
            settings,
            desk,
            kernels,
            server.kernel_manager,
            newest=lambda: monitor.newest,
            exists=lambda: somebody_leases(settings),
            user=server_user(),
            log=self.log,
        )
        server.web_app.settings[SETTING] = wing.launches
        make_default(server.kernel_manager)
        return wing

    def _validation_wing(self, settings: GpuCtl) -> ValidationWing:
        from .validation.places import Places
        from .validation.wing import ValidationWing

        server = self.serverapp
        assert server is not None

        def places() -> Places:
            from jupyter_server.services.contents.filemanager import FileContentsManager

            contents = server.contents_manager
            local = isinstance(contents, FileContentsManager)
            return Places(contents.root_dir if local else None, hidden=contents.allow_hidden)

        return ValidationWing(settings.max_validations, places, log=self.log)

    def _add_misconfigured(self, error: GpuCtlError) -> None:
        check = Check(CheckStatus.ERROR, error.message, error.hint)
        for route in ROUTES:
            if route.handler is HealthHandler:
                self._route(route, HealthHandler, {"checks": lambda: {"config": check}})
            else:
                self._route(route, MisconfiguredHandler, {"error": error})

    def _add(self, parts: Mapping[type, dict[str, Any]]) -> None:
        for route in ROUTES:
            given = next((parts[kind] for kind in route.handler.__mro__ if kind in parts), {})
            self._route(route, route.handler, given)

    def _route(self, route: Route, handler: type[GpuCtlHandler], parts: dict[str, Any]) -> None:
        self.handlers.append((url_path_join("/", PREFIX, route.pattern), handler, parts))

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Begin to sample, once the event loop runs."""
        if self._monitor is not None:
            from .gpus.prometheus import GpuCollector

            # A full pass of Python's garbage collector looks at all that a server has loaded, for
            # about 100 ms in which nobody is answered. What is loaded by now stays: it need not.
            gc.freeze()
            self._monitor.start()
            self._collector = GpuCollector(self._monitor)
            self._collector.register()
        if self._runner is not None:
            from .leases.events import LeaseEvents

            self._runner.start(LeaseEvents(serverapp.event_logger, self._runner.owner))
        if self._kernels is not None:
            self._kernels.start(serverapp.event_logger)

    async def stop_extension(self) -> None:
        """Stop validations and sampling, give the driver back, close the store."""
        if self._validations is not None:
            await self._validations.stop()
            self._validations = None
        if self._kernels is not None:
            await self._kernels.stop()
            self._kernels = None
        if self._runner is not None:
            await self._runner.stop()
            self._runner = None
        if self._collector is not None:
            self._collector.unregister()
            self._collector = None
        if self._monitor is not None:
            await self._monitor.stop()
