"""Whether NVIDIA's Multi-Process Service runs here, and which PyTorch a kernel has."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

_PIPES = "/tmp/nvidia-mps"  # noqa: S108  where the daemon puts its pipes, unless told otherwise
_PYTORCH = (2, 10)
"""From this version on PyTorch surely reads a fraction from its environment."""


def mps_runs(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a control daemon runs whose clients the kernels would be."""
    folder = Path(environ.get("CUDA_MPS_PIPE_DIRECTORY") or _PIPES)
    try:
        pid = int((folder / "nvidia-cuda-mps-control.pid").read_text())
    except (OSError, ValueError):
        return False
    return Path(f"/proc/{pid}").exists()


def pytorch_reads_fraction(argv: Sequence[str]) -> bool:
    """Whether the kernel with this command has a PyTorch that reads a fraction.

    Known only where the kernel runs the Python of this server; elsewhere ``False``.
    """
    if not argv or argv[0] != sys.executable:
        return False
    try:
        version = re.match(r"(\d+)\.(\d+)", metadata.version("torch"))
    except metadata.PackageNotFoundError:
        return False
    return version is not None and (int(version[1]), int(version[2])) >= _PYTORCH
