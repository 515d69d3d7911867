"""Which line of a cell failed: pure rules on what kernels print."""

from __future__ import annotations

import re
from itertools import takewhile

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_FRAMES = (
    # IPython 8 and 9: "Cell In[3], line 5"; 8.0: "Input In [3], in <cell line: 5>()".
    re.compile(r"Cell In\s?\[(\d+)\], line (\d+)"),
    re.compile(r"Input In \[(\d+)\], in <cell line: (\d+)>"),
)


def plain(text: str) -> str:
    """``text`` without terminal colours."""
    return _ANSI.sub("", text)


def failing_line(traceback: str, execution_count: int | None, source: str) -> int | None:
    """The innermost line, from 1, that lies in the cell run as ``In[execution_count]``.

    IPython takes empty lines off the top of a cell and then counts; here they are counted too.
    ``None`` where the traceback doesn't tell, as with most kernels other than IPython's.
    """
    text = plain(traceback)
    for frame in _FRAMES:
        lines = [int(line) for count, line in frame.findall(text) if int(count) == execution_count]
        if lines:
            return lines[-1] + len(list(takewhile(_is_blank, source.splitlines())))
    return None


def _is_blank(line: str) -> bool:
    return not line.strip()


def line_text(source: str, line: int | None) -> str | None:
    """The text of ``line``, without its indent; ``None`` where the cell has no such line."""
    lines = source.splitlines()
    return lines[line - 1].strip() if line is not None and 0 < line <= len(lines) else None


def first_line(source: str) -> str | None:
    """The first line of code: not blank, not a comment."""
    for line in source.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            return line.strip()
    return None
