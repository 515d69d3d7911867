"""Stored outputs beside new ones: what of the difference would surprise a learner. Pure.

The rules are nbval's where it has any (nbval 0.11.0, ``plugin.py``, BSD-3-Clause): streams of one
name are joined, carriage returns and backspaces are carried out, tracebacks, execution counts,
metadata and widgets don't count, a cell that was never executed has nothing to compare with, and
its tags and comments are honoured. Beyond it, what no two runs have in common is made alike.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidInput
from .model import Finding
from .tracebacks import plain

RULE = "output-differs"
IGNORE_TAGS = frozenset({"skip-output-check", "nbval-ignore-output", "nbval-skip"})
"""Tags that leave a cell's outputs uncompared."""
_IGNORE_COMMENT = re.compile(
    r"^\s*#\s*(?:NBVAL_IGNORE_OUTPUT|PYTEST_VALIDATE_IGNORE_OUTPUT|NBVAL_SKIP)\s*$", re.MULTILINE
)
_WIDGET = "application/vnd.jupyter.widget-view+json"
_READABLE = ("text/plain", "text/markdown", "text/latex", "text/html")
"""The first of these that an output has is compared, word for word."""
_MOST_LINES = 12
_MOST_COMPARED = 1000
"""Lines of an output that are compared one by one; of more only the first that differs is told."""
_WIDEST = 160
_NUMBER = r"\d[\d,.]*(?:e[+-]?\d+)?"
_UNIT = r"(?:ns|[µμu]s|ms|s|sec|secs|seconds?|min|mins|minutes?|h)\b"
_TOOK = (
    r"took|elapsed(?: time)?|finished in|done in|completed in|ran in|runtime|duration|time taken"
)
_PATH = r"[^\s'\"<>:,;)\]]+"
_UNSTEADY: tuple[tuple[re.Pattern[str], str], ...] = (
    # Where objects lie.
    (re.compile(r"\b0x[0-9a-fA-F]{4,16}\b"), "0x…"),
    # %time, %timeit, tqdm, Keras, and sentences that tell how long something took.
    (
        re.compile(r"^([ \t]*(?:CPU times|Wall time|Compiler(?: time)?)):[^\n]*", re.MULTILINE),
        r"\1: …",
    ),
    (
        re.compile(r"^[^\n]*(?:per loop \(mean|: [\d.]+ \S+ per loop)[^\n]*", re.MULTILINE),
        "… per loop",
    ),
    (
        re.compile(
            r"^The slowest run took [\d.]+ times longer than the fastest\.[^\n]*\n", re.MULTILINE
        ),
        "",
    ),
    # When statsmodels made its summary.
    (
        re.compile(r"(?<!\S)(Date|Time):\s{2,}(?:\w{3}, \d\d \w{3} \d{4}|\d\d:\d\d:\d\d)(?!\S)"),
        r"\1: …",
    ),
    (re.compile(r"\[\d+:\d\d(?::\d\d)?<[^\[\]\n]{0,200}\]"), "[…]"),
    (re.compile(rf"\b{_NUMBER}\s?{_UNIT}\s?{_NUMBER}\s?[µμum]?s/step\b"), "…/step"),
    (
        re.compile(rf"\b((?:{_TOOK})\s*[:=]?\s*){_NUMBER}(?:\s?{_UNIT}|(?![\w.,]))", re.IGNORECASE),
        r"\1…",
    ),
    # Temporary files, and where this machine keeps its packages.
    (
        re.compile(rf"(?<![\w./])(?:/private)?(?:/tmp|/var/tmp|/var/folders)/{_PATH}"),
        "(temporary)",
    ),
    (re.compile(rf"[A-Za-z]:\\[^\s'\"<>]*\\Temp\\{_PATH}"), "(temporary)"),
    (re.compile(r"(?<![\w./])/[^\s'\"<>:]*/(?:site|dist)-packages/"), "…/"),
    # Counts of cells.
    (re.compile(r"\b(Cell )?(In|Out) ?\[\d+\]"), r"\1\2[…]"),
)


@dataclass(frozen=True, slots=True)
class OutputChecks:
    """How outputs are compared."""

    ignore: tuple[str, ...] = ()
    """Regular expressions; what they match counts as alike."""
    images: bool = False
    """Whether pictures must be the same to the byte; else that there is one of the kind."""


def checked(checks: OutputChecks) -> OutputChecks:
    """``checks``, whose regular expressions are ones.

    Raises:
        InvalidInput: one is not.
    """
    for pattern in checks.ignore:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise InvalidInput(
                "validate.outputs",
                f"--ignore-output {pattern!r} is not a regular expression: {error}.",
                hint="Put a backslash before a sign that means itself.",
            ) from None
    return checks


def is_compared(cell: Any, count: int | None, outputs: Sequence[Any]) -> bool:
    """Whether a cell with these stored outputs and this execution count has any to compare."""
    if IGNORE_TAGS & {tag for tag in cell.metadata.get("tags", []) if isinstance(tag, str)}:
        return False
    return (count is not None or bool(outputs)) and not _IGNORE_COMMENT.search(cell.source)


def difference(
    stored: Sequence[Any], new: Sequence[Any], checks: OutputChecks, cell: int
) -> Finding | None:
    """What is different, with the lines that are; ``None``: nothing that counts."""
    before, after = _lines(stored, checks), _lines(new, checks)
    if before == after:
        return None
    return Finding(
        RULE,
        "the output is not the stored one",
        "Run it again and save, tag the cell skip-output-check, or give --ignore-output.",
        cell,
        None,
        True,
        "\n".join(_diff(before, after)),
    )


def normalised(text: str, ignore: Sequence[str] = ()) -> str:
    """``text`` without what no two runs have in common. Doing it twice changes nothing more."""
    for _ in range(8):
        once = _once(text, ignore)
        if once == text:
            break
        text = once
    return text


def _once(text: str, ignore: Sequence[str]) -> str:
    text = plain(text)
    if "\b" in text:
        text = _without_backspaces(text)
    # What a progress bar has overwritten was never there to be read.
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    text = "\n".join(lines)
    for pattern in ignore:
        text = re.sub(pattern, lambda match: "…" if match[0] else "", text)
    for unsteady, instead in _UNSTEADY:
        text = unsteady.sub(instead, text)
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def _without_backspaces(text: str) -> str:
    kept: list[str] = []
    for character in text:
        if character != "\b":
            kept.append(character)
        elif kept and kept[-1] != "\n":
            kept.pop()
    return "".join(kept)


def _lines(outputs: Sequence[Any], checks: OutputChecks) -> list[str]:
    """All that counts of ``outputs``, a line for each line, under the name of its kind."""
    lines: list[str] = []
    for kind, text in _pieces(outputs, checks):
        same = normalised(text, checks.ignore)
        lines.append(f"[{kind}]")
        lines += same.split("\n") if same else []
    return lines


def _pieces(outputs: Sequence[Any], checks: OutputChecks) -> list[tuple[str, str]]:
    pieces: list[tuple[str, str]] = []
    streams: dict[str, int] = {}
    for output in outputs:
        kind = output.get("output_type")
        if kind == "stream":
            name, text = str(output.get("name")), _text(output.get("text"))
            if name in streams:
                before = pieces[streams[name]][1]
                pieces[streams[name]] = (name, before + text)
            else:
                streams[name] = len(pieces)
                pieces.append((name, text))
        elif kind == "error":
            pieces.append(("error", f"{output.get('ename')}: {_text(output.get('evalue'))}"))
        else:
            pieces += _shown(output.get("data"), checks)
    return [piece for piece in pieces if piece[0] not in streams or normalised(piece[1])]


def _shown(data: Any, checks: OutputChecks) -> list[tuple[str, str]]:
    if not isinstance(data, dict) or _WIDGET in data:
        return []
    pictures = sorted(mime for mime in data if mime.startswith("image/"))
    pieces = [(mime, _text(data[mime]) if checks.images else "") for mime in pictures]
    readable = next((mime for mime in _READABLE if mime in data), None)
    if readable is not None:
        pieces.append((readable, _text(data[readable])))
    elif not pictures:
        pieces += [(mime, "") for mime in sorted(data)]
    return pieces


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _diff(before: list[str], after: list[str]) -> list[str]:
    if max(len(before), len(after)) > _MOST_COMPARED:
        pairs = enumerate(zip(before, after, strict=False))
        at = next((n for n, (old, new) in pairs if old != new), min(len(before), len(after)))
        changes = [f"-{line}" for line in before[at : at + 1]]
        changes += [f"+{line}" for line in after[at : at + 1]]
        return [*map(_short, changes), "…"]
    changes = list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]
    told = [_short(line) for line in changes if not line.startswith("@@")]
    return told if len(told) <= _MOST_LINES else [*told[: _MOST_LINES - 1], "…"]


def _short(line: str) -> str:
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"
