"""``jupyter gpuctl doctor``: what works here and what doesn't, each with its mend."""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import click

from ..api.checks import Check, CheckStatus
from ..core.encoding import to_json
from ..core.errors import GpuCtlError
from ..core.quantities import format_bytes
from ..core.version import __version__
from .doctor_leases import examine_quotas, examine_store
from .servers import running_servers
from .settings import read_settings

_MARKS = {
    CheckStatus.OK: ("✓", "green"),
    CheckStatus.WARNING: ("!", "yellow"),
    CheckStatus.ERROR: ("✗", "red"),
    CheckStatus.OFF: ("-", None),
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: name, status, message, hint.")
def doctor(as_json: bool) -> int:
    """Check what works here and what doesn't, each with its mend.

    Nothing is changed. Exit status 1 where something is broken.
    """
    found = [(name, check) for examine in _EXAMINATIONS for name, check in _safely(examine)]
    if as_json:
        click.echo(json.dumps([{"name": n, **to_json(check)} for n, check in found], indent=2))
    else:
        _print(found)
    return 1 if any(check.status is CheckStatus.ERROR for _, check in found) else 0


def _print(found: list[tuple[str, Check]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    for name, check in found:
        mark, colour = _MARKS[check.status]
        table.add_row(Text(mark, colour or ""), name, Text(check.message))
        if check.hint:
            table.add_row("", "", Text(check.hint, "dim"))
    Console(highlight=False).print(table)


def _safely(examine: Callable[[], Iterator[tuple[str, Check]]]) -> list[tuple[str, Check]]:
    try:
        return list(examine())
    except GpuCtlError as error:
        name = examine.__name__.removeprefix("examine").removeprefix("_")
        return [(name, Check(CheckStatus.ERROR, error.message, error.hint))]


def _versions() -> Iterator[tuple[str, Check]]:
    packages = ["jupyter_server", "jupyterlab", "notebook", "nbconvert", "nvidia-ml-py"]
    installed = []
    for package in packages:
        try:
            installed.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    text = f"jupyter-gpuctl {__version__}, Python {platform.python_version()}"
    yield "versions", Check(CheckStatus.OK, f"{text}, {', '.join(installed)}")


def _settings() -> Iterator[tuple[str, Check]]:
    read_settings()
    yield "settings", Check(CheckStatus.OK, "The configuration can be read.")


def _driver() -> Iterator[tuple[str, Check]]:
    from ..composition import sampler
    from ..gpus.model import DeviceStatus, DriverStatus

    source = sampler(read_settings(), log=logging.getLogger("gpuctl"))
    found = source.sample(())
    source.close()
    driver, devices = found.driver, found.devices
    if driver.status in (DriverStatus.MISSING, DriverStatus.SIMULATED):
        yield "driver", Check(CheckStatus.WARNING, driver.message, driver.hint)
    elif driver.status is DriverStatus.OK:
        text = f"{driver.version or 'version unknown'}, CUDA {driver.cuda_version or 'unknown'}"
        yield "driver", Check(CheckStatus.OK, f"{text}, {len(devices)} devices")
    else:
        yield "driver", Check(CheckStatus.ERROR, driver.message, driver.hint)
    for device, reading in zip(devices, found.sample.devices, strict=True):
        if reading.status is not DeviceStatus.OK:
            message = f"{device.name} ({device.uuid}) is {reading.status}: {reading.problem}"
            yield "driver", Check(CheckStatus.ERROR, message)
    home = found.sample.host.home
    if home is None:
        yield "home", Check(CheckStatus.WARNING, "The disk of the home does not answer.")
    for notice in found.notices:
        yield "home", Check(CheckStatus.WARNING, notice.message, notice.hint)
    if home is not None and not found.notices:
        yield "home", Check(CheckStatus.OK, f"{format_bytes(home.free)} free ({home.path})")


def _attribution() -> Iterator[tuple[str, Check]]:
    from ..host.procfs import ProcFs

    if not Path("/proc/self/stat").exists():
        yield (
            "processes",
            Check(
                CheckStatus.WARNING,
                "There is no /proc here: processes can't be attributed to notebooks.",
                "Attribution works on Linux.",
            ),
        )
    elif ProcFs().confined:
        yield (
            "processes",
            Check(
                CheckStatus.WARNING,
                "This is a container with pids of its own: processes outside it have no owner.",
                "Start the container with the host's pid namespace to see them all.",
            ),
        )
    else:
        yield "processes", Check(CheckStatus.OK, "Processes can be attributed to notebooks.")


def _extensions() -> Iterator[tuple[str, Check]]:
    from jupyter_core.paths import jupyter_config_path, jupyter_path
    from jupyter_server.extension.config import ExtensionConfigManager

    manager = ExtensionConfigManager(read_config_path=jupyter_config_path())
    enabled = manager.get_jpserver_extensions()  # type: ignore[no-untyped-call]
    if enabled.get("jupyter_gpuctl"):
        yield "server", Check(CheckStatus.OK, "The server extension is enabled.")
    else:
        yield (
            "server",
            Check(
                CheckStatus.ERROR,
                "The server extension is not enabled.",
                "Run: jupyter server extension enable jupyter_gpuctl",
            ),
        )
    places = [
        Path(path, "jupyter-gpuctl", "package.json") for path in jupyter_path("labextensions")
    ]
    if any(place.exists() for place in places):
        yield "lab plugin", Check(CheckStatus.OK, "The Lab plugin is installed.")
    else:
        yield (
            "lab plugin",
            Check(
                CheckStatus.ERROR,
                f"The Lab plugin is not where JupyterLab of {sys.prefix} looks.",
                "Install jupyter-gpuctl into the environment that JupyterLab runs in.",
            ),
        )


def _servers() -> Iterator[tuple[str, Check]]:
    count = 0
    for server in running_servers():
        count += 1
        try:
            health = server.get("health")
        except (OSError, ValueError) as error:
            yield (
                "running",
                Check(
                    CheckStatus.WARNING,
                    f"{server.url} doesn't answer for gpuctl: {error}",
                    "If it was started before jupyter-gpuctl was installed, start it again.",
                ),
            )
            continue
        if health.get("version") == __version__:
            yield "running", Check(CheckStatus.OK, f"{server.url} answers.")
        else:
            yield (
                "running",
                Check(
                    CheckStatus.WARNING,
                    f"{server.url} runs jupyter-gpuctl {health.get('version')}, not {__version__}.",
                    "Start it again.",
                ),
            )
    if not count:
        yield "running", Check(CheckStatus.OFF, "You run no Jupyter server now.")


def _limits() -> Iterator[tuple[str, Check]]:
    from ..host.cgroups import Cgroups

    limits = Cgroups().limits()
    if limits is None or limits.memory_limit is None:
        yield "limits", Check(CheckStatus.OFF, "This control group has no memory limit.")
    else:
        text = (
            f"cgroup v{limits.version}: {format_bytes(limits.memory_used)} of "
            f"{format_bytes(limits.memory_limit)} used"
        )
        yield "limits", Check(CheckStatus.OK, text)
    if os.geteuid() == 0:
        yield (
            "user",
            Check(CheckStatus.WARNING, "You are root.", "Run Jupyter as a user of its own."),
        )


_EXAMINATIONS = (
    _versions,
    _settings,
    _driver,
    _attribution,
    _limits,
    examine_quotas,
    examine_store,
    _extensions,
    _servers,
)
