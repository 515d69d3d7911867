"""What ``status`` says of processes that use GPUs in a way that leases don't allow."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from jupyter_gpuctl.cli.servers import Server
from jupyter_gpuctl.cli.status_findings import SHOWN, of_servers, render


def finding(pid: int, message: str = "It is found.") -> dict:
    return {"pid": pid, "device": "GPU-0", "kind": "not_held", "message": message}


@contextmanager
def answering(answer: object, status: int = 200) -> Iterator[Server]:
    """A server that answers every question so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Server(f"http://127.0.0.1:{server.server_port}/", "")
        finally:
            server.shutdown()
            thread.join()


def test_what_two_servers_have_found_is_told_once():
    with (
        answering({"findings": [finding(1), finding(2)]}) as one,
        answering({"findings": [finding(2), finding(3)]}) as other,
    ):
        assert [each["pid"] for each in of_servers([one, other])] == [1, 2, 3]


def test_a_server_that_doesnt_know_is_passed_over():
    with answering({}, 404) as old, answering({"findings": [finding(1)]}) as new:
        assert [each["pid"] for each in of_servers([old, new])] == [1]


def test_nothing_is_said_where_nothing_was_found():
    assert render([]) == []


def test_the_first_few_are_told_whole_and_the_rest_counted():
    lines = [text.plain for text in render([finding(1, "It is pid 1.")])]
    assert lines == [
        "1 process uses a GPU in a way that leases don't allow:",
        "  It is pid 1.",
        "",
    ]
    many = [text.plain for text in render([finding(pid) for pid in range(SHOWN + 3)])]
    assert many[0].startswith("8 processes use GPUs")
    assert many[-2] == "  … and 3 more"
