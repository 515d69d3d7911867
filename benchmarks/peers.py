"""The peers, in a virtual environment of their own: they never touch the project's."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".bench"
PACKAGES = ("gpustat", "nvitop", "jupyterlab-nvdashboard", "jupyterlab>=4.4,<5")


@dataclass(frozen=True, slots=True)
class Peers:
    """Where the peers are installed, and in which versions."""

    python: Path
    versions: dict[str, str]

    @property
    def prefix(self) -> Path:
        return self.python.parents[1]


def install() -> Peers:
    """Make the environment where it is missing; ask the registry only then."""
    python = FOLDER / "venv/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", FOLDER / "venv"], check=True)
    if not _versions(python):
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, *PACKAGES], check=True)
    return Peers(python, _versions(python))


def _versions(python: Path) -> dict[str, str]:
    """Empty where one of them is missing."""
    names = ["gpustat", "nvitop", "jupyterlab-nvdashboard", "jupyterlab", "nvidia-ml-py"]
    code = f"from importlib.metadata import version\nfor n in {names}: print(n, version(n))"
    result = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    if result.returncode:
        return {}
    return dict(line.split() for line in result.stdout.splitlines())
