"""What lies under a notebook's name, its cells, its limits, its tracebacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import v3, v4

from jupyter_gpuctl.core.errors import InvalidInput
from jupyter_gpuctl.validation.notebooks import cell_limits, planned_cells, read_notebook
from jupyter_gpuctl.validation.tracebacks import failing_line, first_line, line_text, plain


def write(folder: Path, content: bytes | str | dict[str, Any]) -> str:
    path = folder / "n.ipynb"
    if isinstance(content, dict):
        content = json.dumps(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


BROKEN: dict[str, tuple[Any, str]] = {
    "nothing": (b"", "empty (0 bytes)"),
    "blanks": (b"  \n", "empty (3 bytes)"),
    "text": ("hello", "not JSON: Expecting value at line 1, column 1"),
    "half": ('{"cells": [', "not JSON"),
    "conflict": ('{\n<<<<<<< HEAD\n"a": 1}', "not JSON"),
    "binary": (b"\x89PNG\r\n\xff\xfe", "not "),
    "list": ("[]", "not a notebook"),
    "other JSON": ({"a": 1}, "nbformat is missing"),
    "the future": ({"nbformat": 9, "nbformat_minor": 0, "cells": []}, "nbformat 9 is newer"),
    "no cells": ({"nbformat": 4, "nbformat_minor": 5, "metadata": {}}, "not a valid notebook"),
    "a cell without text": (
        {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [{"cell_type": "code"}]},
        "not a valid notebook",
    ),
    "deep": ("[" * 100_000, "nested too deeply"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_notebook_is_told_with_a_mend(tmp_path: Path, name: str) -> None:
    content, told = BROKEN[name]
    with pytest.raises(InvalidInput) as error:
        read_notebook(write(tmp_path, content))
    assert told in error.value.message
    assert error.value.hint
    assert "\n" not in str(error.value)


def test_a_merge_conflict_is_recognised(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="merge conflict"):
        read_notebook(write(tmp_path, BROKEN["conflict"][0]))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        read_notebook(str(tmp_path / "n.ipynb"))


def test_version_3_is_upgraded_and_the_file_left_alone(tmp_path: Path) -> None:
    sheet = v3.new_worksheet(cells=[v3.new_code_cell("print 1")])
    path = tmp_path / "n.ipynb"
    nbformat.write(v3.new_notebook(worksheets=[sheet]), path, version=3)
    before = path.read_bytes()
    assert [cell.source for cell in read_notebook(str(path)).cells] == ["print 1"]
    assert path.read_bytes() == before


def test_faults_that_nbconvert_can_live_with_are_no_reason_to_refuse(tmp_path: Path) -> None:
    notebook = v4.new_notebook(cells=[v4.new_code_cell("1"), v4.new_code_cell("2")])
    for cell in notebook.cells:
        cell["id"], cell["unknown"] = "same", 1
    notebook.cells[0].metadata["tags"] = None
    cells = planned_cells(read_notebook(write(tmp_path, notebook)))
    assert [cell.runs for cell in cells] == [True, True]


def test_cells_that_do_not_run_are_known_before(tmp_path: Path) -> None:
    notebook = v4.new_notebook(
        cells=[
            v4.new_markdown_cell("# title"),
            v4.new_code_cell("# comment\n\n  x = 1"),
            v4.new_code_cell("  \n"),
            v4.new_code_cell("1/0", metadata={"tags": ["skip-execution"]}),
            v4.new_raw_cell("raw"),
        ]
    )
    cells = planned_cells(read_notebook(write(tmp_path, notebook)))
    assert [(cell.index, cell.runs) for cell in cells] == [(1, True), (2, False), (3, False)]
    assert cells[0].first_line == "x = 1"


def notebook_with(whole: Any, one: Any) -> Any:
    notebook = v4.new_notebook(cells=[v4.new_code_cell("1")])
    for holder, timeout in ((notebook, whole), (notebook.cells[0], one)):
        if timeout != "absent":
            holder.metadata["execution"] = {"timeout": timeout}
    return notebook


@pytest.mark.parametrize(
    ("whole", "one", "limit"),
    [
        ("absent", "absent", 60.0),
        (5, "absent", 5.0),
        (5, 2.5, 2.5),
        (5, -1, None),
        (-1, "absent", None),
        (None, "absent", None),
        ("absent", 90, 90.0),
        ("absent", "1.5", 1.5),
    ],
)
def test_the_nearest_timeout_counts(whole: Any, one: Any, limit: float | None) -> None:
    assert cell_limits(notebook_with(whole, one), 60.0) == {0: limit}


@pytest.mark.parametrize("value", ["5 s", [1], True, float("nan")])
def test_a_timeout_that_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"metadata\.execution\.timeout"):
        cell_limits(notebook_with("absent", value), None)


IPYTHON_9 = (
    "\x1b[31mZeroDivisionError\x1b[39m       Traceback (most recent call last)\n"
    "\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[7]\x1b[39m\x1b[32m, line 2\x1b[39m\n"
    "\x1b[32m----> 2\x1b[39m f(0)\n"
    "Cell In[3], line 9, in f(x)\n---> 9 1/x\n"
)


@pytest.mark.parametrize(
    ("traceback", "count", "line"),
    [
        (IPYTHON_9, 7, 2),
        (IPYTHON_9, 3, 9),
        (IPYTHON_9, 4, None),
        ("Cell In[2], line 5, in <module>\nCell In[2], line 3, in f()", 2, 3),
        ("Input In [2], in <cell line: 4>()", 2, 4),
        ("  Cell In[1], line 2\n    x ===\n       ^\nSyntaxError: invalid syntax", 1, 2),
        ("Error in eval(expr): object 'x' not found", 1, None),
        ("", None, None),
    ],
)
def test_the_innermost_line_in_the_cell_is_found(
    traceback: str, count: int | None, line: int | None
) -> None:
    assert failing_line(traceback, count, "") == line


def test_empty_lines_on_top_that_ipython_takes_off_are_counted() -> None:
    assert failing_line("Cell In[2], line 1", 2, "\n  \n1 / 0") == 3


def test_lines_of_a_cell() -> None:
    assert line_text("a\n  b\n", 2) == "b"
    assert line_text("a", 2) is None
    assert line_text("a", None) is None
    assert first_line("\n# no\n%%time\nx") == "%%time"
    assert first_line("") is None
    assert plain("\x1b[0;31mred\x1b[0m") == "red"
