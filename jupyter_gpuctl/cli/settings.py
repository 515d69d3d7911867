"""The configuration of a Jupyter server, read without starting one."""

from __future__ import annotations

from jupyter_core.application import JupyterApp

from ..config import GpuCtl, load_config
from ..core.errors import InvalidConfig


class _ServerConfigReader(JupyterApp):
    """Reads the files that ``jupyter server`` reads, from the same folders."""

    name = "jupyter-server"

    def _config_file_name_default(self) -> str:
        return "jupyter_server_config"


def read_settings(**given: str | None) -> GpuCtl:
    """The settings of this user's Jupyter server, under those ``given`` on the command line.

    Raises:
        InvalidConfig: a file that can't be read, an unknown trait, or a value that can't be.
    """
    reader = _ServerConfigReader(raise_config_file_errors=True)
    try:
        reader.load_config_file(suppress_errors=False)
    except Exception as error:
        raise InvalidConfig(
            "config.invalid",
            f"jupyter_server_config can't be read: {error}",
            hint=f"It is looked for in: {', '.join(reader.config_file_paths)}.",
        ) from error
    for name, value in given.items():
        if value is not None:
            reader.config.GpuCtl[name] = value
    return load_config(reader.config)
