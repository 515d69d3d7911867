"""What the processes of a validation tell each other of containers. Frozen values, pure rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...core.errors import InvalidInput

WORKLOAD = "validation"
"""The label of containers of ours."""
LINK = "link"
"""The folder below a notebook's scratch with the connection file and the kernel's sockets."""
NATIVE = "python3"
_FIELD = re.compile(r"\{([A-Za-z0-9_]+)\}")


@dataclass(frozen=True, slots=True)
class Container:
    """The container for the kernel of one notebook."""

    engine: str
    """The address of the engine."""
    image: str
    """Its id."""
    reference: str
    """The name by which people know the image."""
    name: str
    labels: Mapping[str, str]
    user: str
    host_users: bool
    course: str
    """The folder that is mounted."""
    network: str
    cpus: float
    shm: int
    """Bytes of ``/dev/shm``."""
    cgroup_version: int
    kernels: Mapping[str, Any]
    """What the image has installed, by name: as ``kernel.json`` has it, with ``folder``."""


def specification(container: Container, name: str) -> Mapping[str, Any]:
    """The kernel of this name in the image; old notebooks have ``python``.

    Raises:
        InvalidInput: it has none; the hint lists those that it has.
    """
    found = container.kernels.get(NATIVE if name == "python" else name)
    if found is None:
        known = ", ".join(sorted(container.kernels)) or "none"
        raise InvalidInput(
            "validation.kernel",
            f"kernel {name!r} is not installed in the image {container.reference}",
            hint=f"Install it there, or give --kernel. Installed there: {known}.",
        )
    kernel: Mapping[str, Any] = found
    return kernel


def command_of(kernel: Mapping[str, Any], connection_file: str) -> list[str]:
    """Its command; the Python is that of the image, as is what ``{prefix}`` would be."""
    values = {"connection_file": connection_file, "resource_dir": str(kernel.get("folder", ""))}

    def put(found: re.Match[str]) -> str:
        return values.get(found[1], found[0])

    return [_FIELD.sub(put, str(part)) for part in kernel["argv"]]


def signal_or_status(exit_code: int) -> int:
    """As ``subprocess`` has it, negative for a signal; the engine has 128 and more for these."""
    return 128 - exit_code if 128 < exit_code <= 128 + 64 else exit_code
