"""Lets clients work on a server, in a process of their own, and sees what they cost it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import stage
from .measure import cpu_seconds, percentile
from .servers import TOKEN, Failed, Server

CLIENT = Path(__file__).with_name("client.py")
IDLE_CLOCK = Path(__file__).with_name("idle_clock.py")


@dataclass(frozen=True, slots=True)
class Window:
    """What was seen while clients were at work: each a second, or in seconds."""

    cpu: float
    driver_calls: float
    answers: float
    p50: float
    p99: float
    longest: float
    pause: float
    """The longest that a process which only sleeps was kept waiting meanwhile."""


def at_work(
    kind: str, server: Server, machine: stage.FakeMachine, seconds: float, *options: object
) -> Window:
    """Let clients work for ``seconds`` after a warm-up.

    Raises:
        Failed: the clients could not work, or an answer was refused.
    """
    command = [sys.executable, CLIENT, kind, server.url, TOKEN, "--seconds", seconds, *options]
    client = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    try:
        if client.stdout.readline() != "start\n":
            raise Failed(f"The clients ({kind}) ended before they began.")
        cpu, calls = cpu_seconds(server.pid), machine.log.total()
        clock = subprocess.Popen([sys.executable, IDLE_CLOCK], stdout=subprocess.PIPE, text=True)
        try:
            line = client.stdout.readline()
        finally:
            clock.terminate()
            pause = float(clock.communicate()[0] or "nan")
        cpu, calls = cpu_seconds(server.pid) - cpu, machine.log.total() - calls
    finally:
        client.terminate()
        client.wait()
    seen = json.loads(line or "{}")
    if not seen or seen["refused"]:
        raise Failed(f"{seen.get('refused', 'All')} answers were refused.")
    latencies = seen["latencies"] or [0.0]
    return Window(
        cpu / seconds,
        calls / seconds,
        seen["messages"] / seconds,
        percentile(latencies, 50),
        percentile(latencies, 99),
        max(latencies),
        pause,
    )
