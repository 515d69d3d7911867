"""How much a browser loads: the Lab extension beside nvdashboard's."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

from . import stage
from .peers import Peers
from .report import Figure
from .servers import Failed

OURS = stage.ROOT / "jupyter_gpuctl/labextension/static"


def figures(peers: Peers) -> Iterator[Figure]:
    """All scripts and styles, as they are and compressed."""
    theirs = peers.prefix / "share/jupyter/labextensions/jupyterlab-nvdashboard/static"
    if not OURS.is_dir():
        raise Failed(f"The Lab extension is not built: {OURS} is missing.")
    if any(OURS.glob("*.map")):
        raise Failed("The Lab extension is a development build: run `jlpm build:prod` first.")
    beside = f"nvdashboard {peers.versions['jupyterlab-nvdashboard']}"
    for compressed, what in ((False, "Lab extension"), (True, "Lab extension, gzip")):
        ours, peer = _size(OURS, compressed) / 1000, _size(theirs, compressed) / 1000
        yield Figure(what, "kB", ours, beside, peer)


def _size(folder: Path, compressed: bool) -> int:
    bodies = [
        file.read_bytes() for file in sorted(folder.iterdir()) if file.suffix in (".js", ".css")
    ]
    return sum(len(gzip.compress(body, 9) if compressed else body) for body in bodies)
