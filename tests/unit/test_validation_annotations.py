"""Annotations of GitHub, and the lines of files at which they stand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_gpuctl.validation.model import CellError, Finding, Verdict
from jupyter_gpuctl.validation.reports import renderer
from jupyter_gpuctl.validation.reports.sources import cell_sources, scan
from tests.unit.validations import (
    notebook,
    texts,
    validation,
    validations,
)


def rendered(name, what):
    return renderer(name)(what)


@settings(max_examples=60, deadline=None)
@given(validations)
def test_annotations_are_one_command_a_line(what):
    text = rendered("github", what)
    lines = text.split("\n")
    assert lines.pop() == ""
    assert "\r" not in text
    for line in lines:
        assert re.match(r"::(error|warning) file=[^,:]*,line=\d+,title=[^,:]*::|::notice ", line)
    assert sum(line.startswith("::error") for line in lines) <= 10
    assert sum(line.startswith("::warning") for line in lines) <= 10


def test_what_github_would_not_show_is_told_in_a_notice():
    many = [notebook(f"{n}.ipynb", Verdict.FAILED, reason="cell 1: E") for n in range(12)]
    lines = rendered("github", validation(*many)).splitlines()
    assert len(lines) == 11
    assert lines[-1].startswith("::notice title=2 more errors::")


def test_an_annotation_is_at_the_line_of_the_file(tmp_path, monkeypatch):
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    cells = [nbformat.v4.new_markdown_cell("# A"), nbformat.v4.new_code_cell("a = 1\nb = a / 0\n")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    error = CellError("ZeroDivisionError", "division by zero", 2, "b = a / 0")
    failed = notebook("a.ipynb", Verdict.FAILED, reason="cell 2: E", error=error)
    object.__setattr__(failed, "cell", 1)
    (line,) = rendered("github", validation(failed)).splitlines()
    at = int(re.search(r"line=(\d+)", line)[1])
    assert "b = a / 0" in (tmp_path / "a.ipynb").read_text().splitlines()[at - 1]
    noted = notebook("a.ipynb", findings=(Finding("input-asked", "It asks.", "", 1, 1),))
    (line,) = rendered("github", validation(noted)).splitlines()
    assert line.startswith("::warning file=a.ipynb,line=")


sources = st.lists(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12), max_size=4
).map("\n".join)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(sources, st.booleans()), max_size=4),
    st.sampled_from([None, 0, 1, "\t"]),
    st.booleans(),
)
@pytest.mark.parametrize("version", [3, 4])
def test_every_line_of_a_cell_is_found_in_the_file(version, cells, indent, ascii_only):
    code = "source" if version == 4 else "input"
    made = [
        {
            "cell_type": "code",
            "metadata": {code: "not this", "cells": [{code: ["nor this"]}]},
            # Both forms that nbformat allows.
            code: source.splitlines(keepends=True) if listed else source,
            "outputs": [{"text": source, code: "nor this"}],
        }
        for source, listed in cells
    ]
    tops = {"cells": made} if version == 4 else {"worksheets": [{"cells": made}]}
    whole = {"metadata": {"cells": 1}, **tops, "nbformat": version}
    text = json.dumps(whole, indent=indent, ensure_ascii=ascii_only)
    rows = text.split("\n")
    for (source, _), found in zip(cells, scan(text), strict=True):
        assert found.lines == tuple(source.split("\n"))
        for line, at in zip(found.lines, found.file_lines, strict=True):
            assert json.dumps(line, ensure_ascii=ascii_only)[1:-1] in rows[at - 1]


def test_each_line_of_a_cell_has_a_line_of_its_own_where_jupyter_wrote_the_file(tmp_path):
    path = tmp_path / "a.ipynb"
    cells = [nbformat.v4.new_code_cell("x = 1\nx = 1\n\nx = 1"), nbformat.v4.new_code_cell("x = 1")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    first, second = cell_sources(str(path))
    begin = first.file_lines[0]
    assert first.file_lines == (begin, begin + 1, begin + 2, begin + 3)
    assert second.file_lines[0] > begin + 3


@settings(max_examples=100, deadline=None)
@given(texts)
def test_what_is_no_notebook_has_no_lines(text):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.ipynb"
        path.write_bytes(text.encode(errors="surrogatepass"))
        assert cell_sources(str(path)) == ()
