"""Runs notebooks by plain nbclient, as its own documentation does, and tells how it went.

``python nbclient_probe.py SECONDS FILE…``, with the Python of the course: it needs nbclient alone.
A line of JSON for each: verdict, name and message of the error, outputs by cell as they were when
the cell had run.
"""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError


def run(path: Path, seconds: int) -> dict[str, Any]:
    outputs: dict[int, Any] = {}
    told: dict[str, Any] = {"path": str(path), "outputs": outputs}

    def keep(cell: Any, cell_index: int, **_: Any) -> None:
        outputs[cell_index] = copy.deepcopy(cell.outputs)

    def said(verdict: str, name: str = "", value: str = "") -> dict[str, Any]:
        return told | {"verdict": verdict, "name": name, "value": value}

    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        client = NotebookClient(
            notebook,
            timeout=seconds,
            resources={"metadata": {"path": str(path.parent)}},
            on_cell_executed=keep,
        )
        client.execute()
    except CellExecutionError as error:
        return said("failed", str(error.ename), str(error.evalue))
    except CellTimeoutError as error:
        return said("timed-out", "CellTimeoutError", str(error))
    except DeadKernelError as error:
        return said("kernel-died", "DeadKernelError", str(error))
    except NoSuchKernel as error:
        return said("invalid", "NoSuchKernel", str(error))
    except Exception as error:
        return said("internal-error", type(error).__name__, str(error))
    return said("passed")


def main() -> None:
    for path in sys.argv[2:]:
        print(json.dumps(run(Path(path), int(sys.argv[1]))), flush=True)


if __name__ == "__main__":
    main()
