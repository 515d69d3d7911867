"""The built wheel in an empty environment, on a machine without Node."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from jupyter_gpuctl import __version__

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, from this checkout and the Lab plugin that is built in it."""
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            target,
            ROOT,
        ],
        check=True,
    )
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A fresh environment with the wheel and JupyterLab in it; no ``node`` on its path."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python, constraints = folder / "bin" / "python", ROOT / "tests" / "constraints.txt"
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "-c", constraints, wheel, "jupyterlab"], check=True
    )
    home = folder / "home"
    home.mkdir()
    return {"PATH": f"{folder}/bin", "HOME": str(home), "NO_COLOR": "1"}


def run(environment: dict[str, str], *command: str) -> str:
    program = Path(environment["PATH"], command[0])
    done = subprocess.run(
        [str(program), *command[1:]],
        env=environment,
        capture_output=True,
        text=True,
        cwd=environment["HOME"],
        check=False,
    )
    return done.stdout + done.stderr


def test_the_wheel_carries_both_extensions_and_nothing_of_the_workshop(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    data = f"jupyter_gpuctl-{__version__}.data/data/"
    assert f"{data}etc/jupyter/jupyter_server_config.d/jupyter_gpuctl.json" in names
    assert f"{data}share/jupyter/labextensions/jupyter-gpuctl/package.json" in names
    assert f"{data}share/jupyter/labextensions/jupyter-gpuctl/install.json" in names
    assert any("labextensions/jupyter-gpuctl/static/remoteEntry" in name for name in names)
    tops = {name.split("/")[0] for name in names}
    assert tops == {
        "jupyter_gpuctl",
        f"jupyter_gpuctl-{__version__}.data",
        f"jupyter_gpuctl-{__version__}.dist-info",
    }
    # Once, where JupyterLab looks; built for production, without sources or tests.
    assert not any(name.startswith("jupyter_gpuctl/labextension") for name in names)
    assert not [
        name for name in names if name.endswith((".map", ".ts", ".tsx")) or "/tests/" in name
    ]


def test_after_installing_both_extensions_are_enabled_without_node(environment):
    assert not Path(environment["PATH"], "node").exists()
    servers = plain(run(environment, "jupyter", "server", "extension", "list"))
    assert "jupyter_gpuctl enabled" in servers
    assert f"jupyter_gpuctl {__version__} OK" in servers
    labs = plain(run(environment, "jupyter", "labextension", "list"))
    assert f"jupyter-gpuctl v{__version__} enabled OK" in labs


def plain(text: str) -> str:
    """``text`` on one line and without colours."""
    return " ".join(re.sub(r"\x1b\[\d*m", "", text).split())


def test_the_command_works_there(environment):
    assert __version__ in run(environment, "jupyter", "gpuctl", "--version")
    told = run(environment, "jupyter", "gpuctl", "doctor")
    assert "The server extension is enabled." in told
    assert "The Lab plugin is installed." in told
    assert "Traceback" not in told
