"""The real command on a course with solutions, stored outputs and things left in its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nbformat import v4

from .validating import validate, write_notebook


def code(source: str, count: int | None = None, *outputs: Any, **flags: bool) -> Any:
    metadata = {"nbgrader": {"schema_version": 3, "grade_id": "a", **flags}} if flags else {}
    return v4.new_code_cell(source, execution_count=count, outputs=list(outputs), metadata=metadata)


def printed(text: str) -> Any:
    return v4.new_output("stream", name="stdout", text=text)


LAB = (
    "import math",
    code("def f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION", solution=True),
    code("assert f(1) == 1", grade=True),
    "print(f(2))",
    "open('seen', 'a').write('x')",
)
HELPER = "### BEGIN HIDDEN TESTS\nimport math\n### END HIDDEN TESTS\nassert True"


@pytest.fixture
def course(tmp_path: Path) -> Path:
    write_notebook(tmp_path / "links.ipynb", [v4.new_markdown_cell("# A\n[x](gone.md)"), "x = 1"])
    write_notebook(tmp_path / "prose.ipynb", [v4.new_markdown_cell("![x](gone.png)")])
    write_notebook(tmp_path / "same.ipynb", [code("print(1)", 1, printed("1\n"))])
    write_notebook(tmp_path / "other.ipynb", [code("print(2)", 1, printed("1\n"))])
    return tmp_path


def findings(run: Any) -> dict[str, list[tuple[str, int | None, bool]]]:
    return {
        path: [(one["rule"], one["cell"], one["fails"]) for one in notebook["findings"]]
        for path, notebook in run.notebooks.items()
    }


def test_files_are_checked_without_running_anything(course: Path) -> None:
    write_notebook(course / "runs.ipynb", ["open('ran', 'w')"])
    (course / "broken.ipynb").write_text("{")
    run = validate(course, ".", "--lint-only", "--json")
    assert run.status == 1
    assert findings(run)["links.ipynb"] == [("broken-link", 0, True)]
    assert findings(run)["prose.ipynb"] == [("broken-link", 0, True)]
    verdicts = {path: one["verdict"] for path, one in run.notebooks.items()}
    assert (verdicts["broken.ipynb"], verdicts["runs.ipynb"]) == ("invalid", "skipped")
    assert not (course / "ran").exists()
    assert "Checking 6 notebooks" in run.stderr
    assert "cell 1, line 2: 'gone.md' is not there (broken-link)" in run.stderr


def test_a_check_fails_a_notebook_that_runs(course: Path) -> None:
    run = validate(course, "links.ipynb", "--lint", "--json")
    (notebook,) = run.report["notebooks"]
    assert (run.status, notebook["verdict"]) == (1, "passed")
    assert "course checks fail 1" in run.stderr
    assert validate(course, "links.ipynb", "--lint", "--lint-fails", "none").status == 0
    assert validate(course, "links.ipynb", "--lint", "--lint-rules", "-broken-link").status == 0
    assert validate(course, "links.ipynb").status == 0


def test_an_unknown_rule_is_wrong_usage(course: Path) -> None:
    run = validate(course, ".", "--lint", "--lint-rules", "sceret")
    assert run.status == 2
    assert "no rule 'sceret'" in run.stderr
    assert "Traceback" not in run.stderr


def test_outputs_are_compared_on_request(course: Path) -> None:
    run = validate(course, "same.ipynb", "other.ipynb", "--check-outputs", "--json")
    assert run.status == 1
    assert findings(run) == {"same.ipynb": [], "other.ipynb": [("output-differs", 0, True)]}
    (finding,) = run.notebooks["other.ipynb"]["findings"]
    assert finding["detail"].splitlines() == [" [stdout]", "-1", "+2"]
    ignoring = ("--check-outputs", "--ignore-output", r"\d")
    assert validate(course, "other.ipynb", *ignoring).status == 0
    assert validate(course, "same.ipynb", "other.ipynb").status == 0


def test_what_passed_before_is_compared_all_the_same(course: Path) -> None:
    kept = ("other.ipynb", "--cache", "--cache-dir", "kept")
    assert validate(course, *kept).status == 0
    assert validate(course, *kept, "--check-outputs").status == 1
    assert validate(course, *kept).status == 0


@pytest.mark.parametrize("how", [(), ("--cold",)])
def test_the_learners_version_runs_where_its_source_lies(tmp_path: Path, how: Any) -> None:
    lab = write_notebook(tmp_path / "lab.ipynb", LAB)
    before = lab.read_bytes()
    run = validate(tmp_path, "lab.ipynb", "--variant", "both", "--json", *how)
    assert run.status == 0
    assert {path: one["verdict"] for path, one in run.notebooks.items()} == {
        "lab.ipynb": "passed",
        "lab.ipynb (learner)": "passed",
    }
    cells = run.notebooks["lab.ipynb (learner)"]["cells"]
    assert [cell["status"] for cell in cells] == [
        "ok", "ok", "expected-error", "expected-error", "ok",
    ]  # fmt: skip
    assert lab.read_bytes() == before
    assert (tmp_path / "seen").read_text() == "xx"
    assert sorted(path.name for path in tmp_path.glob("*.ipynb")) == ["lab.ipynb"]
    assert run.wait_until_nothing_is_left() == []


def test_what_only_learners_run_into_fails_their_version(tmp_path: Path) -> None:
    write_notebook(tmp_path / "lab.ipynb", [*LAB[1:2], code(HELPER, grade=True), "print(math.pi)"])
    write_notebook(tmp_path / "plain.ipynb", ["x = 1"])
    run = validate(tmp_path, ".", "--variant", "both", "--json")
    assert run.status == 1
    assert {path: one["verdict"] for path, one in run.notebooks.items()} == {
        "lab.ipynb": "passed",
        "lab.ipynb (learner)": "failed",
        "plain.ipynb": "passed",
    }
    learner = run.notebooks["lab.ipynb (learner)"]
    assert (learner["cell"], learner["error"]["name"]) == (2, "NameError")
    assert "cells that use what learners write" in learner["hint"]


def test_marks_from_which_no_version_can_be_made_are_told(tmp_path: Path) -> None:
    write_notebook(tmp_path / "lab.ipynb", [code("### BEGIN SOLUTION\nx = 1", solution=True)])
    run = validate(tmp_path, "lab.ipynb", "--variant", "learner", "--json")
    (notebook,) = run.report["notebooks"]
    assert (run.status, notebook["verdict"]) == (1, "invalid")
    assert "cell 1 BEGIN SOLUTION has no END SOLUTION" in notebook["reason"]


def test_checks_may_stand_in_the_settings(course: Path) -> None:
    (course / "gpuctl.toml").write_text('[validate]\nlint = true\nlint-rules = "broken-link"\n')
    run = validate(course, "links.ipynb", "--report", "json=r.json")
    report = json.loads((course / "r.json").read_text())
    assert run.status == 1
    assert [one["rule"] for one in report["notebooks"][0]["findings"]] == ["broken-link"]
