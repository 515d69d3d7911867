"""Clients that poll, or listen to sockets, in a process of their own.

``python client.py poll URL TOKEN --count 200 --interval 1 --warmup 3 --seconds 30`` prints
``start`` when the warm-up is over, and one line of JSON at the end. Needs only tornado.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from urllib.parse import urlsplit

GPUS = "gpuctl/api/v1/gpus"


class Tally:
    """What the clients saw after the warm-up."""

    def __init__(self) -> None:
        self.counting = False
        self.latencies: list[float] = []
        self.bytes = 0
        self.messages = 0
        self.refused = 0


async def _answer(reader: asyncio.StreamReader, cookies: dict[str, str]) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = 0
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            length = int(value)
        elif name.lower() == "set-cookie":
            key, _, content = value.partition(";")[0].strip().partition("=")
            cookies[key] = content
    return int(head[9:12]), await reader.readexactly(length)


async def poll(
    url: str, token: str, path: str, interval: float, phase: float, tally: Tally
) -> None:
    """One panel: ``GET PATH?since=`` each ``interval`` on one connection, for ever.

    Like a browser it sends the login cookie that its first answer set.
    Written on bare streams, so that the client's own work is a small part of what it measures.
    """
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    loop, seq = asyncio.get_running_loop(), None
    cookies: dict[str, str] = {}
    due = loop.time() + phase
    while True:
        await asyncio.sleep(max(0.0, due - loop.time()))
        due += interval
        since = "" if seq is None else f"?since={seq}"
        began = time.perf_counter()
        writer.write(
            f"GET {parts.path}{path}{since} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Authorization: token {token}\r\nAccept: application/json\r\n"
            f"Cookie: {'; '.join(map('='.join, cookies.items()))}\r\n\r\n".encode()
        )
        status, body = await _answer(reader, cookies)
        took = time.perf_counter() - began
        if status == 200 and path == GPUS:
            seq = json.loads(body[: body.index(b",")] + b"}")["seq"]
        if tally.counting:
            tally.latencies.append(took)
            tally.bytes += len(body)
            tally.messages += 1
            tally.refused += status != 200


async def listen(url: str, token: str, name: str, interval: float, tally: Tally) -> None:
    """One chart of jupyterlab-nvdashboard: its socket, at ``interval``, for ever."""
    from tornado.httpclient import HTTPRequest
    from tornado.websocket import websocket_connect

    address = f"ws{url.removeprefix('http')}nvdashboard/{name}"
    socket = await websocket_connect(
        HTTPRequest(address, headers={"Authorization": f"token {token}"})
    )
    await socket.write_message(
        json.dumps({"updateFrequency": round(interval * 1000), "isPaused": False})
    )
    while (message := await socket.read_message()) is not None:
        if tally.counting:
            tally.bytes += len(message)
            tally.messages += 1
    raise SystemExit(f"The socket {name} was closed.")


async def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("kind", choices=["poll", "listen"])
    arguments.add_argument("url")
    arguments.add_argument("token")
    arguments.add_argument("--count", type=int, default=1)
    arguments.add_argument("--interval", type=float, default=1.0)
    arguments.add_argument("--warmup", type=float, default=3.0)
    arguments.add_argument("--seconds", type=float, default=30.0)
    arguments.add_argument("--path", default=GPUS)
    arguments.add_argument("--sockets", nargs="*", default=[])
    given = arguments.parse_args()
    tally = Tally()
    # People open their panels at any time: phases are spread, the same in each run.
    phases = random.Random(7)
    if given.kind == "poll":
        work = [
            poll(
                given.url,
                given.token,
                given.path,
                given.interval,
                phases.random() * given.interval,
                tally,
            )
            for _ in range(given.count)
        ]
    else:
        work = [
            listen(given.url, given.token, name, given.interval, tally)
            for _ in range(given.count)
            for name in given.sockets
        ]
    tasks = [asyncio.ensure_future(each) for each in work]

    async def window() -> None:
        await asyncio.sleep(given.warmup)
        sys.stdout.write("start\n")
        sys.stdout.flush()
        tally.counting = True
        await asyncio.sleep(given.seconds)
        tally.counting = False

    clock = asyncio.ensure_future(window())
    done, _ = await asyncio.wait([clock, *tasks], return_when=asyncio.FIRST_COMPLETED)
    if clock not in done:
        done.pop().result()  # Raises what ended the client.
    result = {
        "seconds": given.seconds,
        "latencies": tally.latencies,
        "bytes": tally.bytes,
        "messages": tally.messages,
        "refused": tally.refused,
    }
    sys.stdout.write(json.dumps(result) + "\n")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
