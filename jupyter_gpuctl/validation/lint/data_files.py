"""A check for files that the code opens and that aren't there. Pure.

Only what is plain is told: a path in quotes, read by a call at the top of a cell, not inside
``try`` or ``if``, and not named before by anything that may have made it. After a download, an
unpacked archive or a change of folder nothing is told any more.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from ..model import Finding
from ..notebooks import SKIP_TAG
from ..python_cells import parse
from .subject import Subject

_PANDAS = frozenset(
    [
        "read_csv",
        "read_excel",
        "read_feather",
        "read_fwf",
        "read_hdf",
        "read_json",
        "read_orc",
        "read_parquet",
        "read_pickle",
        "read_sas",
        "read_spss",
        "read_stata",
        "read_table",
        "read_xml",
        "scan_csv",
        "scan_parquet",
    ]
)
_READERS = _PANDAS | frozenset(
    [
        "fromfile",
        "genfromtxt",
        "imread",
        "loadmat",
        "loadtxt",
        "open_dataset",
        "read_file",
        "read_image",
    ]
)
"""Functions, of whatever module, whose first argument is a file that they read."""
_LOADERS = {"np", "numpy", "joblib", "torch", "librosa"}
"""Modules whose ``load`` does."""
_OF_PATHS = {"read_text", "read_bytes"}
_MAKES_FILES = re.compile(
    r"^[ \t]*(?:[\w,][\w, ]*=[ \t]*)?!"
    r"|^[ \t]*%(?:sx|system|cd|run|load|bash|sh)\b|^[ \t]*%%(?!time|capture|prun)"
    r"|urlretrieve|urlopen|download|requests\.|httpx|extractall|unpack_archive|\bwget\b|\bcurl\b"
    r"|\bgdown\b|kaggle|git\s+clone|subprocess|os\.system|chdir|drive\.mount|files\.upload",
    re.MULTILINE,
)
_TOLD = (
    ast.If,
    ast.Try,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Lambda,
    ast.While,
)


def missing_data(subject: Subject) -> Iterator[Finding]:
    """Files that the code reads and nobody made."""
    if subject.language != "python":
        return
    mentioned: set[str] = set()
    told: set[str] = set()
    for cell in subject.code:
        if SKIP_TAG in cell.tags:
            continue
        if _MAKES_FILES.search(cell.source):
            return
        tree = parse(cell.source)
        if tree is None:
            continue
        reads = list(_reads(tree))
        mentioned |= _mentions(tree, {id(node) for node in reads})
        for node in reads:
            path = str(node.value)
            if path in told or not _looks_local(path) or "raises-exception" in cell.tags:
                continue
            names = {PurePosixPath(path).name, PurePosixPath(path).stem}
            if not names & mentioned and not subject.exists(path):
                told.add(path)
                yield cell.finding(
                    f"it reads {path!r}, which is not there",
                    "Paths begin in the notebook's folder, and capitals count.",
                    node.lineno,
                )


def _reads(tree: ast.Module) -> Iterator[ast.Constant]:
    """Paths in quotes that calls read from, in code that runs whatever happens."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop(0)
        if isinstance(node, _TOLD):
            continue
        if isinstance(node, ast.Call):
            path = _path_read(node)
            if isinstance(path, ast.Constant) and isinstance(path.value, str):
                yield path
        todo.extend(ast.iter_child_nodes(node))


def _path_read(call: ast.Call) -> ast.expr | None:
    function = call.func
    name = function.id if isinstance(function, ast.Name) else ""
    owner: ast.expr | None = None
    if isinstance(function, ast.Attribute):
        name, owner = function.attr, function.value
    first = call.args[0] if call.args else None
    of_module = owner.id if isinstance(owner, ast.Name) else ""
    if name in _READERS or (name == "load" and of_module in _LOADERS):
        return first
    if name == "open" and (owner is None or of_module in ("Image", "io", "gzip", "bz2", "lzma")):
        return first if of_module == "Image" or _mode(call, 1).startswith(("r", "U")) else None
    is_path = isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name | ast.Attribute)
    if is_path and isinstance(owner, ast.Call) and len(owner.args) == 1:
        maker = owner.func.id if isinstance(owner.func, ast.Name) else ast.unparse(owner.func)
        reads = name in _OF_PATHS or (name == "open" and _mode(call, 0).startswith("r"))
        if maker in ("Path", "pathlib.Path") and reads:
            return owner.args[0]
    return None


def _mode(call: ast.Call, position: int) -> str:
    """The mode in which a file is opened; empty where it isn't plain, or also writes."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    given += call.args[position : position + 1]
    if not given:
        return "r"
    mode = given[0].value if isinstance(given[0], ast.Constant) else None
    return mode if isinstance(mode, str) and "+" not in mode else ""


def _mentions(tree: ast.Module, reads: set[int]) -> set[str]:
    """Names of files, with and without ending, in all texts but those that are only read."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in reads:
            path = PurePosixPath(node.value[:1000])
            found |= {path.name, path.stem}
    return found - {""}


def _looks_local(path: str) -> bool:
    if not 0 < len(path) <= 300 or re.search(r"[\0\n{}*?$<>|\[\]]|://|^[A-Za-z]:|^[/~\\:-]", path):
        return False
    return not path.startswith(("s3:", "gs:", "data:")) and path.strip() == path
