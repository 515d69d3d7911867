"""Whose server this is."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The user that this Jupyter server belongs to."""

    name: str
    from_hub: bool
    """Told by JupyterHub; the operating system may know the same person by another name."""
    uid: int


def server_user(environ: Mapping[str, str] = os.environ) -> ServerUser:
    """The Hub's user under JupyterHub, else the operating system's user.

    Never the anonymous name that token login invents: that names a browser, not a person.
    """
    uid = os.getuid()
    hub = environ.get("JUPYTERHUB_USER", "")
    return ServerUser(hub or user_name(uid) or f"uid {uid}", bool(hub), uid)


def user_name(uid: int) -> str | None:
    """The operating system's name for ``uid``; ``None`` where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
