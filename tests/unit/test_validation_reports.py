"""Reports of any validation, whatever its notebooks are called and hold."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import resource
import stat
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

import mistune
import nbformat
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from xmlschema import XMLSchema, XMLSchemaException

from jupyter_gpuctl.cli.validate_reports import targets_of, write_reports
from jupyter_gpuctl.core.errors import InvalidInput
from jupyter_gpuctl.validation.model import CellError, Finding, Verdict, exit_status
from jupyter_gpuctl.validation.reports import FORMATS, renderer
from jupyter_gpuctl.validation.reports.sources import cell_sources, scan
from tests.unit.validations import (
    hostile,
    notebook,
    of_all_verdicts,
    texts,
    validation,
    validations,
)

ACTIVE = {"script", "iframe", "object", "embed", "img", "link", "base", "form", "meta", "svg"}


class Elements(HTMLParser):
    """All elements with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def rendered(name, what):
    return renderer(name)(what)


def inert(elements: Elements) -> bool:
    """Whether nothing of it runs, loads or leads anywhere."""
    for _, attributes in elements.found:
        for name, value in attributes.items():
            if name.startswith("on"):
                return False
            if name in {"href", "src", "action"} and not (value or "").startswith("#"):
                return False
    return True


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("what", [validation(), of_all_verdicts(), hostile()])
def test_every_format_bears_everything(name, what):
    text = rendered(name, what)
    text.encode()
    assert text == "" or text.endswith("\n") or name == "html"


# --- JUnit -------------------------------------------------------------------------------------


def counted(suite: ET.Element) -> dict[str, int]:
    return {
        "tests": len(suite.findall("testcase")),
        "failures": len(suite.findall("testcase/failure")),
        "errors": len(suite.findall("testcase/error")),
        "skipped": len(suite.findall("testcase/skipped")),
    }


@settings(max_examples=60, deadline=None)
@given(validations)
def test_junit_is_xml_and_its_counts_add_up(what):
    root = ET.fromstring(rendered("junit", what))
    suites = root.findall("testsuite")
    assert len(suites) == len(what.notebooks)
    for suite in suites:
        assert {name: int(suite.get(name)) for name in counted(suite)} == counted(suite)
    for name in ("tests", "failures", "errors"):
        assert int(root.get(name)) == sum(int(suite.get(name)) for suite in suites)


def test_junit_fails_where_the_notebook_did():
    root = ET.fromstring(rendered("junit", of_all_verdicts()))
    bad = {
        suite.get("name")
        for suite in root
        if int(suite.get("failures")) + int(suite.get("errors")) > 0
    }
    told = {each.path for each in of_all_verdicts().notebooks}
    good = {"course/01-intro.ipynb", "course/02-arrays.ipynb"}
    good |= {"course/08-reading.ipynb", "course/09-links.ipynb"}
    assert bad == told - good


# The rules of junit-10.xsd (github.com/jenkinsci/xunit-plugin, src/main/resources/org/jenkinsci/
# plugins/xunit/types/model/xsd), said again, as far as they concern what is written here.
TEXT = '<xs:complexType mixed="true">{}</xs:complexType>'


def attributes(required: str, optional: str = "") -> str:
    return "".join(
        f'<xs:attribute name="{name}" type="{"SECONDS" if name == "time" else "xs:string"}" '
        f'use="{use}"/>'
        for names, use in ((required, "required"), (optional, "optional"))
        for name in names.split()
    )


FAULT = TEXT.format(attributes("", "type message"))
JUNIT = f"""
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:simpleType name="SECONDS">
    <xs:restriction base="xs:string">
      <xs:pattern value="(([0-9]{{0,3}},)*[0-9]{{3}}|[0-9]{{0,3}})*(\\.[0-9]*)?"/>
    </xs:restriction>
  </xs:simpleType>
  <xs:element name="failure">{FAULT}</xs:element>
  <xs:element name="error">{FAULT}</xs:element>
  <xs:element name="skipped">{FAULT}</xs:element>
  <xs:element name="property">
    <xs:complexType>{attributes("name value")}</xs:complexType>
  </xs:element>
  <xs:element name="properties"><xs:complexType><xs:sequence>
    <xs:element ref="property" minOccurs="0" maxOccurs="unbounded"/>
  </xs:sequence></xs:complexType></xs:element>
  <xs:element name="testcase"><xs:complexType>
    <xs:choice minOccurs="0" maxOccurs="unbounded">
      <xs:element ref="skipped"/><xs:element ref="error"/><xs:element ref="failure"/>
    </xs:choice>
    {attributes("name", "classname group").replace("SECONDS", "xs:string")}
    <xs:attribute name="time" type="xs:string"/>
  </xs:complexType></xs:element>
  <xs:element name="testsuite"><xs:complexType>
    <xs:choice minOccurs="0" maxOccurs="unbounded">
      <xs:element ref="properties"/><xs:element ref="testcase"/>
    </xs:choice>
    {attributes("name tests failures errors", "time skipped timestamp hostname id package file")}
  </xs:complexType></xs:element>
  <xs:element name="testsuites"><xs:complexType><xs:sequence>
    <xs:element ref="testsuite" minOccurs="0" maxOccurs="unbounded"/>
  </xs:sequence>{attributes("", "name time tests failures errors")}</xs:complexType></xs:element>
</xs:schema>
"""


@settings(max_examples=40, deadline=None)
@given(validations)
@example(of_all_verdicts())
@example(hostile())
def test_junit_fits_the_schema_of_jenkins(what):
    XMLSchema(JUNIT).validate(rendered("junit", what))


@pytest.mark.parametrize("wrong", ["<testcase/>", '<testsuite name="x"/>', '<x name="x"/>'])
def test_the_schema_refuses_what_is_no_report(wrong):
    with pytest.raises(XMLSchemaException):
        XMLSchema(JUNIT).validate(f"<testsuites>{wrong}</testsuites>")


# --- HTML --------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(validations)
def test_nothing_of_a_notebook_becomes_markup_of_the_page(what):
    page = rendered("html", what)
    elements = Elements(page)
    tags = [tag for tag, _ in elements.found]
    assert tags.count("script") == 1
    assert not {"iframe", "object", "embed", "img", "link", "base"} & set(tags)
    assert inert(elements)


def test_the_page_runs_only_its_own_script():
    page = rendered("html", hostile())
    (policy,) = (
        attributes["content"]
        for tag, attributes in Elements(page).found
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_the_page_tells_each_notebook_its_error_and_what_was_found():
    page = rendered("html", of_all_verdicts())
    for each in of_all_verdicts().notebooks:
        assert each.path.rpartition("/")[2] in page
    assert "NameError: name &#39;df&#39; is not defined" in page
    assert "img/plot.png is not there." in page


# --- Markdown ----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(validations)
def test_nothing_of_a_notebook_becomes_markup_of_the_summary(what):
    html = mistune.create_markdown(escape=False, plugins=["table"])(rendered("markdown", what))
    elements = Elements(html)
    assert not ACTIVE & {tag for tag, _ in elements.found}
    assert inert(elements)


def test_a_summary_that_is_too_long_for_github_is_cut_with_a_word():
    what = validation(
        *(
            notebook(f"course/{n:05}-a-name-of-some-length.ipynb", Verdict.FAILED, reason="x" * 200)
            for n in range(6000)
        )
    )
    text = rendered("markdown", what)
    assert len(text.encode()) <= 1024**2
    assert "00000-a-name" in text
    assert "cut for length" in text


# --- annotations of GitHub ---------------------------------------------------------------------


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


# --- all of them -------------------------------------------------------------------------------


def test_no_report_tells_what_a_cell_printed(tmp_path):
    secret = "correct horse battery staple"
    printed = nbformat.v4.new_output("stream", name="stdout", text=secret)
    cell = nbformat.v4.new_code_cell("print(password)", outputs=[printed])
    path = tmp_path / "a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    error = CellError("NameError", "name 'password' is not defined", 1, "print(password)")
    failed = notebook(str(path), Verdict.FAILED, error=error, reason="cell 1: NameError", cells=1)
    object.__setattr__(failed, "cell", 0)
    for name in FORMATS:
        text = rendered(name, validation(failed))
        assert "NameError" in text
        assert secret not in text


@pytest.mark.parametrize("text", ["pdf=x", "html=/no/such/folder/a.html", "=", ""])
def test_a_report_that_can_not_be_is_refused_by_name(text):
    with pytest.raises(InvalidInput, match=re.escape(repr(text))):
        targets_of([text])


def test_two_reports_want_places_of_their_own(tmp_path):
    with pytest.raises(InvalidInput, match="where the html report goes"):
        targets_of([f"html={tmp_path}/a", f"junit={tmp_path}/./a"])


def test_reports_are_written_whole_and_leave_nothing_beside(tmp_path):
    names = {f"{name}={tmp_path}/{name}" for name in FORMATS}
    write_reports(targets_of(sorted(names)), of_all_verdicts())
    assert {path.name for path in tmp_path.iterdir()} == set(FORMATS)
    for name in FORMATS:
        assert (tmp_path / name).read_text() == rendered(name, of_all_verdicts())


@pytest.fixture
def no_room():
    """No file of ours can grow beyond a kilobyte."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_report_for_which_there_is_no_room_leaves_the_old_one_and_the_others(tmp_path, no_room):
    (tmp_path / "old.html").write_text("old")
    wanted = [f"html={tmp_path}/old.html", f"github={tmp_path}/github"]
    with pytest.raises(
        InvalidInput, match=r"html report can't be written to '.*old\.html'"
    ) as told:
        write_reports(targets_of(wanted), validation(notebook("a", Verdict.FAILED, reason="r")))
    assert told.value.hint == "Free some room, or name another file."
    assert (tmp_path / "old.html").read_text() == "old"
    assert (tmp_path / "github").read_text().startswith("::error file=a,line=1,")
    assert {path.name for path in tmp_path.iterdir()} == {"old.html", "github"}


def test_a_full_device_is_told():
    with pytest.raises(InvalidInput, match="'/dev/full': No space left on device"):
        write_reports(targets_of(["json=/dev/full"]), validation())


def test_a_report_keeps_the_mode_and_the_link_of_the_file_before_it(tmp_path):
    real = tmp_path / "real"
    real.write_text("")
    real.chmod(0o604)
    (tmp_path / "link").symlink_to(real)
    write_reports(targets_of([f"json={tmp_path}/link"]), validation())
    assert (tmp_path / "link").is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o604
    assert json.loads(real.read_text())["notebooks"] == []


def test_the_summary_of_a_step_is_appended_to(tmp_path, monkeypatch):
    file = tmp_path / "summary"
    file.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    write_reports(targets_of([f"markdown={file}"]), validation())
    assert file.read_text().startswith("before\n## There was no notebook")


def test_a_notebook_that_a_check_fails_is_told_as_one_that_did_not_pass():
    failing = Finding("output-differs", "It is another.", "", 1, fails=True)
    what = validation(notebook("a.ipynb"), notebook("b.ipynb", findings=(failing,)))
    assert "1 of 2 notebooks failed a check." in rendered("html", what)
    assert "1 of 2 notebooks failed a check." in rendered("markdown", what)
    assert ET.fromstring(rendered("junit", what)).get("failures") == "1"
    assert rendered("github", what).startswith("::error file=b.ipynb,")
    assert not exit_status(validation(notebook("a.ipynb")))
    assert exit_status(what)


def test_what_is_recommended_stands_above_the_notebooks():
    page = rendered("html", of_all_verdicts())
    told = "For learners who open up to 2 of these at once: limit at least 3.5 GiB"
    assert page.index(told) < page.index("<table")
    assert told in rendered("markdown", of_all_verdicts()).replace("&#58;", ":")
