"""The part of a notebook that its run rests on: code cells, their order, the tags that matter.

Read from the JSON itself, not by nbformat: forty notebooks must take no time. Pure.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

TAGS = frozenset({"skip-execution", "raises-exception"})
"""Tags that change what a run does; all others are for display or for other tools."""
DEFAULT_KERNEL = "python3"
_NONE = "none"
"""Written for a timeout that isn't there; one that is there is JSON."""
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IMPORT = re.compile(
    r"^[ \t]*(?:import[ \t]+([A-Za-z_][\w.]*(?:[ \t]*,[ \t]*[\w.]+)*)|from[ \t]+([A-Za-z_]\w*))",
    re.MULTILINE,
)
_QUOTED = re.compile(r"""["']((?:/|~/|\.\./)[^"'\n]{1,500})["']""")
_LISTS = re.compile(
    r"""glob|listdir|scandir|iterdir|walk|cwd|curdir|^\s*[!%]|\bls\b|Path\(\)"""
    r"""|["']\.{1,2}/?["']|["'][^"'\n]*\*""",
    re.MULTILINE,
)
_BARE = re.compile(r"""(?:^|[\s=<>(])((?:/|~/|\.\./)[^\s"'()<>|;&,]{1,500})""", re.MULTILINE)
"""As in ``!cat /data/x.csv``."""


@dataclass(frozen=True, slots=True)
class CodeCell:
    """A code cell. ``index`` and ``id`` say where it stands, and are no part of the code."""

    index: int
    """Position among all cells, from 0."""
    id: str | None
    source: str
    tags: tuple[str, ...]
    timeout: str


@dataclass(frozen=True, slots=True)
class Code:
    """What a notebook runs."""

    cells: tuple[CodeCell, ...]
    kernel: str
    """The name of the kernel that the notebook asks for."""
    timeout: str

    def digest(self) -> str:
        """Another one exactly when something changes that a run rests on."""
        cells = [(cell.source, cell.tags, cell.timeout) for cell in self.cells]
        return digest_of(cells, self.kernel, self.timeout)

    @property
    def text(self) -> str:
        """All code, a line break between the cells."""
        return "\n".join(cell.source for cell in self.cells)

    def words(self) -> frozenset[str]:
        """All names that occur in it."""
        return frozenset(_WORD.findall(self.text))

    def imports(self) -> frozenset[str]:
        """Topmost names of the modules that it imports, by the look of it (Python)."""
        return imports_in(self.text)

    @property
    def lists_folders(self) -> bool:
        """Whether it looks as if it went through the names in its own folder."""
        return _LISTS.search(self.text) is not None

    def paths_outside(self) -> tuple[str, ...]:
        """Texts that look like paths to elsewhere: ``/data/x.csv``, ``~/x``, ``../x``."""
        found = {*_QUOTED.findall(self.text), *_BARE.findall(self.text)}
        return tuple(sorted(name for name in found if name.isprintable()))


def imports_in(text: str) -> frozenset[str]:
    """Topmost names of the modules that Python source imports, by the look of it."""
    found = set()
    for plain, origin in _IMPORT.findall(text):
        found |= {name.strip().partition(".")[0] for name in (plain or origin).split(",")}
    return frozenset(found)


def read_code(raw: bytes) -> Code | None:
    """The code of a notebook file; ``None`` for what isn't plainly a notebook of format 4.

    Nothing here judges whether the notebook is valid: what isn't understood is run to find out.
    """
    try:
        parsed = json.loads(raw)
        if not isinstance(parsed["nbformat"], int) or parsed["nbformat"] != 4:
            return None
        cells = [
            _cell(index, cell)
            for index, cell in enumerate(parsed["cells"])
            if _kind(cell) == "code"
        ]
        metadata = parsed.get("metadata", {})
        spec = metadata.get("kernelspec") or {}
        kernel = str(spec.get("name") or DEFAULT_KERNEL)
        return Code(tuple(cells), kernel, _timeout(metadata))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None


def _kind(cell: Any) -> str:
    kind, source = cell["cell_type"], _source(cell)
    if not isinstance(kind, str) or not isinstance(source, str):
        raise TypeError("not a cell")
    if not isinstance(cell.get("metadata", {}), dict):
        raise TypeError("a cell without metadata")
    return kind


def _source(cell: Any) -> Any:
    source = cell["source"]
    return "".join(source) if isinstance(source, list) else source


def _cell(index: int, cell: Any) -> CodeCell:
    metadata = cell.get("metadata", {})
    tags = metadata.get("tags")
    known = TAGS.intersection(tag for tag in tags if isinstance(tag, str)) if tags else ()
    name = cell.get("id")
    return CodeCell(
        index=index,
        id=name if isinstance(name, str) else None,
        source=_source(cell),
        tags=tuple(sorted(known)),
        timeout=_timeout(metadata),
    )


def _timeout(metadata: dict[str, Any]) -> str:
    execution = metadata.get("execution")
    if not isinstance(execution, dict) or "timeout" not in execution:
        return _NONE
    return json.dumps(execution["timeout"], sort_keys=True)


def digest_of(*parts: Any) -> str:
    """A short name for values that JSON can write: equal for equal values only."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()
