"""JUnit XML: a suite a notebook, a case a code cell.

There is no standard; this keeps to what Jenkins' xunit plugin accepts
(``junit-10.xsd`` of github.com/jenkinsci/xunit-plugin), which GitLab and CircleCI read as well. It
knows properties of suites only, so what was measured in a cell is a property of its notebook.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from xml.etree import ElementTree as ET

from ...core.encoding import to_json
from ..model import CellError, CellResult, CellStatus, NotebookResult, Validation, Verdict, words
from .sources import cell_sources, excerpt
from .text import GOOD, clean, holders, one_line

_LONGEST_NAME = 120
_ELEMENTS = {
    CellStatus.ERROR: "failure",
    CellStatus.TIMED_OUT: "error",
    CellStatus.OUT_OF_MEMORY: "error",
    CellStatus.KERNEL_DIED: "error",
    CellStatus.INTERRUPTED: "skipped",
    CellStatus.SKIPPED: "skipped",
    CellStatus.NOT_RUN: "skipped",
}
_WHY_SKIPPED = {
    CellStatus.INTERRUPTED: "the validation was interrupted",
    CellStatus.SKIPPED: "empty, or tagged skip-execution",
    CellStatus.NOT_RUN: "an earlier cell ended the run",
}


def render(validation: Validation) -> str:
    """The report as XML, with an end of line at its end."""
    root = ET.Element("testsuites", name="gpuctl validate", time=f"{validation.duration:.3f}")
    started = validation.started_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    for notebook in validation.notebooks:
        root.append(_suite(notebook, started))
    for kind in ("tests", "failures", "errors"):
        root.set(kind, str(sum(int(suite.get(kind, "0")) for suite in root)))
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode", short_empty_elements=True)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _suite(notebook: NotebookResult, started: str) -> ET.Element:
    path = one_line(notebook.path)
    suite = ET.Element("testsuite", name=path, file=path, timestamp=started)
    suite.set("time", f"{notebook.duration or 0:.3f}")
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(notebook):
        ET.SubElement(properties, "property", name=name, value=one_line(value))
    cases = list(_cases(notebook, path))
    suite.extend(cases)
    suite.set("tests", str(len(cases)))
    for attribute, element in (("failures", "failure"), ("errors", "error"), ("skipped",) * 2):
        suite.set(attribute, str(sum(case.find(element) is not None for case in cases)))
    return suite


def _properties(notebook: NotebookResult) -> Iterator[tuple[str, str]]:
    """Bytes and seconds; what was not measured is left out."""
    for name in (
        "verdict",
        "started",
        "enforced_by",
        "peak_memory",
        "peak_gpu_memory",
        "cpu_seconds",
    ):
        value = getattr(notebook, name)
        if value is not None:
            yield name, str(to_json(value))
    for cell in notebook.cells:
        for name in ("peak_memory", "cpu_seconds"):
            value = getattr(cell, name)
            if value is not None:
                yield f"cell {cell.index + 1} {name}", str(value)


def _cases(notebook: NotebookResult, path: str) -> Iterator[ET.Element]:
    told = False
    for cell in notebook.cells:
        name = f"cell {cell.index + 1}"
        if cell.first_line:
            name += f": {one_line(cell.first_line, _LONGEST_NAME)}"
        case = _case(name, path, cell.duration)
        element = _ELEMENTS.get(cell.status)
        if element == "skipped":
            ET.SubElement(case, element, message=_WHY_SKIPPED[cell.status])
        elif element is not None:
            told = True
            case.append(_fault(element, notebook, cell))
        yield case
    for finding in notebook.findings:
        if finding.fails:
            told = True
            where = f" in cell {finding.cell + 1}" if finding.cell is not None else ""
            case = _case(one_line(f"{finding.rule}{where}", _LONGEST_NAME), path, None)
            message = one_line(finding.message)
            fault = ET.SubElement(case, "failure", type=one_line(finding.rule), message=message)
            fault.text = clean(
                "\n".join(each for each in (finding.message, finding.hint, finding.detail) if each)
            )
            yield case
    # What no cell tells: it was never started, or a rule of another kind failed it.
    if not notebook.cells or not (told or notebook.verdict in GOOD):
        yield _whole(notebook, path)


def _whole(notebook: NotebookResult, path: str) -> ET.Element:
    case = _case("the notebook", path, None if notebook.cells else notebook.duration)
    if notebook.verdict is Verdict.PASSED:
        return case
    element = {Verdict.SKIPPED: "skipped", Verdict.FAILED: "failure"}.get(notebook.verdict, "error")
    fault = ET.SubElement(case, element, message=one_line(notebook.reason))
    fault.set("type", notebook.verdict.value)
    fault.text = clean(f"{notebook.reason}\n{notebook.hint}".strip())
    return case


def _case(name: str, path: str, seconds: float | None) -> ET.Element:
    return ET.Element("testcase", name=name, classname=path, time=f"{seconds or 0:.3f}")


def _fault(element: str, notebook: NotebookResult, cell: CellResult) -> ET.Element:
    decides = cell.index == notebook.cell
    error = cell.error or (notebook.error if decides else None)
    error = error or CellError(cell.status.value, cell.status.value.replace("-", " "), None, None)
    message = notebook.reason if decides and notebook.reason else f"{error.name}: {error.value}"
    fault = ET.Element(element, type=one_line(error.name), message=one_line(message))
    fault.text = clean("\n".join(_told(notebook, cell, error, decides)))
    return fault


def _told(
    notebook: NotebookResult, cell: CellResult, error: CellError, decides: bool
) -> Iterator[str]:
    yield f"{error.name}: {error.value}"
    cells = cell_sources(notebook.path)
    code = excerpt(cells[cell.index] if cell.index < len(cells) else None, error)
    if code:
        yield ""
        yield from (f"{'>' if line.failing else ' '}{line.number:4} {line.text}" for line in code)
    if decides:
        held = ", ".join(holders(notebook))
        yield from (
            text for text in (held and f"\nMemory was held by {held}.", notebook.hint) if text
        )
        yield f"\nVerdict: {words(notebook.verdict)}."
