"""Python in cells: what can be told of it without running it. Pure.

Lines of IPython (magics, shell commands) are blanked; a cell that isn't Python then tells nothing.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any

_ASSIGNED = re.compile(r"^(\s*[\w,][\w, ]*=\s*)[%!].*$")
_WORD = re.compile(r"[^\W\d]\w*")


def language_of(metadata: Any) -> str:
    """The language of a notebook by its metadata, in small letters; Python where it isn't said."""
    for key, name in (("kernelspec", "language"), ("language_info", "name")):
        told = metadata.get(key)
        if isinstance(told, dict) and isinstance(told.get(name), str) and told[name]:
            return str(told[name]).lower()
    return "python"


def parse(source: str) -> ast.Module | None:
    """The tree of a cell, its lines numbered as there; ``None``: it isn't plain Python."""
    if source.lstrip().startswith("%%"):
        return None
    lines = [_blanked(line) for line in source.splitlines()]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _blanked(line: str) -> str:
    text = line.strip()
    asks = text.endswith("?") and not set("#'\"") & set(text)
    if asks or text.startswith(("%", "!", "?")):
        return line[: len(line) - len(line.lstrip())] + "pass"
    return _ASSIGNED.sub(r"\1None", line) if "=" in text else line


def names_bound(source: str) -> frozenset[str]:
    """Names that the cell gives a meaning outside of functions and classes, but by import."""
    tree = parse(source)
    found: set[str] = set()
    todo: list[ast.AST] = [] if tree is None else list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                found.add(node.id)
        elif not isinstance(node, ast.Lambda | ast.Import | ast.ImportFrom):
            # What is changed in its place is given a new meaning too: df["x"] = 1, plot.title = "".
            if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
                found |= _base(node)
            todo.extend(ast.iter_child_nodes(node))
    return frozenset(found)


def names_imported(source: str) -> frozenset[str]:
    """Names that imports anywhere in the cell give a meaning."""
    tree = parse(source)
    return frozenset(
        alias.asname or alias.name.partition(".")[0]
        for node in ([] if tree is None else ast.walk(tree))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    )


def _base(node: ast.AST) -> set[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def names_used(source: str) -> frozenset[str]:
    """Names that the cell uses, wherever; of a cell that isn't plain Python all its words."""
    tree = parse(source)
    if tree is None:
        return frozenset(_WORD.findall(source))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.AugAssign):
            found |= _base(node.target)
    return frozenset(found)
