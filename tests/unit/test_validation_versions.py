"""The learners' version of notebooks with solutions, by the marks of nbgrader and otter."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import v4

from jupyter_gpuctl.core.errors import InvalidInput
from jupyter_gpuctl.validation.versions import nbgrader, otter
from jupyter_gpuctl.validation.versions.learner import LearnerVersion, learner_version

from .notebooks_at_random import notebooks

STUB = "# YOUR CODE HERE\nraise NotImplementedError()"


def code(source: str, **flags: bool) -> Any:
    metadata = {"nbgrader": {"schema_version": 3, "grade_id": "a", **flags}} if flags else {}
    return v4.new_code_cell(source, metadata=metadata)


def made(*cells: Any, language: str = "python") -> LearnerVersion:
    spec = {"name": "x", "display_name": "x", "language": language}
    notebook = v4.new_notebook(cells=list(cells), metadata={"kernelspec": spec})
    version = learner_version(notebook)
    assert version is not None
    return version


def sources(version: LearnerVersion) -> list[str]:
    return [cell.source for cell in version.notebook.cells]


def question(*cells: Any) -> list[Any]:
    return [
        v4.new_raw_cell("# BEGIN QUESTION\nname: q1"),
        *cells,
        v4.new_raw_cell("# END QUESTION"),
    ]


def solution(*cells: Any) -> list[Any]:
    return [v4.new_raw_cell("# BEGIN SOLUTION"), *cells, v4.new_raw_cell("# END SOLUTION")]


def test_a_notebook_without_marks_has_one_version() -> None:
    cells = [v4.new_markdown_cell("The solution"), v4.new_code_cell("x = 1 # SOLUTION of a kind")]
    assert learner_version(v4.new_notebook(cells=cells)) is None


def test_a_solution_region_becomes_the_stub_of_nbgrader_with_its_indent() -> None:
    source = "def f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION\n\nf(1)"
    version = made(code(source, solution=True))
    assert sources(version) == [
        "def f(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()\n\nf(1)"
    ]
    assert version.left == {0}


def test_a_solution_cell_without_a_region_is_all_solution() -> None:
    text = v4.new_markdown_cell("42", metadata={"nbgrader": {"solution": True, "grade": True}})
    version = made(code("x = 42", solution=True), text)
    assert sources(version) == [STUB, "YOUR ANSWER HERE"]
    assert version.left == {0}


def test_hidden_tests_and_marking_schemes_are_taken_out() -> None:
    source = "assert f(1)\n### BEGIN HIDDEN TESTS\nassert f(2)\n### END HIDDEN TESTS"
    task = "Draw\n### BEGIN MARK SCHEME\n2 points\n### END MARK SCHEME"
    text = v4.new_markdown_cell(task, metadata={"nbgrader": {"task": True}})
    version = made(code(source, grade=True), text)
    assert sources(version) == ["assert f(1)", "Draw"]
    assert (version.left, version.tests) == (set(), {0})


@pytest.mark.parametrize(
    ("language", "stub"), [("R", "# YOUR CODE HERE\nfail()"), ("java", "// YOUR CODE HERE")]
)
def test_each_language_has_its_stub(language: str, stub: str) -> None:
    assert sources(made(code("x", solution=True), language=language)) == [stub]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ([code("1"), code("### BEGIN SOLUTION\nx", solution=True)],
         "cell 2 BEGIN SOLUTION has no END SOLUTION"),
        ([code("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", solution=True)],
         "cell 1 BEGIN SOLUTION stands inside another"),
        ([code("### BEGIN SOLUTION\n### END SOLUTION", grade=True)],
         "cell 1 a solution stands in a cell that is not marked"),
        ([code("### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS", locked=True)],
         "cell 1 hidden tests stand in a cell that is not marked"),
        (solution(code("1")), "cell 1 a solution block begins outside of a question"),
        (question(*question(code("1"))), "cell 2 a question block begins inside another"),
        (question(v4.new_raw_cell("# END TESTS")), "cell 2 a tests block ends"),
        ([v4.new_raw_cell("# BEGIN QUESTION")], "cell 1 a question block has not ended"),
        (question(*solution(code("x\n# END SOLUTION"))),
         "cell 3 END SOLUTION has no BEGIN SOLUTION"),
        (question(*solution(code("# BEGIN SOLUTION\nx"))),
         "cell 3 BEGIN SOLUTION has no END SOLUTION"),
    ],
)  # fmt: skip
def test_broken_marks_are_told_with_their_cell(cells: list[Any], told: str) -> None:
    with pytest.raises(InvalidInput) as error:
        made(*copy.deepcopy(cells))
    assert told in error.value.message


def test_marks_alone_do_without_the_metadata_of_nbgrader() -> None:
    assert sources(made(code("### BEGIN SOLUTION\nx = 1\n### END SOLUTION"))) == [STUB]


@pytest.mark.parametrize(
    ("line", "left"),
    [
        # From otter's documentation of ``otter assign``.
        ("x = 5 # SOLUTION", "x = ..."),
        ("    pi: float = 3.14 # SOLUTION", "    ..."),
        ("a, b = 1, 2 # SOLUTION", "a, b = ..."),
        ("d['k'] = 1 # SOLUTION", "d['k'] = ..."),
        ("    return x # SOLUTION", "    ..."),
        ("plot(x) # SOLUTION", "..."),
        ("y = 1 # SOLUTION NO PROMPT", None),
        ("rng = seed(1) # SEED", None),
        ("keep = 1", "keep = 1"),
    ],
)
def test_lines_of_otter_are_left_as_otter_leaves_them(line: str, left: str | None) -> None:
    version = made(*question(*solution(code(f"a = 0\n{line}"))))
    assert sources(version)[2].split("\n")[1:] == ([] if left is None else [left])


def test_blocks_of_otter_become_dots_or_nothing() -> None:
    source = (
        "def f(x):\n    # BEGIN SOLUTION\n    y = x\n    return y\n    # END SOLUTION\n"
        "# BEGIN SOLUTION NO PROMPT\nz = 1\n# END SOLUTION\n"
        '""" # BEGIN PROMPT\nz = ...\n"""; # END PROMPT'
    )
    version = made(*question(*solution(code(source))))
    assert sources(version)[2] == "def f(x):\n    ...\nz = ..."
    assert version.left == {2}


def test_otters_tests_configuration_and_ignored_cells_are_taken_out() -> None:
    cells = [
        v4.new_raw_cell("# ASSIGNMENT CONFIG\nexport_cell: false"),
        *question(
            v4.new_markdown_cell("What?"),
            *solution(v4.new_markdown_cell("This."), code("x = 1 # SOLUTION")),
            v4.new_raw_cell("# BEGIN TESTS"),
            code("assert x == 1"),
            v4.new_raw_cell("# END TESTS"),
        ),
        code("## Ignore ##\nscratch()"),
        code("y = 2 # IGNORE\nk = 3"),
    ]
    version = made(*cells)
    assert [text for text in sources(version) if text] == ["What?", "x = ...", "k = 3"]
    assert len(version.notebook.cells) == len(cells)


def test_a_solution_outside_of_a_block_stays_unless_otter_is_told() -> None:
    one = code("x = 1 # SOLUTION")
    config = "# ASSIGNMENT CONFIG\nstrip_solutions_from_all_cells: true"
    assert sources(made(*question(one)))[1] == "x = 1 # SOLUTION"
    assert sources(made(v4.new_raw_cell(config), *question(one)))[2] == "x = ..."


def test_only_what_hangs_on_learners_may_raise() -> None:
    version = made(
        code("import math"),
        code(
            "def f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION", solution=True
        ),
        code("assert f(1) == 1", grade=True),
        code("y = f(2)"),
        code("print(y)"),
        code("print(math.pi)"),
        code("y = 3"),
        code("print(y)"),
    )
    assert (version.left, version.tests, version.dependent) == ({1}, {2}, {3, 4})
    tagged = [
        number
        for number, cell in enumerate(version.notebook.cells)
        if "raises-exception" in cell.metadata.get("tags", [])
    ]
    assert tagged == [1, 2, 3, 4]


def test_what_learners_are_to_import_is_missing_too() -> None:
    region = "### BEGIN SOLUTION\nimport math\n### END SOLUTION\nimport os"
    version = made(code(region, solution=True), code("math.pi"), code("os.sep"))
    assert version.dependent == {1}


def test_the_source_is_not_touched() -> None:
    notebook = v4.new_notebook(cells=[code("x = 1", solution=True)])
    before = copy.deepcopy(notebook)
    assert learner_version(notebook) is not None
    assert notebook == before


@settings(max_examples=80, deadline=None)
@given(notebooks())
def test_every_notebook_has_a_learners_version_or_a_reason_why_not(notebook: Any) -> None:
    before = copy.deepcopy(notebook)
    version = None
    with contextlib.suppress(InvalidInput):
        version = learner_version(notebook)
    assert notebook == before
    if version is None:
        return
    assert len(version.notebook.cells) == len(notebook.cells)
    for cell in version.notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)


_LINES = st.lists(st.sampled_from(["a = 1", "    b(2)", "", "# why", "x = 'END'"]), max_size=4)


@settings(max_examples=80, deadline=None)
@given(_LINES, st.lists(st.integers(0, 999), min_size=1, max_size=4), _LINES, st.booleans())
def test_no_line_of_a_solution_reaches_learners(
    before: list[str], secrets: list[int], after: list[str], by_otter: bool
) -> None:
    hidden = [f"secret_{number} = {number}" for number in secrets]
    hashes = "#" if by_otter else "###"
    region = [f"{hashes} BEGIN SOLUTION", *hidden, f"{hashes} END SOLUTION"]
    cell = code("\n".join([*before, *region, *after]), **({} if by_otter else {"solution": True}))
    version = made(*(question(*solution(cell)) if by_otter else [cell]))
    text = "\n".join(sources(version))
    assert "secret_" not in text
    assert "END SOLUTION" not in text
    kept = [line for line in text.split("\n") if line in {*before, *after} - {""}]
    assert kept == [line for line in [*before, *after] if line]


def test_the_marks_of_one_tool_are_not_taken_for_the_others() -> None:
    by_otter = v4.new_notebook(cells=question(*solution(code("x = 1 # SOLUTION"))))
    by_nbgrader = v4.new_notebook(cells=[code("x", solution=True)])
    assert (otter.is_marked(by_otter), otter.is_marked(by_nbgrader)) == (True, False)
    assert nbgrader.is_marked(by_nbgrader)
