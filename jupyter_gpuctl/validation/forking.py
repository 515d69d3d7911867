"""Whether the kernel of a notebook may be forked, and from what: rules, told in sentences."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path

from .imports import code_cells, imported, installed, kernel_name

_FLAGS = ("-Xfrozen_modules=off",)
"""Of Python, that ``ipykernel install`` writes into specifications."""
_LAUNCHED = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
ROOM = 2
"""A memory limit must be this many times what is inherited: nearer to it a new kernel is exact."""


def needs(path: str, among: Iterable[str] | None = None) -> tuple[tuple[str, ...], str]:
    """The installed modules that a notebook is certain to import, and its kernel's name."""
    try:
        raw = Path(path).read_bytes()
    except OSError:
        return (), "python3"
    return installed(imported(code_cells(raw))), kernel_name(raw)


def shared(wanted: Sequence[Sequence[str]]) -> list[str]:
    """Modules that at least two of the notebooks import, those of most notebooks first."""
    counts = Counter(module for modules in wanted for module in set(modules))
    often = [module for module, count in counts.items() if count > 1]
    return sorted(often, key=lambda module: (-counts[module], module))


def unlike_ours(argv: Sequence[str], environment: object, metadata: object) -> str | None:
    """Why a kernel with this specification is none that the warm process could become."""
    if list(argv[1 + len(flags_of(argv)) :]) != _LAUNCHED:
        return "its kernel runs another program than ipykernel"
    if not is_this_python(argv[0]):
        return "its kernel runs another Python"
    if environment:
        return "its kernel has an environment of its own"
    if isinstance(metadata, dict) and metadata.get("kernel_provisioner"):
        return "its kernel has a provisioner of its own"
    return None


def flags_of(argv: Sequence[str]) -> tuple[str, ...]:
    """The flags of Python in a command that a warm process can be given too."""
    return tuple(takewhile(_FLAGS.__contains__, argv[1:]))


def usual_flags() -> tuple[str, ...]:
    """Those of the kernel that came with ipykernel, or was installed for this Python: a guess."""
    file = Path(sys.prefix, "share/jupyter/kernels/python3/kernel.json")
    try:
        return flags_of(list(map(str, json.loads(file.read_bytes())["argv"])))
    except (OSError, ValueError, TypeError, KeyError):
        return ()


def is_this_python(program: str) -> bool:
    """Whether ``program`` is our interpreter with our packages; as jupyter_client reads it."""
    major, minor = sys.version_info[:2]
    # KernelManager.format_kernel_cmd puts sys.executable for these.
    if program in ("python", f"python{major}", f"python{major}.{minor}"):
        return True
    ours = Path(sys.executable)
    given = Path(program)
    # Not where links lead: a virtual environment is known by where its link lies.
    return given.is_absolute() and (
        os.path.realpath(given.parent) == os.path.realpath(ours.parent)
        and os.path.realpath(given) == os.path.realpath(ours)
    )
