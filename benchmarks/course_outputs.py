"""Whether two runs of a notebook have shown the same, and what of it no two runs have in common.

The rule, cell by cell, strictest first:

- *identical*: the outputs are the same to the byte, with execution counts, metadata, pictures and
  every MIME type; only that pieces of one stream are joined, since where it is cut, and how stdout
  and stderr interleave, is a matter of moments.
- *alike*: the same after what ``--check-outputs`` makes alike in every text (addresses, ``%time``,
  temporary files, …), and UUIDs and the numbers of elements that a library draws at random.
- *unsteady*: different, but several cold runs differ from each other in that very cell too.
- *different*: all else. The cold runs agree, and forked is another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from jupyter_gpuctl.validation.outputs import normalised

from .course_tools import Outputs

LEVELS = ("identical", "alike", "unsteady", "different")
_DRAWN = re.compile(
    r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}\b"
    r"|(?<=#T_)[0-9a-f]{5}(?=_)|(?<=id=\"T_)[0-9a-f]{5}(?=[_\"])|(?<=sk-container-id-)\d+"
)
"""UUIDs of version 4, and what pandas' Styler and scikit-learn's diagrams call themselves."""


def joined(outputs: Sequence[Any]) -> list[Any]:
    """``outputs`` with one piece for each stream, where its first piece was."""
    pieces: list[Any] = []
    streams: dict[str, Any] = {}
    for output in outputs:
        name = output.get("name") if output["output_type"] == "stream" else None
        if name is None:
            pieces.append(output)
        elif name in streams:
            streams[name]["text"] += output["text"]
        else:
            streams[name] = dict(output)
            pieces.append(streams[name])
    return pieces


def alike(value: Any) -> Any:
    """``value`` without what differs from run to run by nature, in every text of it."""
    match value:
        case str():
            return _DRAWN.sub("(drawn)", normalised(value))
        case list():
            return [alike(each) for each in value]
        case dict():
            return {alike(name): alike(each) for name, each in value.items()}
    return value


def _stream(output: Any) -> tuple[bool, str]:
    stream = output["output_type"] == "stream"
    return not stream, output["name"] if stream else ""


def level(one: Any, other: Any) -> str:
    """Of the outputs of one cell in two runs."""
    one, other = joined(one or []), joined(other or [])
    if one == other:
        return "identical"
    streams_first = [sorted(each, key=_stream) for each in (one, other)]
    return "alike" if alike(streams_first[0]) == alike(streams_first[1]) else "different"


def compare(one: Outputs, other: Outputs) -> dict[int, str]:
    """The level of each cell that ran in either."""
    found: dict[int, str] = {}
    for cell in sorted(one.keys() | other.keys()):
        both = cell in one and cell in other
        found[cell] = level(one[cell], other[cell]) if both else "different"
    return found


def judge(forked: Outputs, colds: Sequence[Outputs]) -> dict[int, str]:
    """As :func:`compare` with the first of ``colds``, but what the colds differ in is unsteady."""
    found = compare(forked, colds[0])
    unsteady = {
        cell
        for cold in colds[1:]
        for cell, level in compare(colds[0], cold).items()
        if level == "different"
    }
    return {
        cell: "unsteady" if level == "different" and cell in unsteady else level
        for cell, level in found.items()
    }


def worst(levels: dict[int, str]) -> str:
    """Of a notebook; one of which nothing ran is identical."""
    return max(levels.values(), key=LEVELS.index, default=LEVELS[0])


def shown(one: Any, other: Any) -> str:
    """Where the outputs of a cell part, in two short texts."""
    texts = [json.dumps(alike(joined(each or [])), sort_keys=True) for each in (one, other)]
    at = next(
        (n for n, pair in enumerate(zip(*texts, strict=False)) if pair[0] != pair[1]),
        min(map(len, texts)),
    )
    start = max(0, at - 30)
    return " / ".join(text[start : at + 60] for text in texts)
