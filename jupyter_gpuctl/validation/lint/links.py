"""Checks of links and pictures in text cells that lead to files, headings and attachments. Pure.

What lies behind ``http:`` and every other scheme is not asked for. Paths from the server's top
(``/files/…``), templates, and names without an ending that MyST may know as labels are let be: a
false alarm costs more than it saves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import unquote

from ..model import Finding
from .subject import Cell, Subject

_FENCE = re.compile(
    r"^ {0,3}(`{3,}|~{3,})[^\n]*\n.*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
_NO_TEXT = (
    re.compile(r"<!--(?:(?!<!--).)*?-->", re.DOTALL),
    re.compile(r"(?<!`)(`{1,3})(?!`)(?:(?!\n\s*\n).)+?(?<!`)\1(?!`)", re.DOTALL),
    re.compile(r"\$\$.*?\$\$", re.DOTALL),
    re.compile(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", re.DOTALL),
    re.compile(r"\\\\?\[.*?\\\\?\]|\\\\?\(.*?\\\\?\)", re.DOTALL),
    re.compile(r"(?<![\\$])\$(?!\s)[^$\n]{1,300}(?<![\s\\])\$"),
)
"""Parts that hold no links, in this order: comments, code, mathematics."""
_TARGET = r"(<[^<>\n]*>|[^\s()<>]*(?:\([^\s()]*\)[^\s()]*)*)"
_TITLE = r"(?:\s+(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?"
_INLINE = re.compile(rf"(?<!\\)\]\(\s*{_TARGET}{_TITLE}\s*\)")
_REFERENCE = re.compile(rf"^ {{0,3}}\[(?!\^)[^\]\n]{{1,300}}\]:[ \t]+{_TARGET}", re.MULTILINE)
_HTML = re.compile(
    r"<(?:a|img|video|audio|source|iframe|embed)\b[^<>]*?\s(?:href|src)\s*=\s*"
    r"(?:\"([^\"\n]*)\"|'([^'\n]*)')",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|\\\\")
_TEMPLATE = re.compile(r"[{}<>|*\\\n]|%7B")
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
_UNDERLINED = re.compile(r"^ {0,3}(\S[^\n]*)\n {0,3}(?:=+|-+)[ \t]*$", re.MULTILINE)
_HTML_HEADING = re.compile(r"<h([1-6])\b[^>]*>(.{0,500}?)</h\1\s*>", re.DOTALL | re.IGNORECASE)
_NAMED = (
    re.compile(r"<[^<>]*?\s(?:id|name)\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE),
    re.compile(r"^[ \t]*\(([^()\n]+)\)=[ \t]*$", re.MULTILINE),
    re.compile(r"\{[^{}\n]*#([\w:.-]+)[^{}\n]*\}"),
    re.compile(r"^[ \t]*(?:#\|[ \t]*)?:?(?:name|label):?[ \t]+(\S+)[ \t]*$", re.MULTILINE),
)
"""Anchors by name: HTML, MyST targets, Pandoc attributes, labels of directives and cells."""
_SOURCES = (".ipynb", ".md", ".rst", ".myst", ".qmd", ".Rmd", ".txt")
_WORD = re.compile(r"[^\W_]+")
_MARKUP = re.compile(r"<[^>]*>|!?\[([^\[\]]*)\]\([^()]*\)")


def broken_link(subject: Subject) -> Iterator[Finding]:
    """Links and pictures whose file, from the notebook's folder, isn't there."""
    for cell, target, line in _targets(subject):
        if target.lower().startswith("attachment:"):
            name = unquote(target.partition(":")[2])
            if name and name not in cell.attachments:
                hint = "Insert the picture again."
                yield cell.finding(f"attachment {name!r} is not in it", hint, line)
            continue
        path = _local_path(target)
        if path and not _is_there(subject, path):
            hint = "Paths begin in the notebook's folder, and capitals count."
            yield cell.finding(f"{path!r} is not there", hint, line)


def broken_anchor(subject: Subject) -> Iterator[Finding]:
    """Links to headings that the notebook doesn't have.

    JupyterLab, GitHub and nbconvert spell anchors in different ways: letters and digits decide.
    """
    known: set[str] | None = None
    for cell, target, line in _targets(subject):
        if not target.startswith("#") or len(target) < 2 or _TEMPLATE.search(target):
            continue
        known = _anchors(subject) if known is None else known
        wanted = _letters(unquote(target[1:]))
        if wanted and wanted not in known and re.sub(r"\d$", "", wanted) not in known:
            hint = "Link as in [text](#The-heading)."
            yield cell.finding(f"no heading is called {unquote(target)!r}", hint, line)


def prose(source: str) -> str:
    """``source`` with everything blanked that holds no links; positions stay."""
    text = _FENCE.sub(_blank, source + "\n")[: len(source)]
    for pattern in _NO_TEXT:
        text = pattern.sub(_blank, text)
    return text


def _targets(subject: Subject) -> Iterator[tuple[Cell, str, int]]:
    """Each link and picture of the text cells: the cell, the target, the line."""
    for cell in subject.markdown:
        if "](" not in cell.source and "]:" not in cell.source and "<" not in cell.source:
            continue
        text = prose(cell.source)
        for pattern in (_INLINE, _REFERENCE, _HTML):
            for match in pattern.finditer(text):
                target = next((part for part in match.groups() if part is not None), "")
                # A bracket of its own: [x](y) needs one that opens.
                if pattern is _INLINE and "[" not in text[: match.start()]:
                    continue
                yield (
                    cell,
                    target.strip().removeprefix("<").removesuffix(">"),
                    cell.line_of(match.start()),
                )


def _local_path(target: str) -> str | None:
    """The path that ``target`` means, seen from the notebook's folder; ``None``: it means none."""
    if _SCHEME.match(target) or target.startswith(("/", "#", "?", "~")):
        return None
    path = unquote(target.partition("#")[0].partition("?")[0])
    if not path or _TEMPLATE.search(path) or "\0" in path or len(path) > 1000:
        return None
    bare = PurePosixPath(path)
    if "/" not in path and "." not in path:
        return None
    return None if re.fullmatch(r"[\d.,/ -]+", str(bare)) and path.strip("./") else path


def _is_there(subject: Subject, path: str) -> bool:
    if subject.exists(path):
        return True
    stem, dot, ending = path.rpartition(".")
    if not dot or "/" in ending:
        # As Jupyter Book has it: other pages by their names without the ending.
        return any(subject.exists(path.rstrip("/") + source) for source in _SOURCES)
    return ending in ("html", "htm") and any(subject.exists(stem + source) for source in _SOURCES)


def _anchors(subject: Subject) -> set[str]:
    found = set()
    for cell in subject.markdown:
        text = _FENCE.sub(_blank, cell.source + "\n")
        for pattern, group in ((_HEADING, 1), (_UNDERLINED, 1), (_HTML_HEADING, 2)):
            for match in pattern.finditer(text):
                heading = match[group]
                found.add(_letters(heading))
                found.add(_letters(_MARKUP.sub(lambda link: link[1] or "", heading)))
    for cell in subject.cells:
        for pattern in _NAMED:
            found.update(_letters(name) for name in pattern.findall(cell.source))
        for output in cell.outputs:
            for text in output.texts:
                if "id=" in text or "name=" in text:
                    found.update(_letters(name) for name in _NAMED[0].findall(text))
    return found


def _letters(text: str) -> str:
    return "".join(_WORD.findall(text)).casefold()


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])
