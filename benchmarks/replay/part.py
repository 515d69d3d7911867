"""The replay as a part of the benchmarks: figures for the table, and the page of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .. import stage
from ..measure import load, machine
from ..report import Figure
from ..servers import Failed
from .compare import OURS, PEERS, SHOWN, Comparison, compare
from .page import write
from .picture import draw
from .trace import read

PAGE = stage.ROOT / "docs/replay.md"
PICTURE = stage.ROOT / "docs/images/replay.svg"
VARIABLE = "GPUCTL_TRACE"


def figures(
    folder: str | None, *, quick: bool, keep: bool, say: Callable[[str], None]
) -> Iterator[Figure]:
    """Waits and fragments beside each peer; ``keep`` also writes the page and the picture.

    Raises:
        Failed: there is no trace, or it can't be read.
    """
    if not folder:
        raise Failed(
            "there is no trace. Get Alibaba's cluster-trace-gpu-v2023 "
            "(github.com/alibaba/clusterdata) and give the folder of its openb_*.csv: "
            f"--trace FOLDER, or {VARIABLE}."
        )
    before = load()
    found = compare(read(Path(folder)), quick=quick, say=say)
    if keep:
        circumstances = (
            f"Replayed on {time.strftime('%-d %B %Y')} in {found.seconds / 60:.1f} min, "
            f"load before {before:.2f}, on {machine()}."
        )
        write(PAGE, found, circumstances)
        begin, end = found.trace.window
        shown = {name: found.shown[name] for name in (OURS, *PEERS)}
        devices = shown[OURS].devices
        subtitle = (
            f"The trace on {SHOWN[0]} nodes with {devices} devices; "
            f"mean load {found.trace.demand / devices:.0%}"
        )
        PICTURE.write_text(draw(shown, (end - begin) / 86400, subtitle))
        say(f"  written to {PAGE.relative_to(stage.ROOT)}.")
    yield from lines(found)


def lines(found: Comparison) -> Iterator[Figure]:
    """Ours beside each peer, all small clusters together."""
    ours = found.group(OURS)
    for peer in PEERS:
        theirs = found.group(peer)
        for what, unit, mine, other in (
            ("mean wait", "min", ours.mean_wait / 60, theirs.mean_wait / 60),
            ("p95 wait", "min", ours.wait(95) / 60, theirs.wait(95) / 60),
            ("idle while somebody waits", "%", *(100 * g.part("idle") for g in (ours, theirs))),
        ):
            yield Figure(
                f"replay of {len(ours.runs)} small clusters: {what}",
                *(unit, mine, peer, other, "ahead", mine < other),
            )
    if found.native:
        yield Figure(
            f"replay on all {len(found.trace.nodes):,} nodes, decided once a minute: mean wait",
            *("s", found.native[OURS].mean_wait),
            *("each of the three", max(found.native[peer].mean_wait for peer in PEERS)),
        )
