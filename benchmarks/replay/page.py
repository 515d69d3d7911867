"""Puts what a replay has found into ``docs/replay.md``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..measure import percentile
from ..report import number
from .compare import NATIVE_QUANTUM, OURS, POLICIES, ROUNDED, Comparison, Group, kinds
from .trace import thin

BEGIN, END = "<!-- replay: begin -->", "<!-- replay: end -->"
HEAD = (
    "policy",
    "mean wait, min",
    "p95 wait, min",
    "p99 wait, min",
    "mean wait of tasks with several GPUs, h",
    "started at once",
    "devices in use",
    "idle while somebody waits",
    "of it, fits nobody",
    "fragments for the trace's mix",
)


def write(page: Path, found: Comparison, circumstances: str) -> None:
    """Put the tables between the marks of ``page``."""
    body = "\n".join([BEGIN, "", circumstances, "", *_tables(found), END])
    new, count = re.subn(f"{BEGIN}.*?{END}", lambda _: body, page.read_text(), flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{page} has no place for the tables: {BEGIN} … {END}")
    page.write_text(new)


def _tables(found: Comparison) -> Iterator[str]:
    trace = found.trace
    begin, end = trace.window
    cycle = [1e3 * seconds for seconds in found.cycles]
    yield (
        f"{len(trace.tasks):,} tasks are replayed; {trace.without_gpu:,} without a GPU and "
        f"{trace.never_ran:,} that never ran are left out. Averages over time are taken over the "
        f"{(end - begin) / 86400:.1f} days in which 99 % of the tasks arrive; in them the tasks "
        f"would use {trace.demand:.1f} devices on average, if each began on arrival. One cycle of "
        f"the rules took {percentile(cycle, 50):.2g} ms (median; p99 {percentile(cycle, 99):.2g} "
        f"ms) on the small clusters."
    )
    yield ""
    for count in found.counts:
        yield from _clusters(found, count)
    if len(found.counts) > 1:
        yield "### All of these together"
        yield ""
        yield from _table({name: found.group(name) for name in POLICIES})
    if found.native:
        yield f"### All {len(trace.nodes):,} nodes"
        yield ""
        yield (
            f"Decided once in {NATIVE_QUANTUM} s: what is waited here is the time to the next "
            f"decision, and nothing else."
        )
        yield ""
        yield from _table({name: Group((run,)) for name, run in found.native.items()})


def _clusters(found: Comparison, count: int) -> Iterator[str]:
    groups = {name: found.group(name, count) for name in POLICIES}
    devices = [run.devices for run in groups[OURS].runs]
    loads = [found.trace.demand / each for each in devices]
    yield f"### {count} nodes: {_range(devices, '{:.0f}')} devices, load {_range(loads, '{:.0%}')}"
    yield ""
    for nodes, draw in found.tight:
        if nodes == count:
            yield f"- draw {draw}: {', '.join(kinds(thin(found.trace.nodes, count, draw)))}"
    yield ""
    yield from _table(groups)


def _range(values: list[int] | list[float], form: str) -> str:
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


def _table(groups: dict[str, Group]) -> Iterator[str]:
    yield f"| {' | '.join(HEAD)} |"
    yield f"| --- |{' ---: |' * (len(HEAD) - 1)}"
    for name, group in groups.items():
        cells = (
            f"**{name}**" if name in (OURS, ROUNDED) else name,
            number(group.mean_wait / 60),
            number(group.wait(95) / 60),
            number(group.wait(99) / 60),
            number(group.large_wait / 3600),
            f"{group.at_once:.1%}",
            *(f"{group.part(each):.1%}" for each in ("in_use", "idle", "unfit", "fragments")),
        )
        yield f"| {' | '.join(cells)} |"
    yield ""
