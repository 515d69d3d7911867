"""``jupyter gpuctl status``: what the panel shows, in a terminal."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

import click

from ..core.clock import SystemClock
from ..core.encoding import to_json
from ..core.quantities import format_bytes
from ..host.identity import server_user
from . import status_findings, status_leases
from .servers import running_servers
from .settings import read_settings

AWAY_STATES = {"mismatch", "error", "unresponsive"}
GIB = 1024**3


@click.command()
@click.option("--watch", is_flag=True, help="Show it again and again, until Ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.2, max=3600),
    default=2.0,
    show_default=True,
    help="Seconds between two looks, with --watch.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="The answer of GET gpus, with that of GET leases as leases and the findings of "
    "GET kernels as findings; with --watch one a line.",
)
def status(watch: bool, interval: float, as_json: bool) -> int:
    """Show the GPUs of this machine, who uses and who holds them, and your kernels.

    Your running Jupyter server is asked, since it knows the notebooks; without one the driver is
    read directly. Exit status 3 where there is a driver that doesn't work.
    """
    source = _Source()
    try:
        if not watch:
            answer = source.read()
            _print_json(answer, indent=2) if as_json else _print_table(answer)
            return 3 if answer["driver"]["status"] in AWAY_STATES else 0
        if as_json:
            while True:
                _print_json(source.read())
                time.sleep(interval)
        return _watch(source, interval)
    finally:
        source.close()


class _Source:
    """Where answers come from: running servers, or else the driver itself."""

    def __init__(self) -> None:
        self._sampler: Any = None
        self._settings: Any = None

    def read(self) -> dict[str, Any]:
        answers, asked = [], []
        for server in running_servers():
            try:
                answer = server.get("gpus")
            except (OSError, ValueError):
                continue
            if answer.get("samples"):
                answers.append(answer)
                asked.append(server)
        if not answers:
            return self._read_driver()
        leases = status_leases.of_servers(asked)
        return merge_owners(answers) | {
            "leases": leases or status_leases.NONE,
            "findings": status_findings.of_servers(asked),
        }

    def close(self) -> None:
        if self._sampler is not None:
            self._sampler.close()

    def _read_driver(self) -> dict[str, Any]:
        from ..gpus.wire import GpusAnswer

        if self._sampler is None:
            from ..composition import sampler

            self._settings = read_settings()
            self._sampler = sampler(self._settings, log=logging.getLogger("gpuctl"))
            # The use of the processor is measured between two samples.
            self._sampler.sample(())
            time.sleep(0.25)
        found = self._sampler.sample(())
        answer: dict[str, Any] = to_json(
            GpusAnswer(
                seq=found.sample.seq,
                time=SystemClock().now(),
                interval=0,
                driver=found.driver,
                warnings=found.notices,
                devices=found.devices,
                samples=(found.sample,),
            )
        )
        answer["leases"] = status_leases.of_database(self._settings, lambda: found)
        answer["findings"] = []  # Only a server looks at several samples.
        return answer


def merge_owners(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """The first answer, with the notebooks and kernels that only the other servers know."""
    merged = answers[0]
    newest = merged["samples"][-1]
    owners = {}
    for answer in answers[1:]:
        sample = answer["samples"][-1]
        known = {kernel["kernel_id"] for kernel in newest["kernels"]}
        newest["kernels"] += [k for k in sample["kernels"] if k["kernel_id"] not in known]
        for device in sample["devices"]:
            for process in device["processes"] or ():
                if process["owner"] and process["owner"]["notebook"]:
                    owners[process["pid"]] = process["owner"]
    for device in newest["devices"]:
        for process in device["processes"] or ():
            if process["pid"] in owners and not (process["owner"] or {}).get("notebook"):
                process["owner"], process["unattributed"] = owners[process["pid"]], None
    return merged


def _print_json(answer: dict[str, Any], indent: int | None = None) -> None:
    click.echo(json.dumps(answer, indent=indent))


def _print_table(answer: dict[str, Any]) -> None:
    from rich.console import Console

    Console(highlight=False).print(render(answer))


def _watch(source: _Source, interval: float) -> int:
    from rich.live import Live

    with Live(render(source.read()), auto_refresh=False, screen=False) as live:
        while True:
            time.sleep(interval)
            live.update(render(source.read()), refresh=True)


def render(answer: dict[str, Any]) -> Any:
    """The answer as rich tables that fit 80 columns."""
    from rich.console import Group
    from rich.text import Text

    sample = answer["samples"][-1]
    driver = answer["driver"]
    parts: list[Any] = []
    if driver["message"]:
        style = "" if driver["status"] in ("ok", "simulated") else "yellow"
        parts += [Text(f"{driver['message']} {driver['hint']}".strip(), style), Text()]
    if answer["devices"]:
        parts += [_devices(answer["devices"], sample), Text()]
    parts += status_leases.render(answer["devices"], answer["leases"], _table)
    parts += status_findings.render(answer["findings"])
    if sample["kernels"]:
        parts += [_kernels(sample["kernels"]), Text()]
    parts.append(Text(_machine(sample["host"])))
    parts += [
        Text(f"{warning['message']} {warning['hint']}", "yellow") for warning in answer["warnings"]
    ]
    return Group(*parts)


def _table(columns: Mapping[str, str], rows: list[tuple[str, ...]]) -> Any:
    """A table of which only the column that names people and notebooks gives way, by wrapping."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, (name, justify) in enumerate(columns.items()):
        wraps = name in ("USED BY", "KERNEL", "UNTIL")
        width = min(16, max(len(name), *(len(row[position]) for row in rows)))
        table.add_column(
            name,
            justify=justify,  # type: ignore[arg-type]
            no_wrap=not wraps,
            overflow="fold" if wraps else "ellipsis",
            width=None if wraps else width,
        )
    for row in rows:
        table.add_row(*row)
    return table


def _devices(devices: list[dict[str, Any]], sample: dict[str, Any]) -> Any:
    readings = {reading["uuid"]: reading for reading in sample["devices"]}
    rows: list[tuple[str, ...]] = []
    for device in devices:
        reading = readings[device["uuid"]]
        users = _users(device, reading)
        rows.append(
            (
                (" " if device["mig_parent"] else "") + _number(device["index"]),
                short_model(device["name"], instance=bool(device["mig_parent"])),
                _number(reading["utilization"], " %"),
                _memory(reading["memory_used"], device["memory_total"]),
                _number(reading["temperature"], " °C"),
                _number(reading["power"], " W"),
                users[0],
            )
        )
        rows += [("", "", "", "", "", "", user) for user in users[1:]]
    columns = {"GPU": "left", "MODEL": "left"} | dict.fromkeys(
        ["UTIL", "MEMORY GiB", "TEMP", "POWER"], "right"
    )
    return _table(columns | {"USED BY": "left"}, rows)


def _users(device: dict[str, Any], reading: dict[str, Any]) -> list[str]:
    """Who uses a device, one line each, largest first; or why that can't be told."""
    if reading["status"] != "ok":
        return [f"{reading['status']}: {reading['problem'] or 'no reason given'}"]
    if device["mig_enabled"]:
        return ["split into MIG instances"]
    if reading["processes"] is None:
        return ["n/a"]
    me = server_user().name
    sums: dict[str, int | None] = {}
    for process in reading["processes"]:
        label = _label(process, me)
        memory, before = process["memory"], sums.get(label, 0)
        sums[label] = None if memory is None or before is None else before + memory
    ordered = sorted(sums.items(), key=lambda item: -(item[1] or 0))
    return [f"{format_bytes(memory):>8}  {label}" for label, memory in ordered] or ["free"]


def _label(process: dict[str, Any], me: str) -> str:
    owner = process["owner"]
    if owner is None:
        where = f" in container {process['container']}" if process["container"] else ""
        return f"unknown{where}, pid {process['pid']}"
    user = "you" if owner["user"] == me else owner["user"]
    return f"{user}  {owner['notebook']}" if owner["notebook"] else user


def _kernels(kernels: list[dict[str, Any]]) -> Any:
    columns = {"KERNEL": "left", "STATE": "left", "MEMORY": "right", "CPU": "right"}
    return _table(
        columns,
        [
            (
                kernel["notebook"] or f"({kernel['name']}, no notebook)",
                kernel["state"],
                format_bytes(kernel["memory"]),
                _number(kernel["cpu"], " %"),
            )
            for kernel in kernels
        ],
    )


def _machine(host: dict[str, Any]) -> str:
    cpu = _number(host["cpu_utilization"], " %")
    text = (
        f"CPU {cpu} of {host['cpu_count']} cores · memory {format_bytes(host['memory_used'])} "
        f"of {format_bytes(host['memory_total'])}"
    )
    if host["home"]:
        text += f" · home {format_bytes(host['home']['free'])} free"
    limits = host["limits"]
    if limits and limits["memory_limit"]:
        text += (
            f"\nThis server may use {format_bytes(limits['memory_limit'])}; "
            f"{format_bytes(limits['memory_used'])} are used."
        )
    return text


def short_model(name: str, *, instance: bool = False) -> str:
    """``NVIDIA H200`` is ``H200``: the maker says little. Of a MIG instance, its profile."""
    if instance and " MIG " in name:
        return "MIG " + name.split(" MIG ")[1]
    for prefix in ("NVIDIA ", "GeForce ", "Tesla ", "Simulated "):
        name = name.removeprefix(prefix)
    return name


def _number(value: float | None, unit: str = "") -> str:
    return "n/a" if value is None else f"{value:.0f}{unit}"


def _memory(used: int | None, total: int | None) -> str:
    def gib(size: int | None) -> str:
        if size is None:
            return "n/a"
        return f"{size / GIB:.1f}" if size < 10 * GIB else f"{size / GIB:.0f}"

    return "n/a" if used is total is None else f"{gib(used)} / {gib(total)}"
