"""What a notebook imports, read from its code, so that a warm process can have it imported already.

Only what is certain: imports at the top level of a cell, before anything that may change how later
imports go (the environment, ``sys.path``, an installation), and only of what is installed in the
site-packages of this Python. A module that lies beside the notebook is the notebook's to import.
"""

from __future__ import annotations

import ast
import json
import os
import re
import site
import sys
import sysconfig
from collections.abc import Callable, Iterable
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

_TURNS = re.compile(
    r"environ|putenv|sys\s*\.\s*(path|modules|meta_path|setdlopenflags)|^\s*%+(set_)?env\b"
    r"|^\s*[!%].*\b(pip|pip3|conda|mamba|uv|easy_install)\b"
)
"""What may change the imports below it."""
_MAGIC = re.compile(r"^(\s*)[%!?].*$|^(\s*)\S.*\?{1,2}\s*$")
_RUN_CELL = ("%%time", "%%timeit", "%%capture", "%%prun")
"""Cell magics after which the cell runs as Python."""


def code_cells(raw: bytes) -> list[str]:
    """The code of a notebook's cells, of format 4; nothing where it isn't one."""
    try:
        notebook = json.loads(raw)
        return [
            _text(cell["source"])
            for cell in notebook.get("cells", ())
            if cell.get("cell_type") == "code" and "skip-execution" not in _tags(cell)
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []


def kernel_name(raw: bytes) -> str:
    """The kernel that the notebook names, else ``python3``; the engine says what is wrong."""
    try:
        return str(json.loads(raw)["metadata"]["kernelspec"]["name"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return "python3"


def _text(source: Any) -> str:
    return "".join(source) if isinstance(source, list) else str(source)


def _tags(cell: Any) -> Iterable[Any]:
    return (cell.get("metadata") or {}).get("tags") or ()


def imported(cells: Iterable[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Modules, and the names that are taken from them; each module once, in order."""
    found: dict[str, dict[str, None]] = {}
    for cell in cells:
        text, turned = _certain(cell)
        for module, names in _of_cell(text):
            found.setdefault(module, {}).update(dict.fromkeys(names))
        if turned:
            break
    return tuple((module, tuple(names)) for module, names in found.items())


def _certain(cell: str) -> tuple[str, bool]:
    """The part of a cell before a turn, and whether there is one; magics taken out."""
    lines = cell.splitlines()
    if lines and lines[0].lstrip().startswith("%%"):
        if not lines[0].lstrip().startswith(_RUN_CELL):
            return "", any(map(_TURNS.search, lines))
        lines = lines[1:]
    kept: list[str] = []
    for line in lines:
        if _TURNS.search(line):
            return "\n".join(kept), True
        magic = _MAGIC.match(line)
        kept.append(f"{magic.group(1) or magic.group(2) or ''}pass" if magic else line)
    return "\n".join(kept), False


def _of_cell(text: str) -> list[tuple[str, tuple[str, ...]]]:
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found: list[tuple[str, tuple[str, ...]]] = []
    for statement in body:
        if isinstance(statement, ast.Import):
            found += [(alias.name, ()) for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            names = tuple(alias.name for alias in statement.names if alias.name != "*")
            found.append((statement.module, names))
    return found


def installed(
    wanted: Iterable[tuple[str, tuple[str, ...]]], find: Callable[[str], bool] | None = None
) -> tuple[str, ...]:
    """The modules among them that are installed: dotted names, packages before what is in them.

    ``from scipy import stats`` gives ``scipy.stats``: that is what it imports.
    """
    find = find or is_installed
    found: dict[str, None] = {}
    for module, names in wanted:
        if not find(module):
            continue
        inner = [name for name in (f"{module}.{name}" for name in names) if find(name)]
        found.update(dict.fromkeys(inner or [module]))
    return tuple(found)


@cache
def is_installed(name: str) -> bool:
    """Whether a module of this dotted name lies in the site-packages. Imports nothing."""
    places = tuple(map(str, _site_packages()))
    return _is_found(name, [entry for entry in sys.path if entry in places])


def is_importable(name: str) -> bool:
    """Whether it can be imported from anywhere but the working folder. Imports nothing."""
    here = ("", os.getcwd())
    return _is_found(name, [entry for entry in sys.path if entry not in here])


def _is_found(name: str, path: list[str]) -> bool:
    spec: ModuleSpec | None = None
    for part in _prefixes(name):
        if not path:
            return False
        try:
            spec = PathFinder.find_spec(part, path)
        except (ImportError, ValueError, OSError):
            return False
        if spec is None or spec.origin is None:
            return False
        path = list(spec.submodule_search_locations or ())
    return spec is not None


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


@cache
def _site_packages() -> tuple[Path, ...]:
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    folders |= set(site.getsitepackages())
    if site.ENABLE_USER_SITE:
        folders.add(site.getusersitepackages())
    return tuple(sorted(Path(folder) for folder in folders))


def hidden_by(folder: Path, loaded: Iterable[str]) -> str | None:
    """A name of ``loaded`` that a file in ``folder`` hides: there, a new kernel finds that file."""
    names = set(loaded)
    try:
        for entry in folder.iterdir():
            name = entry.name.partition(".")[0]
            if name in names and (
                entry.suffix in (".py", ".so") or (entry / "__init__.py").is_file()
            ):
                return entry.name
    except OSError:
        return None
    return None
