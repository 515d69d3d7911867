"""Reports of any validation, whatever its notebooks are called and hold."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import mistune
import nbformat
import pytest
from hypothesis import example, given, settings
from xmlschema import XMLSchema, XMLSchemaException

from jupyter_gpuctl.validation.model import CellError, Finding, Verdict, exit_status
from jupyter_gpuctl.validation.reports import FORMATS, renderer
from tests.unit.validations import (
    hostile,
    notebook,
    of_all_verdicts,
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
    told = "For learners who open up to 2 of these at once: memory limit at least 3.5 GiB"
    assert page.index(told) < page.index("<table")
    assert told in rendered("markdown", of_all_verdicts()).replace("&#58;", ":")
