"""The HTML report, opened from its file as a teacher does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from jupyter_gpuctl.validation.model import Validation
from jupyter_gpuctl.validation.reports.html import render
from tests.unit.validations import hostile, of_all_verdicts, validation

Open = Callable[..., Page]
ROW = "table.notebooks > tbody"


@pytest.fixture
def open_report(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a report; at the end nothing was said, asked or fetched."""
    pages: list[Page] = []
    troubles: list[str] = []

    def _open(what: Validation, **options: object) -> Page:
        file = tmp_path / "report.html"
        file.write_text(render(what), encoding="utf-8")
        page = browser.new_page(**options)
        pages.append(page)
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: _only(file, request.url, troubles))
        page.goto(file.as_uri())
        return page

    yield _open
    for page in pages:
        page.close()
    assert troubles == []


def _only(file: Path, url: str, troubles: list[str]) -> None:
    if url != file.as_uri():
        troubles.append(f"asked for {url}")


def names(page: Page) -> list[str]:
    """Of the notebooks that are shown, from the top."""
    return [text for text in page.locator(f"{ROW}:visible .name").all_inner_texts() if text]


def test_the_answer_comes_first_and_what_failed_above_the_rest(open_report: Open) -> None:
    page = open_report(of_all_verdicts())
    expect(page.get_by_role("heading", level=1)).to_contain_text("6 of 10 notebooks did not pass")
    assert names(page)[0] == "03-frames.ipynb"
    assert names(page)[6] == "01-intro.ipynb"


def test_a_notebook_opens_to_its_error_its_memory_and_its_cells(open_report: Open) -> None:
    page = open_report(of_all_verdicts())
    page.get_by_text("Cell 12: NameError").click()
    notebook = page.locator(ROW).filter(has_text="03-frames.ipynb")
    expect(notebook.locator("mark")).to_have_text("z = df.head()")
    assert (notebook.get_by_role("img").get_attribute("aria-label") or "").startswith("Memory over")
    failed = notebook.locator(".cells tr", has_text="failed (NameError)")
    expect(failed.get_by_role("rowheader")).to_have_text("12")


def test_notebooks_are_sorted_and_filtered_by_keyboard(open_report: Open) -> None:
    page = open_report(of_all_verdicts())
    page.get_by_role("button", name="Memory", exact=True).focus()
    page.keyboard.press("Enter")
    head = page.locator("th[data-sort='bytes']")
    expect(head).to_have_attribute("aria-sort", "descending")
    assert names(page)[0] == "01-intro.ipynb"
    page.get_by_role("button", name="out of memory 1").focus()
    page.keyboard.press("Space")
    assert names(page) == ["04-train.ipynb"]
    expect(page.get_by_role("status")).to_have_text("1 of 10 notebooks shown.")
    page.locator("summary:visible").last.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Memory was held by")).to_be_visible()


def test_without_scripts_it_is_a_plain_table_that_still_opens(open_report: Open) -> None:
    page = open_report(of_all_verdicts(), java_script_enabled=False)
    assert len(names(page)) == 10
    expect(page.locator(".tools")).to_be_hidden()
    page.locator(f"{ROW} summary").first.click()
    expect(page.get_by_text("z = df.head()").first).to_be_visible()


@pytest.mark.parametrize("what", [hostile(), of_all_verdicts(), validation()])
def test_no_text_acts_and_nothing_sticks_out_of_a_phone(
    open_report: Open, what: Validation
) -> None:
    page = open_report(what, viewport={"width": 360, "height": 700})
    if what.notebooks:
        page.get_by_role("button", name="open all").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


# WCAG 2.2, 1.4.3: 4.5 to 1 for text.
CONTRAST = """() => {
  const light = color => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(value => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if (color !== 'rgba(0, 0, 0, 0)') return color;
    }
    return 'white';
  };
  const poor = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || element.closest('script, svg')) continue;
    const pair = [getComputedStyle(element).color, behind(element)].map(light);
    pair.sort((a, b) => b - a);
    if ((pair[0] + 0.05) / (pair[1] + 0.05) < 4.5) poor.push(element.outerHTML.slice(0, 120));
  }
  return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_told_from_what_is_behind_it(open_report: Open, scheme: str) -> None:
    page = open_report(of_all_verdicts(), color_scheme=scheme)
    page.get_by_role("button", name="open all").click()
    assert page.evaluate(CONTRAST) == []


def test_every_table_has_a_caption_and_heads(open_report: Open) -> None:
    page = open_report(of_all_verdicts())
    for table in page.locator("table").all():
        assert table.locator(":scope > caption").count() == 1
        assert table.locator(":scope > thead th[scope='col']").count() >= 4
