"""Course checks: what each rule finds, and what it must let be."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import v4

from jupyter_gpuctl.core.errors import InvalidInput
from jupyter_gpuctl.validation.lint.private import SECRETS, found_emails, found_homes, found_secrets
from jupyter_gpuctl.validation.lint.reading import lint_file
from jupyter_gpuctl.validation.lint.rules import RULES, check, choose
from jupyter_gpuctl.validation.lint.subject import subject_of
from jupyter_gpuctl.validation.model import Finding

from .notebooks_at_random import notebooks, texts

ALL = choose()
THERE = {"there.md", "pics/a b.png", "data/there.csv", "02-next.ipynb", "sub"}


def code(source: str, count: int | None = None, *outputs: Any, tags: tuple[str, ...] = ()) -> Any:
    metadata = {"tags": list(tags)} if tags else {}
    return v4.new_code_cell(source, execution_count=count, outputs=list(outputs), metadata=metadata)


def text(source: str, **more: Any) -> Any:
    return v4.new_markdown_cell(source, **more)


def printed(words: str) -> Any:
    return v4.new_output("stream", name="stdout", text=words)


def shown(words: str, mime: str = "text/plain") -> Any:
    return v4.new_output("display_data", data={mime: words})


def raised(name: str = "ValueError") -> Any:
    return v4.new_output("error", ename=name, evalue="no", traceback=["no"])


def found(*cells: Any, rule: str, kernel: str | None = "python3", language: str = "python") -> Any:
    metadata: dict[str, Any] = {}
    if kernel:
        metadata["kernelspec"] = {"name": kernel, "display_name": "", "language": language}
    ids = [cell["id"] for cell in cells]
    notebook = v4.new_notebook(cells=copy.deepcopy(list(cells)), metadata=metadata)
    subject = subject_of(notebook, ids, _is_there, lambda name: name == "python3")
    return check(subject, choose(rule))


def _is_there(path: str) -> bool:
    return os.path.normpath(path) in THERE


@dataclass(frozen=True)
class Case:
    """Cells in which a rule finds something, and cells like them in which it must not."""

    rule: str
    bad: tuple[Any, ...]
    good: tuple[Any, ...]
    cell: int | None = 0
    line: int | None = None
    told: str = ""


def twins() -> tuple[Any, Any]:
    first, second = code("1"), code("2")
    second["id"] = first["id"]
    return first, second


CASES = {
    "link": Case("broken-link", (text("a\n[x](gone.md)"),), (text("[x](there.md#a 'title')"),),
                 0, 2, "'gone.md' is not there"),
    "link with a title": Case(
        "broken-link", (text('[x](gone.md "t")'),), (text('[x](<pics/a b.png> "t")'),), 0, 1),
    "picture": Case(
        "broken-link", (text("![x](pics/gone.png)"),), (text("![x](pics/a%20b.png)"),), 0, 1),
    "HTML picture": Case(
        "broken-link", (text("<img width=3 src='gone.png'>"),),
        (text("<img src='https://x.invalid/gone.png'>"),), 0, 1),
    "reference": Case(
        "broken-link", (text("[x][1]\n\n[1]: gone.md"),), (text("[^1]: gone.md"),), 0, 3),
    "link in code": Case("broken-link", (text("`a` [x](gone.md)"),), (text("`[x](gone.md)`"),)
                         , 0, 1),
    "link in a fence": Case(
        "broken-link", (text("```\na\n```\n[x](gone.md)"),), (text("```\n[x](gone.md)\n```"),),
        0, 4),
    "mathematics": Case(
        "broken-link", (text("it costs $5 [x](gone.md)"),), (text("$f[x](y.z)$ and $$g[x](y.z)$$"),)
        , 0, 1),
    "built pages": Case(
        "broken-link", (text("[x](03-gone.html)"),), (text("[x](02-next.html) [y](./02-next)"),),
        0, 1),
    "attachment": Case(
        "broken-link", (text("![x](attachment:a.png)"),),
        (text("![x](attachment:a.png)", attachments={"a.png": {"image/png": "aGk="}}),), 0, 1),
    "anchor": Case(
        "broken-anchor", (text("# One *two*\n[x](#three)"),),
        (text("# One *two*!\n[x](#One-two!)"),),
        0, 2, "no heading is called '#three'"),
    "anchor by name": Case(
        "broken-anchor", (text("[x](#fig-a)"),),
        (text("[x](#fig-a)\n<a id=\"fig-a\"></a>"),), 0, 1),
    "anchor of MyST": Case(
        "broken-anchor", (text("[x](#sec)"),), (text("(sec)=\n# Other\n[x](#sec)"),), 0, 1),
    "underlined heading": Case(
        "broken-anchor", (text("# Othre\n[x](#other)"),),
        (text("Other\n=====\n[x](#other)"),), 0, 2),
    "data": Case(
        "missing-data", (code("import pandas as pd\ndf = pd.read_csv('data/gone.csv')"),),
        (code("df = pd.read_csv('data/there.csv')"),), 0, 2, "'data/gone.csv'"),
    "data by open": Case(
        "missing-data", (code("with open('gone.txt', encoding='u8') as f:\n    pass"),),
        (code("with open('new.txt', 'w') as f:\n    pass"),), 0, 1),
    "data by a path": Case(
        "missing-data", (code("Path('gone.txt').read_text()"),),
        (code("Path('new.txt').write_text('')"),), 0, 1),
    "data made before": Case(
        "missing-data", (code("a.read_csv('gone.csv')"), code("df.to_csv('gone.csv')")),
        (code("df.to_csv('gone.csv')"), code("pd.read_csv('gone.csv')")), 0, 1),
    "data saved with an ending": Case(
        "missing-data", (code("np.load('gone.npy')"),),
        (code("np.save('gone', a)\nnp.load('gone.npy')"),),
        0, 1),
    "data of the web": Case(
        "missing-data", (code("pd.read_csv('gone.csv')"),),
        (code("pd.read_csv('https://x.invalid/gone.csv')"),), 0, 1),
    "downloads": Case(
        "missing-data", (code("f()"), code("pd.read_csv('gone.csv')")),
        (code("!wget https://x.invalid/gone.csv"), code("pd.read_csv('gone.csv')")), 1, 1),
    "data if there": Case(
        "missing-data", (code("pd.read_csv('gone.csv')"),),
        (code("try:\n    pd.read_csv('gone.csv')\nexcept OSError:\n    pass"),), 0, 1),
    "data in a function": Case(
        "missing-data", (code("pd.read_csv('gone.csv')"),),
        (code("def f():\n    return pd.read_csv('gone.csv')"),), 0, 1),
    "a cell that may raise": Case(
        "missing-data", (code("open('gone')"),),
        (code("open('gone')", tags=("raises-exception",)),),
        0, 1),
    "a pattern": Case(
        "missing-data", (code("pd.read_csv('gone.csv')"),), (code("pd.read_csv(f'{a}.csv')\n"
         "pd.read_json('{\"a\": 1}')\npd.read_csv('*.csv')"),), 0, 1),
    "error": Case("error-left", (code("f()", 1, raised()),),
                  (code("f()", 1, raised(), tags=("raises-exception",)),), told="ValueError"),
    "order": Case("out-of-order", (code("1", 2), code("2", 1)), (code("1", 1), code("2", 5)), 1),
    "never run": Case("never-run", (code("1", 1), code("2")),
                      (code("1", 1), code(" "), code("2", tags=("skip-execution",))), 1),
    "nothing run": Case("never-run", (code("1"), code("2", 2)), (code("1"), code("2"))),
    "outputs": Case("outputs-left", (code("1", 1, printed("1")),), (code("1", 1),)),
    "large": Case("large-output", (code("1", 1, printed("x" * 1024**2 + "y")),),
                  (code("1", 1, printed("x" * 1024)),), told="1.0 MiB"),
    "ids": Case("duplicate-id", twins(), (code("1"), code("2")), 1, told="cell 1"),
    "tail": Case("empty-tail", (code("1"), code(""), code(" ")), (code("1"), code("")), 1),
    "input": Case("asks-input", (code("a = 1\nn = int(input('n'))"),),
                  (code("def ask():\n    return input()\ns.input()"),), 0, 2),
    "input in a skipped cell": Case(
        "asks-input", (code("input()"),), (code("input()", tags=("skip-execution",)),), 0, 1),
    "home in code": Case(
        "personal-data", (code("a\nopen('/home/anna/x.csv')"),),
        (code("open('/home/jovyan/x.csv')"),),
        0, 2, "'anna'"),
    "home in an output": Case(
        "personal-data", (code("a", 1, raised(), printed("File /Users/anna/a.py")),),
        (code("a", 1, printed("https://x.invalid/home/anna/ and /homes/anna")),),
        0, None, "'anna'"),
    "home on Windows": Case(
        "personal-data", (code("a", 1, printed(r"C:\Users\Anna Lee\a.py")),),
        (code("a", 1, printed(r"C:\Users\Public\a.py")),), 0, None, "'Anna Lee'"),
    "home in prose": Case(
        "personal-data", (code("'/home/anna/'"),),
        (text("In `/home/anna/` lie the files of Anna."),),
        0, 1),
    "mail": Case(
        "personal-data", (code("a", 1, shown("anna@posteo.de")),),
        (code("a", 1, shown("anna@example.com git@github.com a@2x.png no-reply@x.de")),), 0, None,
        "anna@posteo.de"),
    "mail of the lesson": Case(
        "personal-data", (code("f()", 1, printed("anna@posteo.de")),),
        (code("f('anna@posteo.de')", 1, printed("anna@posteo.de")),)),
    "mail in a script": Case(
        "personal-data", (code("a", 1, shown("<p>anna@posteo.de</p>", "text/html")),),
        (code("a", 1, shown("<script>// anna@posteo.de\n</script>", "text/html")),)),
    "token": Case(
        "secret", (code("a\nt = 'ghp_" + "aB3dE6gH9j" * 3 + "kLmN0p'"),),
        (code("t = 'ghp_" + "x" * 36 + "'"),), 0, 2, "GitHub token"),
    "token in an output": Case(
        "secret", (code("a", 1, printed("http://x/?token=" + "0123456789abcdef" * 3)),),
        (code("a", 1, printed("commit " + "0123456789abcdef" * 3)),), 0, None, "Jupyter token"),
    "AWS": Case("secret", (text("AKIAQ3EGRTYUI2PASDF4"),), (text("AKIAIOSFODNN7EXAMPLE"),), 0, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_rule_finds_what_it_is_for(name: str) -> None:
    case = CASES[name]
    (finding,) = found(*case.bad, rule=case.rule)
    assert (finding.rule, finding.cell, finding.line) == (case.rule, case.cell, case.line)
    assert case.told in finding.message
    assert finding.hint


@pytest.mark.parametrize("name", CASES)
def test_a_rule_lets_be_what_only_looks_like_it(name: str) -> None:
    assert found(*CASES[name].good, rule=CASES[name].rule) == ()


def test_kernels_that_are_missing_or_not_named_are_told() -> None:
    assert found(rule="no-kernel,unknown-kernel") == ()
    assert [one.rule for one in found(rule="no-kernel,unknown-kernel", kernel=None)] == [
        "no-kernel"
    ]
    (finding,) = found(rule="no-kernel,unknown-kernel", kernel="gone")
    assert (finding.rule, finding.fails) == ("unknown-kernel", True)


def test_code_of_other_languages_is_not_read_as_python() -> None:
    cell = code("open('gone.csv')\ninput()")
    assert found(cell, rule="missing-data,asks-input", language="R") == ()


def test_links_that_nobody_can_follow_here_are_let_be() -> None:
    lines = (
        "[a](https://x.invalid/y.md)", "[b](mailto:x@y.z)", "[c](//x.invalid/y.md)",
        "[d](/files/y.md)", "[e]({{ url }}.md)", "[f](label)", "[g]()", "[h](sub/)",
        "<!-- [i](gone.md) -->", "array[1](2.5)", "\\[j\\](gone", "[k](?q=a.md)",
    )  # fmt: skip
    assert found(text("\n".join(lines)), rule="broken-link,broken-anchor") == ()


def test_a_secret_is_never_repeated() -> None:
    token = "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGh"
    cells = (code(f"login('{token}')", 1, printed(token)),)
    findings = found(*cells, rule="secret")
    assert [one.line for one in findings] == [None, 1]
    assert not any(token in f"{one.message}{one.hint}{one.detail}" for one in findings)


def test_what_is_in_the_metadata_is_found_too() -> None:
    cell = code("1")
    cell.metadata["papermill"] = {"input_path": "/home/anna/a.ipynb"}
    (finding,) = found(cell, rule="personal-data")
    assert (finding.cell, "'anna'" in finding.message) == (None, True)


def test_findings_come_in_the_order_of_the_cells() -> None:
    cells = (code("1", 5, raised()), text("[x](gone.md)\n\n[y](gone.png)"), code("2", 1))
    findings = found(*cells, rule="", kernel=None)
    places = [(-1 if one.cell is None else one.cell, one.line or 0) for one in findings]
    assert places == sorted(places)
    assert {one.rule for one in findings} >= {"no-kernel", "error-left", "broken-link"}


def test_rules_are_chosen_by_name() -> None:
    names = {rule.name for rule in RULES}
    assert choose().on == names
    assert choose("secret, broken-link").on == {"secret", "broken-link"}
    assert choose("-outputs-left").on == names - {"outputs-left"}
    assert choose("secret", "none").fail == frozenset()
    assert choose("outputs-left", "all").fail == {"outputs-left"}
    assert choose(None, "outputs-left").fail == {"outputs-left"}
    assert choose().fail == {rule.name for rule in RULES if rule.fails}


@pytest.mark.parametrize(("rules", "fails"), [("sceret", None), ("-x", None), (None, "x")])
def test_an_unknown_rule_is_told_with_those_that_there_are(
    rules: str | None, fails: str | None
) -> None:
    with pytest.raises(InvalidInput, match="no rule") as error:
        choose(rules, fails)
    assert "broken-link" in error.value.hint


def test_a_file_is_seen_with_what_lies_around_it(tmp_path: Path) -> None:
    (tmp_path / "there.csv").touch()
    cells = [text("[a](there.csv) [b](gone.csv)"), code("1"), code("2")]
    for cell in cells:
        cell["id"] = "same"
    path = tmp_path / "n.ipynb"
    path.write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})
    )
    rules = [one.rule for one in lint_file(str(path), ALL)]
    assert rules == ["no-kernel", "broken-link", "duplicate-id", "duplicate-id"]


@pytest.mark.parametrize(
    ("finder", "plain"),
    [(found_secrets, "sk-learn pypi-server AKIA npm_config ghp_ hf_hub"),
     (found_homes, "~/x /home/ /Users/ /home/$USER /home/<you> /home/{name}"),
     (found_emails, "@property a@b @mock.patch x@y.ipynb decorator@2.0 a @ b.de")],
)  # fmt: skip
def test_plain_words_are_neither_secret_nor_personal(
    finder: Callable[[str], Any], plain: str
) -> None:
    assert list(finder(plain)) == []


def test_the_documentation_has_every_rule() -> None:
    text = Path(__file__, "../../../docs/validation.md").resolve().read_text(encoding="utf-8")
    for rule in RULES:
        assert f"| `{rule.name}` | {'yes' if rule.fails else ''}".rstrip() in text


def test_every_kind_of_secret_has_a_name() -> None:
    assert len({name for name, _ in SECRETS}) == len(SECRETS)


@settings(max_examples=60, deadline=None)
@given(notebooks(), st.lists(st.one_of(st.none(), st.sampled_from(["a", "b"])), max_size=6))
def test_no_notebook_is_too_odd_to_be_checked(notebook: Any, ids: list[str | None]) -> None:
    subject = subject_of(notebook, ids, lambda _: False, lambda _: False)
    for finding in check(subject, ALL):
        assert isinstance(finding, Finding)
        assert finding.rule in ALL.on
        assert finding.cell is None or 0 <= finding.cell < len(notebook.cells)
        lines = 0 if finding.cell is None else notebook.cells[finding.cell].source.count("\n") + 1
        assert finding.line is None or 1 <= finding.line <= lines


@settings(max_examples=60, deadline=None)
@given(texts)
def test_prose_without_links_has_no_broken_ones(words: str) -> None:
    cell = text(words.replace("](", "] (").replace("]:", "] :").replace("<", "&lt;"))
    assert found(cell, rule="broken-link,broken-anchor") == ()
