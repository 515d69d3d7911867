"""The Lab plugin: its types are the server's, its style holds, its own tests pass."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LABEXTENSION = ROOT / "labextension"


@pytest.fixture
def jlpm() -> str:
    if not (LABEXTENSION / "node_modules").exists():
        pytest.skip("labextension/node_modules is missing: run 'jlpm install' there")
    found = shutil.which("jlpm", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if found is None or shutil.which("node") is None:
        pytest.skip("jlpm or Node is not installed")
    return found


def run(*command: str) -> None:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
        "PYTHON": sys.executable,
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        command, cwd=LABEXTENSION, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


def test_the_typescript_types_are_those_of_the_openapi_document(jlpm: str, tmp_path: Path) -> None:
    fresh = tmp_path / "api.ts"
    run(jlpm, "generate", str(fresh))
    kept = LABEXTENSION / "src" / "api.ts"
    assert fresh.read_text() == kept.read_text(), (
        "labextension/src/api.ts is not what the Python types say: run 'make types'"
    )


def test_the_plugin_passes_its_linters(jlpm: str) -> None:
    run(jlpm, "lint:check")


def test_the_rules_of_the_plugin_hold(jlpm: str) -> None:
    run(jlpm, "test")


def test_the_lock_file_names_no_download_address() -> None:
    lock = (LABEXTENSION / "yarn.lock").read_text()
    assert "http://" not in lock
    assert "https://" not in lock
