"""What a machine can check of the house: style, types, import order, one door for each library."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_gpuctl import __version__

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "jupyter_gpuctl"
LAB = ROOT / "labextension"

CHECKS = {
    "ruff finds nothing": (["ruff", "check", "."], ROOT),
    "the code is formatted": (["ruff", "format", "--check", "."], ROOT),
    "types hold": (["mypy"], ROOT),
    "imports run one way": (["lint-imports"], ROOT),
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_tools_are_content(name):
    command, folder = CHECKS[name]
    tool = shutil.which(command[0], path=str(Path(sys.executable).parent)) or command[0]
    done = subprocess.run(
        [tool, *command[1:]], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


# Libraries with effects: who imports them is the only one who has to know them.
MIGRATIONS = {
    f"store/migrations/versions/{path.name}"
    for path in (PACKAGE / "store" / "migrations" / "versions").glob("v*.py")
}
DOORS = {
    "pynvml": {"gpus/nvml.py"},
    "psutil": {"host/machine.py"},
    "pydantic": {"api/openapi.py"},
    "prometheus_client": {"gpus/prometheus.py"},
    "nbconvert": {"validation/engine.py"},
    "nbclient": {"validation/engine.py"},
    "jupyter_client": {
        *(f"validation/{name}.py" for name in ("kernel_manager", "kernels")),
        *(f"kernels/{name}.py" for name in ("live", "provisioner")),
    },
    "nbformat": {"validation/notebooks.py"},
    "docker": {"engines/docker.py"},
    "jinja2": {"validation/reports/html.py"},
    "pathspec": {"validation/paths.py"},
    "sqlalchemy": {
        *(f"store/{name}.py" for name in ("check", "engine", "leases", "migrate", "reader")),
        *(f"store/{name}.py" for name in ("schema", "transaction", "troubles")),
        *MIGRATIONS,
    },
    "alembic": {"store/migrate.py", "store/migrations/env.py", *MIGRATIONS},
    # Quotas are read as YAML 1.2, marks of otter as otter reads them.
    "yaml": {"leases/quotas/file.py", "validation/versions/otter.py"},
}


def imports_of(path: Path) -> set[str]:
    """The top-level packages that a file imports, at any depth of the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("library", DOORS)
def test_each_library_has_one_door(library):
    importers = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if library in imports_of(path)
    }
    assert importers == DOORS[library]


def test_rules_touch_nothing_outside():
    """``model.py`` is pure: no I/O, no clock, no Jupyter, no HTTP."""
    impure = {"os", "time", "pathlib", "subprocess", "socket", "threading", "asyncio", "tornado"}
    for path in PACKAGE.rglob("model.py"):
        assert not imports_of(path) & (impure | set(DOORS)), path


def test_one_version_everywhere():
    assert json.loads((LAB / "package.json").read_text())["version"] == __version__
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_constraints_hold_no_download_addresses():
    constraints = (ROOT / "tests" / "constraints.txt").read_text()
    assert "://" not in constraints
    assert " @ " not in constraints


def test_start_up_loads_no_heavy_library():
    """What a Jupyter server pays for the extension: none of these, until they are needed."""
    heavy = ["pydantic", "pynvml", "psutil", "nbconvert", "rich", "click", "sqlalchemy", "docker"]
    code = (
        "import sys, jupyter_server.serverapp\n"
        "before = set(sys.modules)\n"
        "import jupyter_gpuctl.extension\n"
        "jupyter_gpuctl._jupyter_server_extension_points()\n"
        f"print([name for name in {heavy} if name in sys.modules and name not in before])"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT)
    assert printed.strip() == "[]"
