"""Runs every benchmark in one go, prints the table, and writes it into docs/benchmarks.md.

``python -m benchmarks [--quick] [--only NAME]… [--without NAME]… [--no-write] [--trace FOLDER]``.
Exit status: 0 measured, whether or not targets were met (the table says which); 2 wrong usage; 3
something could not be measured.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from . import (
    bundle,
    cycle,
    guard,
    kernels,
    lag,
    lease_rest,
    nvdashboard,
    polling,
    sampling,
    stage,
    startup,
    validator,
)
from .measure import load, machine
from .peers import Peers, install
from .replay import part as replay
from .report import Figure, text, write
from .servers import Failed

PRIORITY = -15
"""Of everything that is measured, ours and the peers', on a machine that is not idle."""
PAGE = stage.ROOT / "docs/benchmarks.md"


def say(line: str) -> None:
    sys.stderr.write(line + "\n")


NAMES = (
    *("polling", "sampling", "startup", "bundle", "lag", "validator"),
    *("cycle", "leases", "guard", "kernels", "replay"),
)
ALONE = {"validator", "cycle", "leases", "guard", "kernels", "replay"}
"""Parts that need no peer of the others; the validator installs its own."""


def parts(
    peers: Peers, quick: bool, trace: str | None, keep: bool
) -> dict[str, Callable[[], Iterator[Figure]]]:
    """Each benchmark by name, in the order of the table."""
    seconds, rounds = (5.0, 3) if quick else (30.0, 9)
    beside = cache(lambda: nvdashboard.costs(peers, seconds))
    return {
        "polling": lambda: polling.figures(beside, seconds),
        "sampling": lambda: sampling.figures(peers, beside, seconds),
        "startup": lambda: startup.figures(peers, rounds),
        "bundle": lambda: bundle.figures(peers),
        "lag": lambda: lag.figures(12.0),
        "validator": lambda: validator.figures(1 if quick else 3),
        "cycle": lambda: cycle.figures(rounds),
        "leases": lambda: lease_rest.figures(3.0 if quick else 15.0),
        "guard": lambda: guard.figures(seconds),
        "kernels": lambda: kernels.figures(3 if quick else 30),
        "replay": lambda: replay.figures(trace, quick=quick, keep=keep, say=say),
    }


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument("--only", action="append", choices=NAMES, help="only these parts")
    arguments.add_argument(
        "--without", action="append", choices=NAMES, default=[], help="leave these parts out"
    )
    arguments.add_argument("--quick", action="store_true", help="short runs: to see that all works")
    arguments.add_argument(
        "--no-write", action="store_true", help="leave docs/benchmarks.md and docs/replay.md alone"
    )
    arguments.add_argument(
        "--trace",
        metavar="FOLDER",
        default=os.environ.get(replay.VARIABLE),
        help=f"the cluster trace that is replayed; also {replay.VARIABLE}",
    )
    given = arguments.parse_args()
    chosen = [name for name in NAMES if not given.only or name in given.only]
    chosen = [name for name in chosen if name not in given.without]
    left_out = "".join(f" Left out as asked for: {name}." for name in given.without)
    if "replay" in chosen and not (given.only or given.trace):
        chosen.remove("replay")
        left_out += " The replay is left out: no trace was given."
        say(f"replay is left out: no trace. Give its folder with --trace or {replay.VARIABLE}.")
    peers = Peers(Path(), {})
    if not ALONE.issuperset(chosen):
        say("Setting up the peers in .bench/venv …")
        peers = install()
    before, began = load(), time.monotonic()
    if before > 0.5:
        say(f"The machine is not idle (load {before:.2f}): the figures will be too high.")
        try:
            os.nice(PRIORITY)
        except PermissionError:
            say("Only root may give the benchmarks priority over what else runs.")
    figures: list[Figure] = []
    failed = 0
    keep = not (given.quick or given.no_write)
    all_parts = parts(peers, given.quick, given.trace, keep)
    for name in chosen:
        say(f"{name} …")
        try:
            figures.extend(all_parts[name]())
        except Failed as problem:
            failed += 1
            say(f"{name} could not be measured: {problem}")
    sys.stdout.write(text(figures) + "\n")
    if keep and not (given.only or failed):
        versions = ", ".join(f"{name} {version}" for name, version in peers.versions.items())
        took = (time.monotonic() - began) / 60
        circumstances = (
            f"Measured on {time.strftime('%-d %B %Y')} in {took:.0f} min, "
            f"load before {before:.2f}, nice {os.nice(0)}, on {machine()}. "
            f"Peers: {versions}.{left_out}"
        )
        write(PAGE, figures, circumstances)
        say(f"Written to {PAGE.relative_to(stage.ROOT)}.")
    return 3 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
