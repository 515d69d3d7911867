"""The Jupyter servers that this user runs on this machine, asked over HTTP."""

from __future__ import annotations

import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_runtime_dir

from ..host.procfs import ProcFs

TIMEOUT = 3.0
"""Seconds to wait for a server's answer."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server of this user."""

    url: str
    token: str

    def get(self, path: str) -> dict[str, Any]:
        """The JSON at ``path`` below the API's prefix.

        Raises:
            OSError: no answer, or a refusal (:class:`urllib.error.HTTPError`).
            ValueError: an answer that is not ours.
        """
        request = urllib.request.Request(f"{self.url}gpuctl/api/v1/{path}")  # noqa: S310
        if self.token:
            request.add_header("Authorization", f"token {self.token}")
        context = None
        if self.url.startswith("https:"):
            # The server's own certificate, on this machine, is often self-signed.
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with urllib.request.urlopen(request, timeout=TIMEOUT, context=context) as answer:  # noqa: S310
            body = json.load(answer)
        if not isinstance(body, dict):
            raise ValueError(f"{self.url} did not answer with an object")  # noqa: TRY004
        return body


def running_servers() -> Iterator[Server]:
    """Those that listen on TCP, newest first. Single-user servers take the Hub's API token."""
    infos = [info for info in _written_down() if not info.get("sock")]
    infos.sort(key=lambda info: int(info["pid"]), reverse=True)
    for info in infos:
        token = info.get("token") or os.environ.get("JUPYTERHUB_API_TOKEN", "")
        yield Server(info["url"], token)


def _written_down() -> list[dict[str, Any]]:
    """What running servers say of themselves in the runtime folder.

    As ``jupyter_server.serverapp.list_running_servers``, but that takes seconds to import, and
    deletes the files of those that have ended.
    """
    table, found = ProcFs(), []
    for file in Path(jupyter_runtime_dir()).glob("jpserver-*.json"):
        try:
            info = json.loads(file.read_text("utf-8"))
            if table.info(info["pid"]) is not None:
                found.append(info)
        except (OSError, ValueError, LookupError, TypeError):
            continue  # It is being written, or isn't one.
    return found
