"""Clients that ask as fast as they are answered, in a process of their own.

``python lease_client.py KIND URL TOKEN --count 8 --warmup 2 --seconds 10`` prints one line of JSON
at the end: latencies by call, in seconds. KIND: ``lease`` asks for one GPU and gives it back,
``dry-run`` only asks what would become of it, ``list`` gets all leases, ``kernels`` is Jupyter's
own ``GET api/kernels``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import defaultdict
from typing import Any
from urllib.parse import urlsplit

LEASES = "gpuctl/api/v1/leases"
WANTED = {"gpus": 1, "duration": "1h", "interactive": False}


class Client:
    """One connection; like a browser it sends the login cookie that its first answer set."""

    def __init__(self, url: str, token: str) -> None:
        self._parts = urlsplit(url)
        self._token = token
        self._cookies: dict[str, str] = {}
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        # Bare streams: the client's own work must be a small part of what it measures.
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        reader, writer = self._streams
        content = b"" if body is None else json.dumps(body).encode()
        writer.write(
            f"{method} {self._parts.path}{path} HTTP/1.1\r\nHost: {self._parts.netloc}\r\n"
            f"Authorization: token {self._token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n"
            f"Cookie: {'; '.join(map('='.join, self._cookies.items()))}\r\n\r\n".encode()
            + content
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = 0
        for line in head.split("\r\n")[1:]:
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                length = int(value)
            elif name.lower() == "set-cookie":
                key, _, cookie = value.partition(";")[0].strip().partition("=")
                self._cookies[key] = cookie
        return int(head[9:12]), await reader.readexactly(length)


class Tally:
    """What was answered between the warm-up and the end."""

    def __init__(self) -> None:
        self.counting = self.stopping = False
        self.latencies: dict[str, list[float]] = defaultdict(list)
        self.refused: dict[str, int] = defaultdict(int)


async def work(kind: str, client: Client, tally: Tally) -> None:
    """Ask again and again; at the end what was taken is given back."""
    loop = asyncio.get_running_loop()

    async def timed(call: str, method: str, path: str, body: Any = None) -> bytes:
        began = loop.time()
        status, answer = await client.ask(method, path, body)
        if tally.counting:
            tally.latencies[call].append(loop.time() - began)
            if status >= 300:
                tally.refused[f"{call} {status} {answer[:200]!r}"] += 1
        return answer

    while not tally.stopping:
        if kind == "lease":
            lease = json.loads(await timed("lease", "POST", LEASES, WANTED))
            await timed("release", "DELETE", f"{LEASES}/{lease['id']}")
        elif kind == "dry-run":
            await timed("dry-run", "POST", LEASES, {**WANTED, "dry_run": True})
        elif kind == "list":
            await timed("list", "GET", LEASES)
        else:
            await timed("kernels", "GET", "api/kernels")


async def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("kind", choices=["lease", "dry-run", "list", "kernels"])
    arguments.add_argument("url")
    arguments.add_argument("token")
    arguments.add_argument("--count", type=int, default=8)
    arguments.add_argument("--warmup", type=float, default=2.0)
    arguments.add_argument("--seconds", type=float, default=10.0)
    given = arguments.parse_args()
    tally = Tally()
    tasks = [work(given.kind, Client(given.url, given.token), tally) for _ in range(given.count)]

    async def window() -> None:
        await asyncio.sleep(given.warmup)
        tally.counting = True
        await asyncio.sleep(given.seconds)
        tally.counting, tally.stopping = False, True

    await asyncio.gather(window(), *tasks)
    sys.stdout.write(json.dumps({"latencies": tally.latencies, "refused": tally.refused}) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
