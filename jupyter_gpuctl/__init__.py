"""jupyter-gpuctl: see, share and hold GPUs from inside JupyterLab.

Nothing heavy is imported here: a Jupyter server loads this package at start-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

__version__ = "0.1.0"


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where JupyterLab finds the prebuilt plugin, for development installs."""
    return [{"src": "labextension", "dest": "jupyter-gpuctl"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """The server extension of this package."""
    return [{"module": "jupyter_gpuctl"}]


def _load_jupyter_server_extension(serverapp: ServerApp) -> None:
    """Join the parts and add the routes (called by Jupyter Server)."""
    from .extension import load

    load(serverapp)
