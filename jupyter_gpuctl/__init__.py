"""jupyter-gpuctl: see, share and hold GPUs from inside JupyterLab.

Nothing heavy is imported here: a Jupyter server loads this package at start-up.
"""

from __future__ import annotations

from typing import Any

from .core.version import __version__ as __version__


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where JupyterLab finds the prebuilt plugin, for development installs."""
    return [{"src": "labextension", "dest": "jupyter-gpuctl"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """The server extension of this package."""
    from .extension import GpuCtlApp

    return [{"module": "jupyter_gpuctl", "app": GpuCtlApp}]
